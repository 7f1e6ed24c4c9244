"""Update locks: while a container holds one, nothing that is planned may stop it."""

from collections.abc import Iterable

from reconciler.model import DesiredState, ObservedState
from reconciler.planning.steps import HoldForLock, RestartContainer, Step, StopContainer

# Steps that interrupt a container. What was ended by others is healed all the same.
_INTERRUPTS = (StopContainer, RestartContainer)


def effective_locks(desired: DesiredState, observed: ObservedState) -> dict[str, str]:
    """Why each of these services, as APP/SERVICE, may not be stopped; without those that Git overrides."""
    overridden = {
        f"{app.name}/{service.name}"
        for app in desired.apps
        for service in app.services
        if service.update.lock_is_overridden
    }
    return {
        subject: f"its update lock is held since {lock.since}" + (f" by {lock.owner}" if lock.owner else "")
        for subject, lock in observed.locks.items()
        if subject not in overridden
    }


def held_back(steps: Iterable[Step], locks: dict[str, str]) -> list[Step]:
    """The steps, those of each app replaced by holds where one of them would stop a container that is locked."""
    steps = list(steps)
    held: dict[str, dict[str, Step]] = {}
    for step in steps:
        if step.subject in locks and isinstance(step, _INTERRUPTS):
            hold = HoldForLock(step.app, step.subject, locks[step.subject])
            held.setdefault(step.app, {})[step.subject] = hold
    if not held:
        return steps
    rest = [step for step in steps if step.app not in held]
    return [*rest, *(hold for holds in held.values() for hold in holds.values())]
