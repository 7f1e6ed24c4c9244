"""What a device says about itself: an allow-list of fields, no value of an environment, no secret, bounded in size."""

from dataclasses import dataclass, field, replace

from reconciler.model.condition import ReportedCondition
from reconciler.model.enrollment import Machine

# A report over this is refused by readers; a device cuts its plan text first. 64 KiB keeps 10,000 devices in 640 MB.
MAX_REPORT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """One service as seen after the pass. `image_id` is the Engine's content id; the last three are as of Container."""

    name: str
    image: str = ""
    image_id: str = ""
    state: str = "missing"
    health: str = ""
    exit_code: int | None = None
    started_at: str = ""
    restarts: int = 0
    out_of_memory: bool = False

    def settled(self) -> "ServiceReport":
        """Without what moves by itself. Of restarts, a doubling is news: a crash loop of a year makes 20."""
        return replace(self, started_at="", restarts=self.restarts.bit_length())


@dataclass(frozen=True, slots=True)
class AppReport:
    """One app: its phase, and the revisions it was tried with and last known good at."""

    name: str
    phase: str
    attempted: str = ""
    healthy: str = ""
    message: str = ""
    services: tuple[ServiceReport, ...] = ()
    # Of a service that failed, the last lines that it wrote, without what it was given.
    log: tuple[str, ...] = ()

    def settled(self) -> "AppReport":
        """Without what is no news."""
        return replace(self, services=tuple(service.settled() for service in self.services), log=())


@dataclass(frozen=True, slots=True)
class Revisions:
    """Commits as `branch@sha1:id`, empty while there is none. See docs/reference/report.md."""

    seen: str = ""
    trusted: str = ""
    attempted: str = ""
    applied: str = ""
    healthy: str = ""


@dataclass(frozen=True, slots=True)
class Versions:
    """Programs on the device."""

    agent: str = ""
    engine: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """One device at one moment. `time` is RFC 3339 in UTC; `steps` are plan lines of the pass, each with its cause.

    `sequence` grows with each report of a device, whatever its clock does.
    """

    device: str
    phase: str
    time: str
    revisions: Revisions = Revisions()
    conditions: tuple[ReportedCondition, ...] = ()
    apps: tuple[AppReport, ...] = ()
    steps: tuple[str, ...] = ()
    versions: Versions = Versions()
    heartbeat_seconds: float = 0.0
    disk_free_bytes: int | None = None
    is_shortened: bool = False
    sequence: int = 0
    machine: Machine = field(default_factory=Machine)

    def differs_from(self, other: "Report | None") -> bool:
        """Is there news in it? The time, the number, the free disk and the steps of a quiet pass are none.

        Nor is since when a service runs, how often it was started again as long as that has not doubled, and what it
        wrote: each try writes it with another time.
        """
        if other is None or self.steps:
            return True
        return self._news() != replace(other, steps=())._news()

    def says_what(self, other: "Report") -> bool:
        """Does it say what another one says, steps included, at another time?"""
        return self._news() == other._news()

    def _news(self) -> "Report":
        return replace(self, time="", sequence=0, disk_free_bytes=None, apps=tuple(app.settled() for app in self.apps))
