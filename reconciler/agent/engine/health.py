"""Is what was started well? Judged from one look after the other; a look is the Engine's `State` of a container."""

from dataclasses import dataclass
from enum import Enum

from reconciler.model import Service

# 128 + SIGTERM, 128 + SIGKILL, and the 0 of a program that ends in order when it is told to.
_ENDED_FROM_OUTSIDE = (0, 143, 137)
# The Engine's defaults (HEALTHCHECK in the Dockerfile reference).
_INTERVAL, _TIMEOUT, _RETRIES = 30.0, 30.0, 3
# On top of the time that the checks may take: a slow device needs time to start the checks themselves.
GRACE_SECONDS = 10.0
# No check of a file in Git may keep a device from its other work for longer.
MAX_PATIENCE_SECONDS = 600.0
# A job of a dependency may do real work; longer than this, a stuck one would hold up every later revision.
COMPLETION_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a container. Durations are seconds; `health` is empty without a health check."""

    state: str
    health: str = ""
    exit_code: int = 0
    restarts: int = 0
    running_for: float = 0.0
    interval: float = _INTERVAL
    timeout: float = _TIMEOUT
    start_period: float = 0.0
    retries: int = _RETRIES
    out_of_memory: bool = False

    def patience(self, monitor: float) -> float:
        """How long until the container must have shown what it is."""
        if not self.health:
            return min(monitor, MAX_PATIENCE_SECONDS) + GRACE_SECONDS
        asked = self.start_period + self.retries * (self.interval + self.timeout) + GRACE_SECONDS
        return min(asked, MAX_PATIENCE_SECONDS)

    @property
    def may_be_ended_by_hand(self) -> bool:
        """Did it exit as `docker stop` or a shutdown of the machine ends containers? Then the image may be good."""
        return self.state in ("exited", "dead") and not self.out_of_memory and self.exit_code in _ENDED_FROM_OUTSIDE


class Verdict(Enum):
    """What a look means."""

    GOOD = "good"
    BAD = "bad"
    WAIT = "wait"


def judge(service: Service, look: Look, first: Look) -> tuple[Verdict, str]:
    """Judge whether a started container works, with the reason. `first` is the look right after the start."""
    if look.state in ("exited", "dead"):
        if service.may_finish and look.exit_code == 0:
            return Verdict.GOOD, "finished"
        return Verdict.BAD, f"exited with {look.exit_code}"
    if look.state == "restarting" or look.restarts > first.restarts:
        return Verdict.BAD, f"exits and is started again, last with {look.exit_code}"
    if look.health == "unhealthy":
        # Unhealthy from the first look on, it was so before: what it says of a pause, or of before a crash, is old.
        return (Verdict.WAIT if first.health == "unhealthy" else Verdict.BAD), "is unhealthy"
    if look.health:
        return (Verdict.GOOD, "is healthy") if look.health == "healthy" else (Verdict.WAIT, "is not healthy yet")
    if look.state == "running" and look.running_for >= service.update.monitor:
        return Verdict.GOOD, f"has run for {service.update.monitor:g} s"
    return Verdict.WAIT, f"is {look.state}"


def judge_job(look: Look) -> tuple[Verdict, str]:
    """Judge whether a job has completed, with the reason."""
    if look.state not in ("exited", "dead"):
        return Verdict.WAIT, f"is {look.state}"
    if look.exit_code == 0:
        return Verdict.GOOD, "completed"
    return Verdict.BAD, f"exited with {look.exit_code}"
