"""What Prometheus scrapes, on loopback alone: how the device is, and how its loops go."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from reconciler.agent.service.counts import Counts, with_pass, with_seconds
from reconciler.agent.service.exposition import CONTENT_TYPE, exposition
from reconciler.model import Report

log = logging.getLogger("reconciler")


@dataclass
class Metrics:
    """What the loops of the service count; read by the thread that answers.

    `clock` tells seconds since 1970, `monotonic` seconds that no hand at the clock changes.
    """

    clock: Callable[[], float]
    monotonic: Callable[[], float] = time.monotonic
    report: Report | None = None
    counts: Counts = field(default_factory=Counts)
    _passed: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note_pass(self, report: Report, began: float, steps: int, errors: int) -> None:
        """A pass is over."""
        with self._lock:
            now, passed, previous = self.clock(), self.monotonic(), self.report
            took = max(0.0, now - began)
            # Until this pass, all was as the one before has left it.
            counts = with_pass(with_seconds(self.counts, previous, passed - self._passed), previous, report, steps)
            self.report, self._passed = report, passed
            self.counts = replace(
                with_seconds(counts, report, 0.0),
                passes=counts.passes + 1,
                errors=counts.errors + errors,
                pass_seconds=took,
                all_pass_seconds=counts.all_pass_seconds + took,
                passed_at=now,
            )

    def note_git(self, *, answered: bool) -> None:
        """The Git server was asked."""
        with self._lock:
            counts = self.counts
            if answered:
                self.counts = replace(counts, git_answers=counts.git_answers + 1, git_answered_at=self.clock())
            else:
                self.counts = replace(counts, git_failures=counts.git_failures + 1)

    def note_send(self, *, failed: bool) -> None:
        """What was there to be sent was sent, or has to wait."""
        with self._lock:
            failures = self.counts.send_failures + failed
            self.counts = replace(self.counts, send_failures=failures, report_waits=failed)

    def text(self) -> str:
        """All of it, now."""
        with self._lock:
            report, counts = self.report, self.counts
        return exposition(report, counts)


def serve_metrics(metrics: Metrics, listen: str) -> Callable[[], None]:
    """Answer `GET /metrics` at this address until what is returned is called.

    Where somebody else has it, the agent works all the same: it may be by an app of Git's, which only Git can change.
    """
    # Who scrapes nothing does not pay for it: these modules are a megabyte.
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer  # noqa: PLC0415

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def log_message(self, *_: object) -> None:
            """The log is for what the device does."""

        def do_GET(self) -> None:
            if self.path != "/metrics":
                self.send_error(404)
                return
            body = metrics.text().encode()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    host, _, port = listen.rpartition(":")
    try:
        server = ThreadingHTTPServer((host.strip("[]"), int(port)), Handler)
    except OSError as error:
        log.error("no metrics at %s: %s; free it and restart, or set another `metrics.listen`", listen, error.strerror)
        return lambda: None
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return stop
