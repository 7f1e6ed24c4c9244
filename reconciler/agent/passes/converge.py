"""From a rendered state to a converged device: plan, perform, and go back to the last good where the new one fails."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.agent.engine.seam import Engine
from reconciler.agent.passes.last_good import (
    Choice,
    choose,
    chosen_state,
    given_back,
    is_healthy,
    remember_failed,
    remember_good,
    stays,
)
from reconciler.agent.passes.perform import Performed, perform
from reconciler.agent.state.journal import Journal
from reconciler.agent.state.remembered import FailedApp, Memory
from reconciler.errors import ImageUnavailable, ReconcilerError, StateError
from reconciler.model import App, DesiredState, ObservedState
from reconciler.planning import AwaitHealthy, PullImage, Step, give_back, make_plan

log = logging.getLogger("reconciler")


@dataclass(frozen=True, slots=True)
class Converged:
    """The device after a pass. `failures` are those of the last try of each app, `error` what the journal suffered.

    `removed` tells the images that went afterwards, because nobody needs them.
    """

    choices: Mapping[str, Choice]
    observed: ObservedState
    performed: Performed
    memory: Memory
    error: ReconcilerError | None = None
    removed: tuple[str, ...] = ()
    given_back: Mapping[str, FailedApp] = field(default_factory=dict)
    # Why nothing was done, and how many steps that left out; nothing, where what was to do was done.
    paused: str = ""
    # By app, the last lines of what failed in this pass, also of what it went back from.
    wrote: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def healthy(self, app: str) -> bool:
        return app not in self.performed.failures and is_healthy(self.choices[app].app, self.observed)


def converge(
    rendered: DesiredState, revision: str, engine: Engine, journal: Journal, now: float, memory: Memory | None = None
) -> Converged:
    """Bring the device to what was rendered, or each app that fails back to where it was.

    `now` is in seconds since 1970; `memory` what was learned before, where the journal could not take it. Raises
    EngineUnavailable, PermissionDenied, Interrupted, EmptyDesiredState.
    """
    memory = memory or journal.memory
    choices = choose(rendered, revision, memory, now)
    performed, observed = _apply(chosen_state(rendered, choices), engine, _given_back(rendered, memory, now))
    performed, observed = _prove(choices, memory, performed, observed, engine)
    wrote = dict(performed.wrote)
    failed = remember_failed(memory, choices, _to_go_back(choices, performed), now)
    error = None
    if failed != memory:
        # Before going back: a power cut on the way must not lead to trying the bad one again at once.
        error = store(journal, failed)
        memory = failed
        choices = choose(rendered, revision, memory, now)
        back, observed = _apply(chosen_state(rendered, choices), engine, _given_back(rendered, memory, now))
        # An app that came back has no failure left but those of its way back; its reason stands in the choice.
        came_back = [app for app in performed.failures if app not in choices or choices[app].failed is not None]
        performed = performed.without_failures(came_back).then(back)
    kept = _keep_serving(rendered, choices, memory, performed, engine)
    if kept is not None:
        performed, observed = kept
    aside = engine.end_pass()
    pulled = frozenset(step.image for step in aside if isinstance(step, PullImage))
    performed = Performed(tuple(map(str, aside)), pulled=pulled).then(performed)
    converged = Converged(choices, observed, performed, memory)
    remembered = remember_good(memory, rendered, choices, [app for app in choices if converged.healthy(app)])
    if remembered != memory:
        error = store(journal, remembered) or error
    told = {app.name: why for app, why in _given_back(rendered, remembered, now)}
    wrote = {**wrote, **performed.wrote}
    return Converged(choices, observed, performed, remembered, error, given_back=told, wrote=wrote)


def look(rendered: DesiredState, revision: str, engine: Engine, journal: Journal, now: float, why: str) -> Converged:
    """What `converge` would find, and nothing of what it would do. Raises EngineUnavailable, PermissionDenied."""
    memory = journal.memory
    choices = choose(rendered, revision, memory, now)
    observed = engine.observe(rendered.device)
    left = len(make_plan(chosen_state(rendered, choices), observed).steps)
    told = f"{why}; {left} steps wait" if left else why
    return Converged(choices, observed, Performed(), memory, paused=told)


def _given_back(rendered: DesiredState, memory: Memory, now: float) -> list[tuple[App, FailedApp]]:
    """The apps that could not be adopted, and why."""
    return [(app, why) for app in rendered.apps if (why := given_back(app, memory, now)) is not None]


def _apply(
    desired: DesiredState, engine: Engine, theirs: Iterable[tuple[App, FailedApp]] = ()
) -> tuple[Performed, ObservedState]:
    """Plan and perform; a second time where it failed, because another app may have made room meanwhile.

    `theirs` are the apps to give back to Docker Compose.
    """
    observed = engine.observe(desired.device)
    steps = [step for app, _ in theirs for step in give_back(app, observed)]
    steps += make_plan(desired, observed)
    if not steps:
        return Performed(), observed
    first = perform(steps, engine)
    observed = engine.observe(desired.device)
    again = {app for app, error in first.failures.items() if not (error.transient or error.lasting)}
    if not again:
        return first, observed
    second = perform((step for step in make_plan(desired, observed) if step.app in again), engine)
    return first.without_failures(again).then(second), engine.observe(desired.device)


def _prove(
    choices: Mapping[str, Choice], memory: Memory, performed: Performed, observed: ObservedState, engine: Engine
) -> tuple[Performed, ObservedState]:
    """Wait for the apps that were never good and in which nothing was started in this pass, as after a power cut.

    One look would take a crash loop for a service, between two crashes. Where there is nothing to go back to, what is
    seen to be unwell is not waited for: it would hold up the other apps at every pass.
    """
    steps: list[Step] = []
    for name, choice in choices.items():
        good = memory.good.get(name)
        unproven = choice.failed is None and not choice.is_held and (good is None or good.digest != choice.digest)
        unproven = unproven and not stays(choice.app)
        may_matter = good is not None or is_healthy(choice.app, observed)
        if unproven and may_matter and name not in performed.failures and name not in performed.waited:
            steps += _waits(name, choice, observed)
    if not steps:
        return performed, observed
    proof = perform(steps, engine)
    # Waiting changes nothing, so it is no step of the pass; what it found out is.
    found = Performed(failures=proof.failures, touched=frozenset(proof.failures))
    return performed.then(found), engine.observe(observed.device)


def _waits(name: str, choice: Choice, observed: ObservedState) -> Iterable[Step]:
    for service in choice.app.services:
        if service.ignores("stopped") or service.ignores("paused"):
            continue
        if any(c.app == name and c.name == service.container_name for c in observed.containers):
            yield AwaitHealthy(name, f"{name}/{service.name}", "not known to be good", service.container_name, service)


def _to_go_back(choices: Mapping[str, Choice], performed: Performed) -> dict[str, ReconcilerError]:
    """The failures after which an app must return: something of it may be stopped. A failed pull stopped nothing."""
    touched = {app: error for app, error in performed.failures.items() if app in performed.touched}
    kept = {app for app, choice in choices.items() if stays(choice.app)}
    return {app: error for app, error in touched.items() if not error.transient and app not in kept}


def _keep_serving(
    rendered: DesiredState, choices: Mapping[str, Choice], memory: Memory, performed: Performed, engine: Engine
) -> tuple[Performed, ObservedState] | None:
    """Heal the last good state of apps that cannot even be prepared, for an image that cannot be had, or a name that is
    taken: what runs must not suffer for what may come."""
    # Of one that was touched, no state is untouched; and one that stopped for its image has nothing to serve with.
    waiting = {
        app
        for app, error in performed.failures.items()
        if app not in performed.touched and not (isinstance(error, ImageUnavailable) and _pulls_late(choices.get(app)))
    }
    held = {name: Choice(memory.good[name].app, "", "") for name in waiting & choices.keys() & memory.good.keys()}
    if not held:
        return None
    healed, observed = _apply(chosen_state(rendered, {**choices, **held}), engine)
    return healed.then(performed), observed


def _pulls_late(choice: Choice | None) -> bool:
    return choice is not None and any(service.update.pull != "first" for service in choice.app.services)


def store(journal: Journal, memory: Memory) -> ReconcilerError | None:
    """Write down what was learned; the error when that is not possible.

    A full disk must not keep a device from going back; what could not be remembered is found out again."""
    try:
        journal.write_memory(memory)
    except StateError as error:
        log.error("%s", error)
        return error
    return None
