"""Gets reports to the Git server: signed, on change and as a heartbeat; while it is away, the newest waits."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from reconciler.agent.journal import Journal
from reconciler.agent.remembered import Reported
from reconciler.errors import ReconcilerError
from reconciler.model import MAX_REPORT_BYTES, Report, Revision
from reconciler.model.codec import to_plain
from reconciler.repository import Author, ReportRef, StatusBranch
from reconciler.terminal import printable
from signing import Signs, sign_commit

# The steps stand in the report as well; a collector takes no commit of over 64 KiB.
_MOST_WORDS = 16 * 1024


class Publisher:
    """One device's way to be heard. Who found something out records it; who talks to Git sends it."""

    def __init__(self, way: StatusBranch | ReportRef, journal: Journal, signer: Signs, heartbeat: float) -> None:
        self._way, self._journal, self._signer, self._heartbeat = way, journal, signer, heartbeat
        # Both write the same file of the journal.
        self._lock = threading.Lock()

    @property
    def previous(self) -> Reported | None:
        with self._lock:
            return self._journal.reported

    def record(self, report: Report, now: float) -> ReconcilerError | None:
        """Write it down to be sent, if there is news in it or a heartbeat is due; the error when that is not possible.

        So a failed push or a power cut loses nothing.
        """
        with self._lock:
            before = self._journal.reported
            # A clock that was set back must not silence the device until it has caught up.
            due = before is None or not before.is_sent or not 0 <= now - before.sent_at < self._heartbeat
            if before is not None and not due and not report.differs_from(before.report):
                return None
            try:
                sent_at = before.sent_at if before else 0.0
                self._journal.write_reported(Reported(report, is_sent=False, sent_at=sent_at))
            except ReconcilerError as error:
                return error
            return None

    def send(self, now: float) -> ReconcilerError | None:
        """Push what was recorded and not sent; the error when it has to wait."""
        recorded = self.previous
        if recorded is None or recorded.is_sent:
            return None
        report = recorded.report
        author = Author(report.device, f"{report.device}@devices.invalid", int(now))
        try:
            self._way.append(report.device, encode(report), _message(report), author, self._sign)
            with self._lock:
                newest = self._journal.reported
                # What was recorded meanwhile is yet to be sent.
                is_sent = newest is not None and newest.report == report
                self._journal.write_reported(Reported(newest.report if newest else report, is_sent, sent_at=now))
        except ReconcilerError as error:
            return error
        return None

    def write_bundle(self, path: Path, now: float) -> None:
        """Write the newest report into a bundle; it counts as not sent, until a server has it. Raises GitError."""
        recorded = self.previous
        if recorded is not None:
            report = recorded.report
            author = Author(report.device, f"{report.device}@devices.invalid", int(now))
            self._way.carry(path, report.device, encode(report), _message(report), author, self._sign)

    def _sign(self, payload: bytes) -> bytes:
        return sign_commit(payload, self._signer)


def encode(report: Report) -> bytes:
    """The report as it lies on the branch: readable JSON, sorted, never over the limit.

    What says least goes first: old steps, then long messages, then the services of each app.
    """
    for smaller in _smaller(report):
        text = json.dumps(to_plain(smaller), indent=2, sort_keys=True, ensure_ascii=True) + "\n"
        if len(text) <= MAX_REPORT_BYTES:
            break
    return text.encode()


def _smaller(report: Report) -> Iterator[Report]:
    yield report
    for count in (50, 10, 0):
        report = replace(report, steps=report.steps[-count:] if count else (), is_shortened=True)
        yield report
    report = replace(report, apps=tuple(replace(app, message=app.message[:100]) for app in report.apps))
    yield report
    report = replace(report, apps=tuple(replace(app, services=()) for app in report.apps))
    yield report
    report = replace(report, apps=())
    yield report
    yield replace(report, conditions=tuple(replace(one, message=one.message[:100]) for one in report.conditions))


def _message(report: Report) -> str:
    """The subject says the phase, the revision and what is wrong; the body tells it, and what was done."""
    wrong = [c for c in report.conditions if _is_bad(c.type, c.status)]
    revision = Revision.parse(report.revisions.attempted or report.revisions.seen)
    at = revision.short if revision else "no revision"
    told = "".join(f", {c.type}={c.status} {c.reason}" for c in wrong)
    body = [*(f"{c.type}={c.status} {c.reason}: {c.message}".rstrip(": ") for c in wrong), *report.steps]
    lines = [f"{report.device}: {report.phase} at {at}{told}", *([""] if body else []), *body]
    told = "\n".join(printable(line) for line in lines)
    return told if len(told) <= _MOST_WORDS else f"{told[:_MOST_WORDS]}..."


def _is_bad(kind: str, status: str) -> bool:
    return status == ("True" if kind in ("Stalled", "Drifted") else "False")
