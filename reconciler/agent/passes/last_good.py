"""Which state of an app to run: the one rendered, or the last good one after the rendered one failed. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.admission import NO_RULES, Admission, RealPath, is_admitted, refusals
from reconciler.agent.orders.known import Rendered
from reconciler.agent.state.backoff import backoff
from reconciler.agent.state.moment import rfc3339
from reconciler.agent.state.remembered import MAX_FAILED, FailedApp, GoodApp, Memory
from reconciler.errors import ManifestError, Problem, ReconcilerError, ServiceFailed
from reconciler.model import App, Container, DesiredState, ObservedState, Service
from reconciler.planning import app_digest, matches, may_rest


@dataclass(frozen=True, slots=True)
class Choice:
    """What is run of one app. `failed` says why it is not the rendered state."""

    app: App
    digest: str
    revision: str
    failed: FailedApp | None = None
    is_held: bool = False


def without_expired(app: App, now: float) -> App:
    """Without the drift that was to be left alone until before `now`, in seconds since 1970."""
    if not any(service.ignored for service in app.services):
        return app
    at = rfc3339(now)
    services = (replace(s, ignored=tuple(one for one in s.ignored if one.until > at)) for s in app.services)
    return replace(app, services=tuple(services))


def admitted(memory: Memory, admission: Admission, real: RealPath) -> Memory:
    """Without the good states that the device does not allow any more: they are left alone, and not made again.

    `real` follows the links of the device.
    """
    good = {name: one for name, one in memory.good.items() if is_admitted(one.app, admission, real)}
    return memory if len(good) == len(memory.good) else replace(memory, good=good)


def readmitted(rendered: Rendered, admission: Admission, real: RealPath) -> Rendered:
    """What was rendered, without the apps that links of the device have led elsewhere since it was judged."""
    if rendered.desired is None:
        return rendered
    # Signatures of images were asked for when it was rendered.
    admission, desired = replace(admission, images=NO_RULES), rendered.desired
    refused = {app.name: found for app in desired.apps if (found := tuple(refusals(app, admission, real)))}
    if not refused:
        return rendered
    told = (Problem(f"apps/{name}", what, advice) for name, found in refused.items() for _, what, advice in found)
    problems = (*rendered.problems, *told)
    apps = tuple(app for app in desired.apps if app.name not in refused)
    held = replace(desired, apps=apps, untouched=desired.untouched | refused.keys())
    return Rendered(held, problems, ManifestError(problems))


def last_good_state(device: str, memory: Memory) -> DesiredState | None:
    """What ran well before: enough to heal with, when what is wanted now cannot be read."""
    good = memory.good
    return DesiredState(device, untouched=frozenset(good), is_whole=False) if good else None


def choose(desired: DesiredState, revision: str, memory: Memory, now: float) -> dict[str, Choice]:
    """For each app, the rendered state; the last good one when exactly this failed before, or it was not rendered.

    `now` is in seconds since 1970.
    """
    choices = {}
    for name in sorted(desired.untouched & memory.good.keys()):
        good = memory.good[name]
        choices[name] = Choice(without_expired(good.app, now), good.digest, good.revision, is_held=True)
    apps = [without_expired(app, now) for app in desired.apps]
    digests = {app.name: app_digest(app) for app in apps}
    for app in apps:
        if given_back(app, memory, now) is not None:
            continue
        rendered, last = digests[app.name], memory.good.get(app.name)
        failed = memory.failure(rendered)
        if failed is not None and failed.because and _is_over(memory.failure(failed.because), digests.values(), now):
            failed = None
        if failed is not None and last is not None and last.digest != rendered and not failed.is_due(now):
            choices[app.name] = Choice(without_expired(last.app, now), last.digest, last.revision, failed)
        else:
            choices[app.name] = Choice(app, rendered, revision)
    return choices


def given_back(app: App, memory: Memory, now: float) -> FailedApp | None:
    """Why an app that was to be adopted belongs to Docker Compose again, until it changes."""
    failed = memory.failure(app_digest(app)) if app.adopt and app.name not in memory.good else None
    return failed if failed is not None and not failed.is_due(now) else None


def _is_over(leader: FailedApp | None, wanted: Iterable[str], now: float) -> bool:
    """Is the failure over for which others went back as well?"""
    return leader is None or leader.digest not in wanted or leader.is_due(now)


def stays(app: App) -> bool:
    """Does a service of it ask that it is left as it is when it fails (`failure_action`)?"""
    return any(service.update.failure_action != "rollback" for service in app.services)


def going_along(
    memory: Memory, choices: Mapping[str, Choice], failures: Mapping[str, ReconcilerError]
) -> dict[str, tuple[str, ReconcilerError]]:
    """The apps that changed together with one that failed and go back with it: its digest, and the reason, by app."""
    leader = next((name for name in sorted(failures) if name in choices and _goes_together(choices[name].app)), None)
    if leader is None:
        return {}
    told = ServiceFailed(f"goes back with {leader}, which changed in the same revision: {failures[leader].what}")
    return {
        name: (choices[leader].digest, told)
        for name, choice in choices.items()
        if name not in failures and _goes_together(choice.app) and _is_new(memory, name, choice)
    }


def _goes_together(app: App) -> bool:
    return any(service.update.together for service in app.services)


def _is_new(memory: Memory, name: str, choice: Choice) -> bool:
    good = memory.good.get(name)
    return choice.failed is None and not choice.is_held and good is not None and good.digest != choice.digest


def chosen_state(rendered: DesiredState, choices: Mapping[str, Choice]) -> DesiredState:
    """The desired state with each app as it was chosen."""
    apps = tuple(choice.app for _, choice in sorted(choices.items()))
    names = rendered.untouched | {app.name for app in rendered.apps}
    return replace(rendered, apps=apps, untouched=names - choices.keys())


def remember_failed(
    memory: Memory, choices: Mapping[str, Choice], failures: Mapping[str, ReconcilerError], now: float
) -> Memory:
    """Write down what did not become healthy; only what there is a way back from, the rest goes on being tried."""
    kept = {failed.digest: failed for failed in memory.failed}
    for app, (because, error) in going_along(memory, choices, failures).items():
        gone = choices[app]
        kept[gone.digest] = FailedApp(app, gone.digest, gone.revision, str(error), because=because)
    for app, error in failures.items():
        choice, good = choices.get(app), memory.good.get(app)
        if choice is None or (good is None and not choice.app.adopt) or (good and good.digest == choice.digest):
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
        if not any(_is_well(service, container) for container in mine):
            return False
    return True


def _is_well(service: Service, container: Container) -> bool:
    if container.state == "paused":
        return service.ignores("paused")
    return (container.state == "running" and container.health in ("", "healthy")) or may_rest(service, container)
