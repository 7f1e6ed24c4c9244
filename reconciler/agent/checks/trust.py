"""Checks of whom the device obeys, of what it took, and of what it refuses."""

from datetime import UTC, datetime, timedelta

from reconciler.agent.checks.checked import Checked, Warned
from reconciler.agent.orders.source import known_signers
from reconciler.agent.state.moment import rfc3339
from reconciler.errors import ConfigError
from reconciler.model import ReportedCondition
from signing import split_commit

SOON = timedelta(days=30)


def allowed_signers(at: Checked) -> str:
    known = known_signers(at.config, at.journal)
    path = known.source
    signers = [one for one in known.by_blob.values() if one.key.fingerprint not in known.revoked]
    now = datetime.fromtimestamp(at.now(), UTC)
    ends = [(one.principal, one.valid_before) for one in signers if one.valid_before is not None]
    over = [name for name, end in ends if end < now]
    if len(over) == len(signers):
        raise ConfigError("no key counts any more", where=str(path), advice="add one that does")
    soon = [f"{name} on {end:%Y-%m-%d}" for name, end in ends if now <= end < now + SOON]
    if soon:
        raise Warned(f"keys end soon: {', '.join(soon)}", where=str(path), advice="add their successors")
    return f"{len(signers)} keys, {len(over)} of them ended"


def trust(at: Checked) -> str:
    trusted = at.journal.trusted
    if trusted is None:
        raise Warned("nothing is trusted yet", advice="run `reconciler once`; see what it refuses")
    days = (at.now() - _committed_at(at).timestamp()) / timedelta(days=1).total_seconds()
    return f"{trusted.tag or trusted.commit[:12]}, {max(0, int(days))} days old, by {trusted.principal}"


def refused(at: Checked) -> str:
    """By the newest report: a commit, or a release that asks for a newer agent than this one."""
    if (wrong := _wrong(at, "Trusted")) is not None:
        told = f"{wrong.reason} since {wrong.since}: {wrong.message}"
        raise Warned(told, advice="see docs/concepts/trust.md, reason codes; what is obeyed stays as it is")
    return "nothing is refused"


def fresh(at: Checked) -> str:
    """By the newest report: has the server answered, and is what it says the newest?"""
    if (wrong := _wrong(at, "Fresh")) is not None:
        raise Warned(f"{wrong.reason} since {wrong.since}: {wrong.message}", advice="see the check `remote`")
    known = [one for one in at.reported.report.conditions if one.type == "Fresh" and one.status == "True"]
    return f"what is obeyed was the newest at {at.reported.report.time}" if known else "the server was not asked yet"


def clock(at: Checked) -> str:
    now, signed = datetime.fromtimestamp(at.now(), UTC), _committed_at(at)
    if now < signed - timedelta(hours=1):
        late = f"it is {_told(now)} here, and what is trusted was written {_told(signed)}"
        raise Warned(late, advice="set the clock: newer commits are refused as FUTURE")
    return _told(now)


def _committed_at(at: Checked) -> datetime:
    return split_commit(at.mirror.commit(at.trusted.commit)).committed_at


def _wrong(at: Checked, kind: str) -> ReportedCondition | None:
    """What is told without control characters is told so by whoever prints it."""
    return next((one for one in at.reported.report.conditions if one.type == kind and one.status == "False"), None)


def _told(when: datetime) -> str:
    return rfc3339(when.timestamp())
