"""What holds a device: every reason, from its newest report and from what the fleet's branch says now."""

from collections.abc import Iterator

from reconciler.fleet.history import commit_of, short
from reconciler.fleet.status import DeviceStatus
from reconciler.fleet.text import age
from reconciler.model import Report

# The apps say it better than the first; the second was healed.
_TOLD_OTHERWISE = ("Ready", "Drifted")


def reasons(status: DeviceStatus, tip: str, branch: str) -> list[tuple[str, str]]:
    """What, and why, in the order in which to look; empty when nothing holds it.

    `tip` is the newest commit of the fleet's branch that this clone knows.
    """
    if status.flag:
        return [("Refused", status.flag)]
    refused = [("Refused", f"a newer report: {status.refused}")] if status.refused else []
    if status.report is None:
        return [*refused, ("Silent", f"it {status.silence}")]
    return [*refused, *_silence(status, status.report), *_clock(status), *_conditions(status.report),
            *_behind(status.report, tip, branch), *_apps(status.report)]  # fmt: skip


def _silence(status: DeviceStatus, report: Report) -> Iterator[tuple[str, str]]:
    if status.is_silent:
        due = age(report.heartbeat_seconds)
        yield "Silent", f"{status.silence}, and a report is due every {due}: what follows is old"


def _clock(status: DeviceStatus) -> Iterator[tuple[str, str]]:
    """Such a device falls silent unseen, where nobody writes to the branch after it."""
    if status.is_ahead:
        told = f"its newest report says {status.seen_at:%Y-%m-%dT%H:%M:%SZ}, {age(status.ahead_by)} ahead of this clock"
        yield "Clock", f"{told}: set the one of the device, or this one"


def _conditions(report: Report) -> Iterator[tuple[str, str]]:
    for one in report.conditions:
        # A pause is no way to the revision, and holds the device all the same.
        if one.reason == "Paused":
            yield "Paused", one.message
        is_wrong = one.is_wrong and one.type not in _TOLD_OTHERWISE
        # Whom it may obey cannot be looked up on the device: nothing new is run.
        if is_wrong or (one.type, one.status) == ("Trusted", "Unknown"):
            yield one.type, f"{one.reason} since {one.since}: {one.message}".rstrip(": ")


def _behind(report: Report, tip: str, branch: str) -> Iterator[tuple[str, str]]:
    """In mode `commits` a device's commits are those of the branch; other modes name a tag or a release."""
    revisions = report.revisions
    seen, applied = commit_of(revisions.seen), commit_of(revisions.applied)
    if revisions.seen.startswith(f"{branch}@") and tip and seen != tip:
        yield "Behind", f"it saw {short(revisions.seen)}, and the branch is at {tip[:12]}: it asks at its next pass"
    elif revisions.trusted and commit_of(revisions.trusted) != applied:
        told = f"it trusts {short(revisions.trusted)}, and runs {short(revisions.applied)}"
        yield "Behind", told


def _apps(report: Report) -> Iterator[tuple[str, str]]:
    for app in report.apps:
        if app.phase != "Healthy":
            good = f"; last healthy at {short(app.healthy)}" if app.healthy else ""
            yield app.name, f"{app.phase}: {app.message}{good}" if app.message else f"{app.phase}{good}"
