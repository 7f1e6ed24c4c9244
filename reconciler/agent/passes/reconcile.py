"""One reconcile: the sentence this program exists to say."""

import logging
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import reconciler
from reconciler.agent.engine.seam import Engine
from reconciler.agent.orders.known import Known, Orders
from reconciler.agent.passes.converge import Converged, converge, look, store
from reconciler.agent.passes.last_good import admitted, last_good_state, readmitted
from reconciler.agent.passes.publish import Publisher
from reconciler.agent.passes.reporting import Pass, compose_report
from reconciler.agent.passes.tidy import tidied
from reconciler.agent.settings.config import Config
from reconciler.agent.state.journal import Journal
from reconciler.errors import (
    EngineError,
    ImagePending,
    PermissionDenied,
    ReconcilerError,
    ServiceFailed,
    StateError,
)
from reconciler.model import Machine, Report, Versions
from reconciler.planning import EmptyDesiredState

log = logging.getLogger("reconciler")


@dataclass(frozen=True, slots=True)
class Result:
    """What a pass ended with: the report, and every error that somebody should hear of."""

    report: Report
    errors: tuple[ReconcilerError, ...]
    steps: tuple[str, ...]
    # Nothing that concerns no app ended the pass, such as an Engine that does not answer, and nobody held it.
    is_whole: bool = False


class Reconciler:
    """One device."""

    def __init__(  # the parts that a device is made of, handed in by the command line and by tests
        self,
        config: Config,
        orders: Orders,
        engine: Engine,
        journal: Journal,
        publisher: Publisher,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        machine: Machine | None = None,
    ) -> None:
        self._config, self._orders, self._machine = config, orders, machine or Machine()
        self._engine, self._journal, self._publisher, self._clock = engine, journal, publisher, clock

    def reconcile(self) -> Result:
        """Bring the device to the newest trusted revision, and report how it went: all of it, one after the other."""
        result = self.converge(self.obtain(), is_full=True)
        unsent = self.send()
        return replace(result, errors=(*result.errors, unsent)) if unsent is not None else result

    def obtain(self) -> Known:
        """Ask Git, and render what it says. Only this and `send` talk to a server."""
        return self._orders.obtain()

    def recall(self) -> Known | None:
        """What was trusted before: with no network, it must do."""
        return self._orders.recall()

    def converge(self, known: Known, *, is_full: bool = False) -> Result:
        """Bring the device to what is known, and record how it went. A full pass also clears up."""
        return self._pass(known, self._clock(), collects=is_full)

    @property
    def is_heard(self) -> bool:
        """Was the newest report sent?"""
        return self._publisher.is_heard

    def send(self) -> ReconcilerError | None:
        """Push the report that was recorded, if any; the error when it has to wait."""
        return self._publisher.send(self._clock().timestamp())

    def _pass(self, known: Known, now: datetime, *, collects: bool) -> Result:
        # Links are looked at in each pass: who may write below a granted folder can put one there at any time.
        known = replace(known, rendered=readmitted(known.rendered, known.admission, self._config.real))
        obtained, rendered = known.obtained, known.rendered
        revision = known.revision(self._config.branch)
        converged, stopped_by = self._converge(known, revision, now.timestamp(), collects=collects)
        found = Pass(
            device=self._config.device,
            time=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            seen=obtained.seen,
            trusted=revision,
            facts=obtained.facts,
            problems=rendered.problems,
            untouched=rendered.desired.untouched if rendered.desired else frozenset(),
            converged=converged,
            stopped_by=stopped_by,
            versions=Versions(reconciler.__version__, self._engine_version(stopped_by)),
            heartbeat_seconds=self._config.status.heartbeat,
            disk_free_bytes=shutil.disk_usage(self._journal.folder).free,
            machine=self._machine,
            is_retired=rendered.desired is not None and rendered.desired.is_retired,
            unstored=converged.error if converged else None,
            tells_logs=self._config.status.log_lines > 0,
        )
        report = self._report(found)
        if (unsent := self._publisher.record(report, now.timestamp())) is not None:
            # Nobody would ever hear of a disk that takes nothing.
            report = self._report(replace(found, unstored=unsent))
            self._publisher.hold(report, now.timestamp())
        told = (*obtained.errors, rendered.error, stopped_by, *_troubles(converged), unsent)
        steps = (*converged.performed.done, *converged.removed) if converged else ()
        errors = _distinct(error for error in told if error is not None)
        return Result(report, errors, steps, converged is not None and not converged.paused)

    def _converge(
        self, known: Known, revision: str, now: float, *, collects: bool
    ) -> tuple[Converged | None, ReconcilerError | None]:
        memory = self._journal.memory
        desired = known.rendered.desired or last_good_state(self._config.device, memory)
        if desired is None:
            return None, None
        try:
            if (pause := self._journal.paused(now)) is not None:
                return look(desired, revision, self._engine, self._journal, now, str(pause)), None
            kept = admitted(memory, known.admission, self._config.real)
            unstored = store(self._journal, kept) if kept is not memory else None
            converged = converge(desired, revision, self._engine, self._journal, now, kept)
            converged = replace(converged, error=converged.error or unstored)
            return (tidied(converged, desired, self._engine, self._journal, now) if collects else converged), None
        except (EngineError, PermissionDenied, StateError, EmptyDesiredState) as error:
            return None, error

    def _report(self, found: Pass) -> Report:
        before = self._publisher.previous
        unsent = before.report.steps if before is not None and not before.is_sent else ()
        return compose_report(found, before.report if before else None, unsent)

    def _engine_version(self, stopped_by: ReconcilerError | None) -> str:
        if isinstance(stopped_by, EngineError | PermissionDenied):
            return ""
        try:
            return self._engine.version()
        except ReconcilerError:
            return ""


def _troubles(converged: Converged | None) -> Iterable[ReconcilerError]:
    """What is wrong with the apps: what failed now, and what went back and has not been tried again."""
    if converged is None:
        return
    yield from (error for error in converged.performed.failures.values() if not isinstance(error, ImagePending))
    for name, choice in converged.choices.items():
        if choice.failed is not None:
            told = f"{name} went back to {choice.revision}: {choice.failed.reason}"
            yield ServiceFailed(told, where=choice.failed.revision, advice="change it in Git")
    for name, failed in converged.given_back.items():
        told = f"{name} was given back to Docker Compose: {failed.reason}"
        yield ServiceFailed(told, where=failed.revision, advice="change it in Git")
    if converged.error is not None:
        yield converged.error


def _distinct(errors: Iterable[ReconcilerError]) -> tuple[ReconcilerError, ...]:
    found: dict[str, ReconcilerError] = {}
    for error in errors:
        found.setdefault(str(error), error)
    return tuple(found.values())
