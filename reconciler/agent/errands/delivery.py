"""A report as a commit that this device signs, and its ways to a server."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from reconciler.agent.settings.config import Config
from reconciler.agent.settings.identity import Identity
from reconciler.errors import StateError
from reconciler.model import MAX_REPORT_BYTES, Report, Revision
from reconciler.model.codec import to_plain
from reconciler.repository import Author, ReportRef, StatusBranch
from reconciler.terminal import printable
from signing import Signs, sign_commit

# The steps stand in the report as well; a collector takes no commit of over 64 KiB.
_MOST_WORDS = 16 * 1024


Way = StatusBranch | ReportRef


class DirectDelivery:
    """Made, signed and pushed in this process."""

    def __init__(self, way: Way, signer: Signs, by_memory: Way | None = None) -> None:
        self._way, self._signer, self._by_memory = way, signer, by_memory

    def deliver(self, report: Report, now: float) -> None:
        told = (report.device, encode(report), _message(report), _author(report, now), self._sign)
        try:
            self._way.append(*told)
        except StateError:
            if self._by_memory is None:
                raise
            # That the disk takes nothing is what the report has to say.
            try:
                self._by_memory.append(*told)
            finally:
                self._by_memory.clear()

    def write_bundle(self, path: Path, report: Report, now: float) -> None:
        """Write it into a bundle that somebody carries to a server. Raises GitError."""
        self._way.carry(path, report.device, encode(report), _message(report), _author(report, now), self._sign)

    def _sign(self, payload: bytes) -> bytes:
        return sign_commit(payload, self._signer)


def make_delivery(config: Config, identity: Identity) -> DirectDelivery:
    """How reports leave the device, signed in this process."""
    status = config.status

    def way(folder: Path) -> Way:
        if status.transport == "ref":
            return ReportRef(folder / "report.git", status.remote, status.branch)
        # Not the store of the orders: the agent fetches into that at the same time, and makes it anew if it is damaged.
        return StatusBranch(folder / "reports.git", status.remote, status.branch)

    return DirectDelivery(way(config.state), identity, way(config.secrets.folder.parent))


def encode(report: Report) -> bytes:
    """The report as it lies on the branch: readable JSON, sorted, never over the limit.

    What says least goes first: what services wrote, old steps, then long messages, then the services of each app.
    """
    for smaller in _smaller(report):
        text = json.dumps(to_plain(smaller), indent=2, sort_keys=True, ensure_ascii=True) + "\n"
        if len(text) <= MAX_REPORT_BYTES:
            break
    return text.encode()


def _smaller(report: Report) -> Iterator[Report]:
    yield report
    for lines in (5, 0):
        report = replace(report, apps=tuple(replace(app, log=app.log[-lines:] if lines else ()) for app in report.apps))
        yield replace(report, is_shortened=True)
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


def _author(report: Report, now: float) -> Author:
    return Author(report.device, f"{report.device}@devices.invalid", int(now))


def _message(report: Report) -> str:
    """The subject says the phase, the revision and what is wrong; the body tells it, and what was done."""
    wrong = [c for c in report.conditions if c.is_wrong]
    revision = Revision.parse(report.revisions.attempted or report.revisions.seen)
    at = revision.short if revision else "no revision"
    told = "".join(f", {c.type}={c.status} {c.reason}" for c in wrong)
    body = [*(f"{c.type}={c.status} {c.reason}: {c.message}".rstrip(": ") for c in wrong), *report.steps]
    lines = [f"{report.device}: {report.phase} at {at}{told}", *([""] if body else []), *body]
    told = "\n".join(printable(line) for line in lines)
    return told if len(told) <= _MOST_WORDS else f"{told[:_MOST_WORDS]}..."
