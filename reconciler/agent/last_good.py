"""Which state of an app to run: the one rendered, or the last good one after the rendered one failed. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.agent.backoff import backoff
from reconciler.agent.journal import MAX_FAILED, FailedApp, GoodApp, Memory
from reconciler.errors import ReconcilerError
from reconciler.model import App, DesiredState, ObservedState
from reconciler.planning import digest, has_finished, matches


@dataclass(frozen=True, slots=True)
class Choice:
    """What is run of one app. `failed` says why it is not the rendered state."""

    app: App
    digest: str
    revision: str
    failed: FailedApp | None = None
    is_held: bool = False


def admitted(memory: Memory, is_allowed: Callable[[App], bool]) -> Memory:
    """Without the good states that the device does not allow any more: they are left alone, and not made again."""
    good = {name: one for name, one in memory.good.items() if is_allowed(one.app)}
    return memory if len(good) == len(memory.good) else replace(memory, good=good)


def choose(desired: DesiredState, revision: str, memory: Memory, now: float) -> dict[str, Choice]:
    """For each app, the rendered state; the last good one when exactly this failed before, or it was not rendered.

    `now` is in seconds since 1970.
    """
    choices = {}
    for name in sorted(desired.untouched & memory.good.keys()):
        good = memory.good[name]
        choices[name] = Choice(good.app, good.digest, good.revision, is_held=True)
    for app in desired.apps:
        rendered, last = digest(app), memory.good.get(app.name)
        failed = memory.failure(rendered)
        if failed is not None and last is not None and last.digest != rendered and not failed.is_due(now):
            choices[app.name] = Choice(last.app, last.digest, last.revision, failed)
        else:
            choices[app.name] = Choice(app, rendered, revision)
    return choices


def chosen_state(rendered: DesiredState, choices: Mapping[str, Choice]) -> DesiredState:
    """The desired state with each app as it was chosen."""
    apps = tuple(choice.app for _, choice in sorted(choices.items()))
    return replace(rendered, apps=apps, untouched=rendered.untouched - choices.keys())


def remember_failed(
    memory: Memory, choices: Mapping[str, Choice], failures: Mapping[str, ReconcilerError], now: float
) -> Memory:
    """Write down what did not become healthy; only what there is a way back from, the rest goes on being tried."""
    kept = {failed.digest: failed for failed in memory.failed}
    for app, error in failures.items():
        choice, good = choices.get(app), memory.good.get(app)
        if choice is None or good is None or good.digest == choice.digest:
            continue
        before = kept.pop(choice.digest, None)
        tries = before.tries + 1 if before else 1
        # A port or a name that is taken may become free; trying costs the app a moment of service each time.
        retry_at = None if error.lasting else now + backoff(tries)
        kept[choice.digest] = FailedApp(app, choice.digest, choice.revision, str(error), tries, retry_at)
    return replace(memory, failed=tuple(kept.values())[-MAX_FAILED:])


def remember_good(
    memory: Memory, desired: DesiredState, choices: Mapping[str, Choice], healthy: Iterable[str]
) -> Memory:
    """Write down the apps that are healthy as they were rendered, and forget those that are wanted no more."""
    good = dict(memory.good)
    failed = memory.failed
    for name in healthy:
        choice = choices[name]
        if choice.failed is None and not choice.is_held:
            failed = tuple(one for one in failed if one.digest != choice.digest)
            if name not in good or good[name].digest != choice.digest:
                good[name] = GoodApp(choice.app, choice.digest, choice.revision)
    for name in good.keys() - choices.keys() if desired.is_whole else ():
        del good[name]
    return replace(memory, good=good, failed=failed)


def is_healthy(app: App, observed: ObservedState) -> bool:
    """Does every service have its container, running and not unhealthy, or finished if it is a job?"""
    seen = observed.of_app(app.name)
    for service in app.services:
        mine = [c for c in seen if c.service == service.name and matches(service, c, observed)]
        if not any((c.state == "running" and c.health in ("", "healthy")) or has_finished(service, c) for c in mine):
            return False
    return True
