"""One reconcile: the sentence this program exists to say."""

import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import reconciler
from reconciler.admission import Admission, is_admitted
from reconciler.agent.config import Config
from reconciler.agent.converge import Converged, converge, look
from reconciler.agent.engine import Engine
from reconciler.agent.identity import Identity
from reconciler.agent.image_signatures import ImageSignatures
from reconciler.agent.journal import Journal
from reconciler.agent.last_good import admitted, choose, chosen_state
from reconciler.agent.publish import Publisher
from reconciler.agent.remembered import Memory, Trusted
from reconciler.agent.reporting import Pass, compose_report
from reconciler.agent.source import Obtained, Source
from reconciler.agent.tidy import tidied
from reconciler.errors import (
    EngineError,
    ImagePending,
    ManifestError,
    PermissionDenied,
    Problem,
    ReconcilerError,
    ServiceFailed,
    StateError,
)
from reconciler.manifests import FleetFiles
from reconciler.model import DesiredState, Fact, Machine, Report, Revision, Versions
from reconciler.planning import EmptyDesiredState, Plan, make_plan
from reconciler.repository import Mirror

log = logging.getLogger("reconciler")


@dataclass(frozen=True, slots=True)
class Result:
    """What a pass ended with: the report, and every error that somebody should hear of."""

    report: Report
    errors: tuple[ReconcilerError, ...]
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the trusted commit says of this device; without `desired`, nothing may be changed."""

    desired: DesiredState | None
    problems: tuple[Problem, ...] = ()
    error: ReconcilerError | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What Git said last, and what it means for this device."""

    obtained: Obtained
    rendered: Rendered
    # What apps may have, also those that go back to what ran before.
    admission: Admission


