"""Gets reports to the Git server: on change and as a heartbeat; while it is away, the newest waits."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from reconciler.agent.state.journal import Journal
from reconciler.agent.state.remembered import Reported
from reconciler.errors import ReconcilerError
from reconciler.model import Report


class Delivery(Protocol):
    """How a report gets to a server, signed by the device."""

    def deliver(self, report: Report, now: float) -> None:
        """Push it, as of `now` in seconds since 1970. Raises ReconcilerError when it has to wait."""


class Publisher:
    """One device's way to be heard. Who found something out records it; who talks to Git sends it."""

    def __init__(self, delivery: Delivery, journal: Journal, heartbeat: float) -> None:
        self._delivery, self._journal, self._heartbeat = delivery, journal, heartbeat
        # Both write the same file of the journal.
        self._lock = threading.Lock()
        # The newest, while the disk takes nothing.
        self._held: Reported | None = None
        # When one was recorded that waits; after a start, that is not known.
        self._recorded_at: float | None = None

    @property
    def previous(self) -> Reported | None:
        with self._lock:
            return self._newest()

    def record(self, report: Report, now: float) -> ReconcilerError | None:
        """Write it down to be sent, if there is news in it or a heartbeat is due; the error when that is not possible.

        So a failed push or a power cut loses nothing.
        """
        with self._lock:
            recorded = self._recorded(report, now)
            return self._write(recorded) if recorded is not None else None

    def hold(self, report: Report, now: float) -> None:
        """As `record`, where that is not possible: in memory, until the disk takes something or the power goes."""
        with self._lock:
            self._held = self._recorded(report, now) or self._held

    def send(self, now: float) -> ReconcilerError | None:
        """Push what was recorded and not sent; the error when it has to wait."""
        recorded = self.previous
        if recorded is None or recorded.is_sent:
            return None
        report = recorded.report
        try:
            self._delivery.deliver(report, now)
        except ReconcilerError as error:
            return error
        with self._lock:
            held = self._newest()
            newest = held.report if held is not None else report
            # What was recorded meanwhile is yet to be sent, if there is news in it, and without what was just told.
            if not (is_sent := newest.says_what(report)):
                newest = replace(newest, steps=_behind(report.steps, newest.steps))
            sent = Reported(newest, is_sent, sent_at=now)
            if self._write(sent) is not None:
                self._held = sent
        return None

    @property
    def is_heard(self) -> bool:
        """Was the newest report sent?"""
        return (newest := self.previous) is not None and newest.is_sent

    def _newest(self) -> Reported | None:
        return self._held or self._journal.reported

    def _recorded(self, report: Report, now: float) -> Reported | None:
        """It, to be sent; nothing, where nobody has to hear of it."""
        before = self._newest()
        # A clock that was set back must not silence the device until it has caught up.
        since = before.sent_at if before is not None and before.is_sent else self._recorded_at
        due = since is None or not 0 <= now - since < self._heartbeat
        if before is not None and not due and not self._has_news(report, before):
            return None
        self._recorded_at = now
        return Reported(report, is_sent=False, sent_at=before.sent_at if before else 0.0)

    @staticmethod
    def _has_news(report: Report, before: Reported) -> bool:
        # One that waits holds the steps that were not told yet, and so does every one behind it.
        return report.differs_from(before.report) if before.is_sent else not report.says_what(before.report)

    def _write(self, reported: Reported) -> ReconcilerError | None:
        try:
            self._journal.write_reported(reported)
        except ReconcilerError as error:
            return error
        self._held = None
        return None


def _behind(told: Sequence[str], steps: Sequence[str]) -> tuple[str, ...]:
    """The steps behind those that were told: the newest of these are where the others begin, the oldest may be gone."""
    most = min(len(told), len(steps))
    same = next((count for count in range(most, 0, -1) if steps[:count] == told[-count:]), 0)
    return tuple(steps[same:])
