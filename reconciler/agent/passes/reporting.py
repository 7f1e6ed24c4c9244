"""What the device says about a pass: conditions, phases and the services as seen. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from reconciler.agent.passes.converge import Converged
from reconciler.agent.passes.last_good import Choice
from reconciler.agent.state.moment import rfc3339
from reconciler.errors import ImagePending, Problem, ReconcilerError, UpdateLocked
from reconciler.model import (
    AppReport,
    Fact,
    Machine,
    ObservedState,
    Report,
    Revisions,
    ServiceReport,
    Versions,
    carry_over,
)
from reconciler.planning import matches

# A report is bounded; the newest steps say most.
MAX_STEPS = 100
MAX_TEXT = 1000
_WORST_FIRST = ("Failed", "RolledBack", "CrashLooping", "Degraded", "Held", "Locked", "Pulling")
# Nothing failed: these are on their way, or wait for somebody.
_WAITS_FOR: dict[type[ReconcilerError], str] = {ImagePending: "Pulling", UpdateLocked: "Locked"}
_HELD = "not rendered: left as it is"


@dataclass(frozen=True, slots=True)
class Pass:
    """Everything that one pass found out."""

    device: str
    time: str
    seen: str = ""
    trusted: str = ""
    facts: tuple[Fact, ...] = ()
    problems: tuple[Problem, ...] = ()
    untouched: frozenset[str] = frozenset()
    converged: Converged | None = None
    stopped_by: ReconcilerError | None = None
    versions: Versions = field(default_factory=Versions)
    heartbeat_seconds: float = 0.0
    disk_free_bytes: int | None = None
    machine: Machine = field(default_factory=Machine)
    is_retired: bool = False
    # Why the disk did not take what must survive a power cut.
    unstored: ReconcilerError | None = None
    # May what services wrote stand in the report?
    tells_logs: bool = False


def compose_report(found: Pass, previous: Report | None, unsent_steps: Sequence[str]) -> Report:
    """One pass as a report; conditions keep their time from the previous one while their status is the same."""
    apps = tuple(_with_log(app, found, previous) for app in _apps(found))
    unheard = _is_drifted(previous) if previous is not None and unsent_steps else False
    facts = (*found.facts, _rendered(found), *_progress(found, apps, previous, unheard), *_unstored(found))
    # Some of them quote what somebody hostile wrote.
    facts = tuple(replace(fact, message=fact.message[:MAX_TEXT]) for fact in facts)
    before = previous.revisions if previous else Revisions()
    done = (*found.converged.performed.done, *found.converged.removed) if found.converged else ()
    phase = _phase(found, apps)
    applied = found.trusted if _is_applied(found) else before.applied
    return Report(
        device=found.device,
        phase=phase,
        time=found.time,
        revisions=Revisions(
            seen=found.seen or before.seen,
            trusted=found.trusted or before.trusted,
            attempted=found.trusted if found.converged else before.attempted,
            applied=applied,
            healthy=found.trusted if phase in ("Healthy", "Retired") else before.healthy,
        ),
        conditions=carry_over(facts, previous.conditions if previous else (), found.time),
        apps=apps,
        steps=tuple(step[:MAX_TEXT] for step in (*unsent_steps, *done))[-MAX_STEPS:],
        versions=found.versions,
        heartbeat_seconds=found.heartbeat_seconds,
        disk_free_bytes=found.disk_free_bytes,
        machine=found.machine,
        sequence=previous.sequence + 1 if previous else 1,
    )


def _unstored(found: Pass) -> Iterator[Fact]:
    if (error := found.unstored) is not None:
        yield Fact("Stored", False, type(error).__name__, str(error))


def _is_applied(found: Pass) -> bool:
    """Is all that the revision says on the device? Not while an app failed, went back, or was not rendered."""
    if found.converged is None or found.problems or found.converged.performed.failures:
        return False
    if found.converged.given_back or found.converged.paused:
        return False
    return all(choice.failed is None and not choice.is_held for choice in found.converged.choices.values())


def _phase(found: Pass, apps: Iterable[AppReport]) -> str:
    """The worst of the apps; one word for a table."""
    if found.stopped_by is not None:
        return "Failed"
    if found.converged is None:
        return "Pending"
    if found.converged.paused:
        return "Paused"
    phases = {app.phase for app in apps} | {
        _phase_after(error) for error in found.converged.performed.failures.values()
    }
    return next((phase for phase in _WORST_FIRST if phase in phases), "Retired" if found.is_retired else "Healthy")


def _phase_after(failure: ReconcilerError) -> str:
    return next((phase for kind, phase in _WAITS_FOR.items() if isinstance(failure, kind)), "Failed")


def _apps(found: Pass) -> tuple[AppReport, ...]:
    if found.converged is None:
        return ()
    held = [AppReport(app, "Held", message=_HELD) for app in sorted(found.untouched - found.converged.choices.keys())]
    theirs = found.converged.given_back
    told = "given back to Docker Compose"
    back = [
        AppReport(app, "RolledBack", why.revision, message=_until_again(told, why.reason, why.retry_at))
        for app, why in sorted(theirs.items())
    ]
    return (*(_app(name, choice, found.converged) for name, choice in found.converged.choices.items()), *held, *back)


def _app(name: str, choice: Choice, converged: Converged) -> AppReport:
    failure = converged.performed.failures.get(name)
    good = converged.memory.good.get(name)
    services = tuple(_services(choice, converged.observed))
    phase, message = "Healthy", ""
    if failure is not None:
        phase, message = _phase_after(failure), str(failure)
    elif choice.failed is not None:
        phase = "RolledBack"
        # One that went along with another one goes on with it.
        leader = converged.memory.failure(choice.failed.because) if choice.failed.because else None
        retry_at = (leader or choice.failed).retry_at
        message = _until_again(f"from {choice.failed.revision} to {choice.revision}", choice.failed.reason, retry_at)
    elif choice.is_held:
        phase, message = "Held", _HELD
    elif converged.healthy(name):
        message = "; ".join(_left_alone(choice))
    else:
        unwell = [s for s in services if s.state != "running" or s.health not in ("", "healthy")]
        # The Engine starts it again and again, later each time; so it stays, and is told.
        phase = "CrashLooping" if any(s.state == "restarting" for s in unwell) else "Degraded"
        message = ", ".join(f"{s.name} is {s.health or s.state}" for s in unwell)
    attempted = choice.failed.revision if choice.failed else choice.revision
    return AppReport(name, phase, attempted, good.revision if good else "", message[:MAX_TEXT], services)


def _until_again(what: str, why: str, retry_at: float | None) -> str:
    """What became of an app, why, and when it is tried again: of that, a long reason must leave something."""
    again = f"; tried again at {rfc3339(retry_at)}" if retry_at is not None else ""
    return f"{what}: {why}"[: MAX_TEXT - len(again)] + again


def _with_log(app: AppReport, found: Pass, previous: Report | None) -> AppReport:
    """With what it wrote when it failed, for as long as it is not well by the same revision."""
    if app.phase == "Healthy" or not found.tells_logs or found.converged is None:
        return app
    before = previous.apps if previous is not None else ()
    known = next((one.log for one in before if (one.name, one.attempted) == (app.name, app.attempted)), ())
    return replace(app, log=found.converged.wrote.get(app.name, known))


def _left_alone(choice: Choice) -> Iterable[str]:
    """What of drift nobody heals, and who answers for it."""
    for service in choice.app.services:
        for one in service.ignored:
            why = f": {one.reason}" if one.reason else ""
            yield f"{service.name}: drift ({', '.join(one.what)}) is left alone until {one.until} by {one.owner}{why}"


def _services(choice: Choice, observed: ObservedState) -> Iterable[ServiceReport]:
    seen = observed.of_app(choice.app.name)
    for service in choice.app.services:
        mine = [c for c in seen if c.service == service.name and matches(service, c, observed)]
        if not mine:
            yield ServiceReport(service.name, service.image)
        else:
            one = min(mine, key=lambda c: (not c.is_running, c.name != service.container_name))
            runs = (one.started_at, one.restarts, one.out_of_memory)
            yield ServiceReport(service.name, one.image, one.image_id, one.state, one.health, one.exit_code, *runs)


def _rendered(found: Pass) -> Fact:
    if found.problems:
        told = "; ".join(map(str, found.problems[:5]))
        return Fact("Rendered", False, "Invalid", told[:MAX_TEXT])
    if not found.trusted:
        return Fact("Rendered", None, "NothingTrusted", "")
    return Fact("Rendered", True, "Rendered", "")


def _is_drifted(report: Report) -> bool:
    return any(condition.type == "Drifted" and condition.status == "True" for condition in report.conditions)


def _progress(
    found: Pass, apps: Sequence[AppReport], previous: Report | None, drift_is_unheard: bool
) -> Iterable[Fact]:
    if found.stopped_by is not None:
        reason, told = type(found.stopped_by).__name__, str(found.stopped_by)[:MAX_TEXT]
        yield Fact("Ready", None, reason, told)
        yield Fact("Stalled", True, reason, told)
        return
    if found.converged is None:
        reason = "NotRendered" if found.problems else "NothingTrusted"
        yield Fact(
            "Ready", False, reason, "nothing that could be run: no trusted revision that renders, and no last good"
        )
        return
    failures = found.converged.performed.failures
    unwell = [(app.name, app.phase, app.message) for app in apps if app.phase != "Healthy"]
    known = {app.name for app in apps}
    unwell += [(app, _phase_after(error), str(error)) for app, error in failures.items() if app not in known]
    told = "; ".join(f"{name}: {message}" for name, _, message in unwell)[:MAX_TEXT]
    yield Fact("Ready", not unwell, unwell[0][1] if unwell else "Healthy", told)
    failed = any(_phase_after(error) == "Failed" for error in failures.values())
    yield Fact("Stalled", failed, "StepFailed" if failed else "Progressing", "")
    if found.converged.paused:
        yield Fact("Reconciling", False, "Paused", found.converged.paused)
        return
    waits = [error for error in failures.values() if _phase_after(error) != "Failed"]
    reason = _phase_after(waits[0]) if waits else "Done"
    yield Fact("Reconciling", bool(waits), reason, "; ".join(map(str, waits))[:MAX_TEXT])
    same = previous is not None and previous.revisions.applied == found.trusted
    # What nobody has heard of yet is told by this report, as its steps are.
    drifted = same and (drift_is_unheard or bool(found.converged.performed.done))
    yield Fact("Drifted", drifted, "Healed" if drifted else "InSync", "")
