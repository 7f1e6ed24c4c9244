"""The loop of reports: sends what a pass has recorded, and neither a pass nor a poll of Git waits for it."""

import logging
import time
from collections.abc import Callable, Sequence

from reconciler.agent.service.loop import Bell
from reconciler.agent.service.metrics import Metrics
from reconciler.errors import ReconcilerError, RemoteUnavailable

log = logging.getLogger("reconciler")


class Outbox:
    """Of one thread, but for what others note.

    `send` gives the error when a report has to wait. `heard` is called when none has to; with whether
    all that Git says was done by then.
    `shares_server`: is the server of reports that of the fleet, too?
    """

    def __init__(
        self,
        send: Callable[[], ReconcilerError | None],
        metrics: Metrics,
        heard: Callable[[bool], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        shares_server: bool = True,
    ) -> None:
        self._send, self._metrics, self._heard, self._clock = send, metrics, heard, clock
        self._shares_server, self.bell = shares_server, Bell()
        # The newest report could not be sent.
        self._is_refused = False
        # A pass has done all that Git said.
        self._is_proof = False
        # The server wants to be left alone for so long, as reports were told, or as Git was.
        self._rests_until, self._git_rests_until = 0.0, 0.0

    def note_pass(self, *, is_proof: bool) -> None:
        """Of the loop of the Engine: there may be a report."""
        self._is_proof |= is_proof
        self.bell.ring_for_change()

    def note_git(self, rest_seconds: float) -> None:
        """Of the loop of Git: the fleet's server was asked, and wants to be left alone for so long. Try again now."""
        if self._shares_server:
            self._git_rests_until = self._clock() + rest_seconds
        self.bell.ring()

    def send(self) -> Sequence[str]:
        """A report may be new; one that was refused waits for `retry`."""
        if not self._is_refused:
            self.retry()
        return ()

    def retry(self) -> float:
        """Try, unless the server wants to be left alone: for so many seconds."""
        rest = max(self._rests_until, self._git_rests_until) - self._clock()
        if rest > 0:
            return rest
        is_proof = self._is_proof
        error = self._send()
        self._metrics.note_send(failed=error is not None)
        self._is_refused = error is not None
        if error is None:
            self._heard(is_proof)
            return 0.0
        log.error("%s", error)
        rest = error.retry_seconds if isinstance(error, RemoteUnavailable) else 0.0
        self._rests_until = self._clock() + rest
        return rest
