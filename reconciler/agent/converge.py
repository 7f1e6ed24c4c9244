"""From a rendered state to a converged device: plan, perform, and go back to the last good where the new one fails."""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.agent.engine import Engine
from reconciler.agent.journal import Journal, Memory
from reconciler.agent.last_good import Choice, choose, chosen_state, is_healthy, remember_failed, remember_good
from reconciler.agent.perform import Performed, perform
from reconciler.errors import ReconcilerError
from reconciler.model import DesiredState, ObservedState
from reconciler.planning import make_plan


@dataclass(frozen=True, slots=True)
class Converged:
    """The device after a pass. `failures` are those of the last try of each app."""

    choices: Mapping[str, Choice]
    observed: ObservedState
    performed: Performed
    memory: Memory

    def healthy(self, app: str) -> bool:
        return app not in self.performed.failures and is_healthy(self.choices[app].app, self.observed)


def converge(rendered: DesiredState, revision: str, engine: Engine, journal: Journal) -> Converged:
    """Bring the device to what was rendered, or each app that fails back to where it was.

    Raises EngineUnavailable, PermissionDenied, EmptyDesiredState.
    """
    memory = journal.memory
    choices = choose(rendered, revision, memory)
    performed, observed = _apply(chosen_state(rendered, choices), engine)
    lasting = {app: str(error) for app, error in performed.failures.items() if not error.transient}
    after_failures = remember_failed(memory, choices, lasting)
    if after_failures != memory:
        # Before going back: a power cut on the way must not lead to trying the bad one again.
        journal.write_memory(after_failures)
        memory = after_failures
        choices = choose(rendered, revision, memory)
        back, observed = _apply(chosen_state(rendered, choices), engine)
        performed = _after_return(performed, back, choices)
    converged = Converged(choices, observed, performed, memory)
    remembered = remember_good(memory, rendered, choices, [app for app in choices if converged.healthy(app)])
    if remembered != memory:
        journal.write_memory(remembered)
    return Converged(choices, observed, performed, remembered)


def _apply(desired: DesiredState, engine: Engine) -> tuple[Performed, ObservedState]:
    observed = engine.observe(desired.device)
    plan = make_plan(desired, observed)
    if not plan:
        return Performed(), observed
    performed = perform(plan, engine)
    return performed, engine.observe(desired.device)


def _after_return(first: Performed, back: Performed, choices: Mapping[str, Choice]) -> Performed:
    """An app that came back has no failure left but those of its way back; its reason stands in the choice."""
    kept: dict[str, ReconcilerError] = {
        app: error for app, error in first.failures.items() if app not in choices or choices[app].failed is None
    }
    return Performed(first.done + back.done, {**kept, **back.failures})
