"""A moment, as reports and plans write it; and a clock for what must not move with theirs."""

import time
from datetime import UTC, datetime


def rfc3339(seconds: float) -> str:
    """Seconds since 1970 as an RFC 3339 time in UTC, such as 2026-11-23T04:30:01Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def boot_seconds() -> float:
    """A clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
