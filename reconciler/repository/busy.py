"""Did a server ask to be left alone for a while, and for how long? Out of what git tells of the answer's head."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from reconciler.errors import RemoteUnavailable
from reconciler.repository.git import complaint
from reconciler.repository.remote import Remote, is_ssh

# By this, git tells of every line of the head of an answer, with passwords replaced (git(1), GIT_TRACE_CURL).
_TRACE = {"GIT_TRACE_CURL": "2", "GIT_TRACE_CURL_NO_DATA": "1"}
# Too many requests, service unavailable (RFC 6585, 4; RFC 9110, 15.6.4).
_BUSY = re.compile(rb"<= Recv header: HTTP/[0-9.]+ (?:429|503)\b")
_AFTER = re.compile(rb"<= Recv header: retry-after:[ \t]*([ -~]{1,40})", re.IGNORECASE)
# A server, or whoever speaks for it, does not send a device away for days.
MOST_SECONDS = 3600.0
# Who says nothing of a time is asked again after some minutes.
UNSAID_SECONDS = 300.0


def traced(remote: Remote) -> dict[str, str]:
    """The variables by which git tells what this server answers. Over SSH there is no such head."""
    return {} if is_ssh(remote.url) else dict(_TRACE)


def unavailable(what: str, err: bytes, remote: Remote, advice: str) -> RemoteUnavailable:
    """By what git complained of, and what it told of the server's answer."""
    seconds = busy_seconds(err, datetime.now(UTC))
    advice = f"it asks for {seconds:g} s of rest" if seconds else advice
    return RemoteUnavailable(f"{what}: {complaint(err)}", where=remote.url, advice=advice, retry_seconds=seconds)


def busy_seconds(told: bytes, now: datetime) -> float:
    """Seconds to wait before the next request; 0, when the server did not ask for it (RFC 9110, 10.2.3)."""
    if not _BUSY.search(told):
        return 0.0
    said = _AFTER.findall(told)
    seconds = _seconds(said[-1].decode().strip(), now) if said else None
    return min(max(UNSAID_SECONDS if seconds is None else seconds, 0.0), MOST_SECONDS)


def _seconds(said: str, now: datetime) -> float | None:
    """A number of seconds, or a date; None for something else."""
    if said.isdecimal():
        return float(said)
    try:
        return (parsedate_to_datetime(said).replace(tzinfo=UTC) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
