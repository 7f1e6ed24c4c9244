"""What Prometheus scrapes, on loopback alone: how the device is, and how its two loops go.

The text is that of the exposition format 0.0.4. No value names more than apps, phases and conditions.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from reconciler.errors import ConfigError
from reconciler.model import Report

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Counts:
    """How often and when, since the agent started. Times are seconds since 1970, 0 for never."""

    passes: int = 0
    steps: int = 0
    errors: int = 0
    pass_seconds: float = 0.0
    passed_at: float = 0.0
    git_failures: int = 0
    git_answered_at: float = 0.0


@dataclass
class Metrics:
    """What the loops of the service count; read by the thread that answers."""

    clock: Callable[[], float]
    report: Report | None = None
    counts: Counts = field(default_factory=Counts)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note_pass(self, report: Report, began: float, steps: int, errors: int) -> None:
        """A pass is over."""
        with self._lock:
            now, before = self.clock(), self.counts
            self.report = report
            self.counts = replace(
                before,
                passes=before.passes + 1,
                steps=before.steps + steps,
                errors=before.errors + errors,
                pass_seconds=max(0.0, now - began),
                passed_at=now,
            )

    def note_git(self, *, answered: bool) -> None:
        """The Git server was asked."""
        with self._lock:
            if answered:
                self.counts = replace(self.counts, git_answered_at=self.clock())
            else:
                self.counts = replace(self.counts, git_failures=self.counts.git_failures + 1)

    def text(self) -> str:
        """All of it, now."""
        with self._lock:
            report, counts = self.report, self.counts
        return "".join(_lines(report, counts))


def _lines(report: Report | None, counts: Counts) -> Iterator[str]:
    yield from _one("passes_total", "counter", "Passes since the agent started.", counts.passes)
    yield from _one("steps_total", "counter", "Steps that were performed.", counts.steps)
    yield from _one("pass_errors_total", "counter", "Errors that passes ended with.", counts.errors)
    yield from _one("last_pass_seconds", "gauge", "How long the newest pass took.", round(counts.pass_seconds, 3))
    yield from _one("last_pass_timestamp_seconds", "gauge", "When it ended.", round(counts.passed_at, 3))
    yield from _one("git_failures_total", "counter", "Times that no Git server answered.", counts.git_failures)
    answered = round(counts.git_answered_at, 3)
    yield from _one("git_answer_timestamp_seconds", "gauge", "When a Git server answered last.", answered)
    if report is None:
        return
    versions = {"agent": report.versions.agent, "engine": report.versions.engine}
    revision = {"applied": report.revisions.applied}
    yield from _many("info", "Versions, and the commit that is applied.", [({**versions, **revision}, 1)])
    yield from _many("phase", "1 for the phase of the device.", [({"phase": report.phase}, 1)])
    conditions = [({"type": one.type, "reason": one.reason}, _truth(one.status)) for one in report.conditions]
    yield from _many("condition", "1 for True, 0 for False, -1 for Unknown.", conditions)
    apps = [({"app": one.name, "phase": one.phase}, 1) for one in report.apps]
    yield from _many("app_phase", "1 for the phase of each app.", apps)
    if report.disk_free_bytes is not None:
        yield from _one("disk_free_bytes", "gauge", "Free where the state is.", report.disk_free_bytes)


def _truth(status: str) -> int:
    return {"True": 1, "False": 0}.get(status, -1)


def _one(name: str, kind: str, told: str, value: float) -> Iterator[str]:
    yield f"# HELP reconciler_{name} {told}\n# TYPE reconciler_{name} {kind}\nreconciler_{name} {value}\n"


def _many(name: str, told: str, samples: list[tuple[dict[str, str], int]]) -> Iterator[str]:
    yield f"# HELP reconciler_{name} {told}\n# TYPE reconciler_{name} gauge\n"
    for labels, value in samples:
        pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"reconciler_{name}{{{pairs}}} {value}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def serve_metrics(metrics: Metrics, listen: str) -> Callable[[], None]:
    """Answer `GET /metrics` at this address until what is returned is called. Raises ConfigError when it is taken."""
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
        raise ConfigError(f"cannot listen at {listen}: {error.strerror}", advice="set `metrics.listen`") from error
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return stop