class Reconciler:
    """One device."""

    def __init__(  # the parts that a device is made of, handed in by the command line and by tests
        self,
        config: Config,
        source: Source,
        mirror: Mirror,
        engine: Engine,
        journal: Journal,
        publisher: Publisher,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        machine: Machine | None = None,
        signatures: ImageSignatures | None = None,
        identity: Identity | None = None,
    ) -> None:
        self._config, self._source, self._mirror = config, source, mirror
        self._engine, self._journal, self._publisher, self._clock = engine, journal, publisher, clock
        self._machine, self._signatures, self._identity = machine or Machine(), signatures, identity
        self._engine_is = ""

    def reconcile(self) -> Result:
        """Bring the device to the newest trusted revision, and report how it went: all of it, one after the other."""
        result = self.converge(self.obtain(), is_full=True)
        unsent = self.send()
        return replace(result, errors=(*result.errors, unsent)) if unsent is not None else result

    def take(self, bundle: Path) -> Result:
        """As `reconcile`, with a bundle for a server; the report waits for one."""
        return self.converge(self.obtain(bundle), is_full=True)

    def obtain(self, bundle: Path | None = None) -> Known:
        """Ask Git, and render what it says. Only this and `send` talk to the server; both are of one thread."""
        known = self._known(self._source.obtain(self._clock(), bundle))
        self._mirror.tidy()
        return known

    def recall(self) -> Known | None:
        """What was trusted before, without the server; nothing before the first time, or when it cannot be read."""
        try:
            trusted = self._journal.trusted
            facts = (Fact("Trusted", True, "Kept", "not asked yet"), Fact("Fresh", None, "NotAsked", ""))
            return self._known(Obtained("", trusted, facts), asks=False) if trusted is not None else None
        except StateError:
            return None

    def _known(self, obtained: Obtained, *, asks: bool = True) -> Known:
        try:
            admission = self._source.admission(self._config.device, self._config.allow)
        except StateError as error:
            # Nothing new is let in; what runs was let in before, and goes on being healed.
            problem = Problem(error.where, error.what, error.advice)
            nothing = Rendered(None, (problem,), error) if obtained.trusted is not None else Rendered(None)
            return Known(obtained, nothing, Admission(self._config.allow))
        return Known(obtained, self._render(obtained.trusted, admission, asks=asks), admission)

    def converge(self, known: Known, *, is_full: bool = False) -> Result:
        """Bring the device to what is known, and record how it went. A full pass also clears up."""
        if is_full:
            self._engine_is = ""
        return self._pass(known, self._clock(), collects=is_full)

    def send(self) -> ReconcilerError | None:
        """Push the report that was recorded, if any; the error when it has to wait."""
        return self._publisher.send(self._clock().timestamp())

    def write_report(self, path: Path) -> None:
        """The newest report, signed as ever, into a bundle that somebody carries back. Raises GitError."""
        self._publisher.write_bundle(path, self._clock().timestamp())

    def _pass(self, known: Known, now: datetime, *, collects: bool) -> Result:
        obtained, rendered = known.obtained, known.rendered
        revision = self._revision(obtained.trusted)
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
        )
        report = self._report(found)
        unsent = self._publisher.record(report, now.timestamp())
        told = (*obtained.errors, rendered.error, stopped_by, *_troubles(converged), unsent)
        steps = (*converged.performed.done, *converged.removed) if converged else ()
        return Result(report, _distinct(error for error in told if error is not None), steps)

    def plan(self, *, fetch: bool) -> Plan:
        """What `reconcile` would do now; nothing is changed. Raises what it would report."""
        now = self._clock()
        obtained = self._source.look(now, fetch=fetch)
        if obtained.trusted is None:
            raise obtained.errors[0] if obtained.errors else ReconcilerError("nothing is trusted yet")
        for error in obtained.errors:
            log.warning("%s", error)
        admission = self._source.admission(self._config.device, self._config.allow)
        rendered = self._render(obtained.trusted, admission, asks=fetch)
        if rendered.error is not None:
            log.warning("%s", rendered.error)
        desired = rendered.desired or self._last_good()
        if desired is None:
            raise rendered.error or ReconcilerError("nothing is trusted yet")
        revision = self._revision(obtained.trusted)
        memory = _admitted(self._journal.memory, admission)
        choices = choose(desired, revision, memory, now.timestamp())
        return make_plan(chosen_state(desired, choices), self._engine.observe(self._config.device))

    def _render(self, trusted: Trusted | None, admission: Admission, *, asks: bool) -> Rendered:
        """What a commit says of this device. Registries are asked for signatures of images, or only remembered."""
        if trusted is None:
            return Rendered(None)
        try:
            files = self._mirror.files(trusted.commit, self._config.device)
            fleet = FleetFiles(files)
            rendering = fleet.render(self._config.device)
            if self._identity is not None and rendering.device.identity:
                self._identity.settle(rendering.device.identity)
            if self._signatures is not None and rendering.desired is not None:
                images = (service.image for app in rendering.desired.apps for service in app.services)
                known = self._signatures.known(admission.images, images, asks=asks)
                admission = replace(admission, images=known)
            rendering = fleet.admit(rendering, admission, os.path.realpath)
        except ManifestError as error:
            return Rendered(None, error.problems, error)
        except ReconcilerError as error:
            return Rendered(None, (Problem(error.where, error.what, error.advice),), error)
        broken = ManifestError(rendering.problems) if rendering.problems else None
        return Rendered(rendering.desired, rendering.problems, broken)

    def _converge(
        self, known: Known, revision: str, now: float, *, collects: bool
    ) -> tuple[Converged | None, ReconcilerError | None]:
        desired = known.rendered.desired or self._last_good()
        if desired is None:
            return None, None
        memory = self._journal.memory
        try:
            if (pause := self._journal.paused(now)) is not None:
                return look(desired, revision, self._engine, self._journal, now, str(pause)), None
            if (kept := _admitted(memory, known.admission)) is not memory:
                self._journal.write_memory(kept)
            converged = converge(desired, revision, self._engine, self._journal, now)
            return (tidied(converged, desired, self._engine, self._journal, now) if collects else converged), None
        except (EngineError, PermissionDenied, StateError, EmptyDesiredState) as error:
            return None, error

    def _last_good(self) -> DesiredState | None:
        """What ran well before: enough to heal with, when what is wanted now cannot be read."""
        good = self._journal.memory.good
        return DesiredState(self._config.device, untouched=frozenset(good), is_whole=False) if good else None

    def _report(self, found: Pass) -> Report:
        before = self._publisher.previous
        unsent = before.report.steps if before is not None and not before.is_sent else ()
        return compose_report(found, before.report if before else None, unsent)

    def _revision(self, trusted: Trusted | None) -> str:
        return str(Revision(trusted.tag or self._config.branch, trusted.commit)) if trusted else ""

    def _engine_version(self, stopped_by: ReconcilerError | None) -> str:
        """Asked once an interval: the Engine needs longer for it than for all else that healing asks."""
        if isinstance(stopped_by, EngineError | PermissionDenied):
            self._engine_is = ""
        elif not self._engine_is:
            with contextlib.suppress(ReconcilerError):
                self._engine_is = self._engine.version()
        return self._engine_is


def _admitted(memory: Memory, admission: Admission) -> Memory:
    """What ran well and may run again, on this device with its links."""
    return admitted(memory, lambda app: is_admitted(app, admission, os.path.realpath))


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
