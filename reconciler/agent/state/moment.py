"""A moment, as reports and plans write it."""

from datetime import UTC, datetime


def rfc3339(seconds: float) -> str:
    """Seconds since 1970 as an RFC 3339 time in UTC, such as 2026-11-23T04:30:01Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
