"""Gets reports to the Git server: signed, on change and as a heartbeat; while it is away, the newest waits."""

import json
from dataclasses import replace

from reconciler.agent.journal import Journal, Reported
from reconciler.errors import ReconcilerError
from reconciler.model import MAX_REPORT_BYTES, Report
from reconciler.model.codec import to_plain
from reconciler.repository import Author, StatusBranch
from signing import Signer, sign_commit


class Publisher:
    """One device's way to be heard."""

    def __init__(self, branch: StatusBranch, journal: Journal, signer: Signer, heartbeat: float) -> None:
        self._branch, self._journal, self._signer, self._heartbeat = branch, journal, signer, heartbeat

    @property
    def previous(self) -> Reported | None:
        return self._journal.reported

    def publish(self, report: Report, now: float) -> ReconcilerError | None:
        """Send the report if there is news in it or a heartbeat is due; the error when it has to wait.

        It is in the journal first, so a failed push or a power cut loses nothing.
        """
        before = self.previous
        due = before is None or not before.is_sent or now - before.sent_at >= self._heartbeat
        if before is not None and not due and not report.differs_from(before.report):
            return None
        self._journal.write_reported(Reported(report, is_sent=False, sent_at=before.sent_at if before else 0.0))
        author = Author(report.device, f"{report.device}@devices.invalid", int(now))
        try:
            self._branch.append(report.device, encode(report), _message(report), author, self._sign)
        except ReconcilerError as error:
            return error
        self._journal.write_reported(Reported(report, is_sent=True, sent_at=now))
        return None

    def _sign(self, payload: bytes) -> bytes:
        return sign_commit(payload, self._signer)


def encode(report: Report) -> bytes:
    """The report as it lies on the branch: readable JSON, sorted, never over the limit."""
    while True:
        text = json.dumps(to_plain(report), indent=2, sort_keys=True, ensure_ascii=True) + "\n"
        if len(text) <= MAX_REPORT_BYTES or not report.steps:
            return text.encode()
        report = replace(report, steps=report.steps[1:])


def _message(report: Report) -> str:
    """The subject says the phase, the revision and what is wrong; the body tells it, and what was done."""
    wrong = [c for c in report.conditions if _is_bad(c.type, c.status)]
    branch, _, commit = (report.revisions.attempted or report.revisions.seen).partition("@")
    at = f"{branch}@{commit.rpartition(':')[2][:12]}" if commit else "no revision"
    told = "".join(f", {c.type}={c.status} {c.reason}" for c in wrong)
    body = [*(f"{c.type}={c.status} {c.reason}: {c.message}".rstrip(": ") for c in wrong), *report.steps]
    return "\n".join([f"{report.device}: {report.phase} at {at}{told}", *([""] if body else []), *body])


def _is_bad(kind: str, status: str) -> bool:
    return status == ("True" if kind in ("Stalled", "Drifted") else "False")
