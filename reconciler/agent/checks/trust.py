"""Checks of whom the device obeys, and of what it took."""

from datetime import UTC, datetime, timedelta

from reconciler.agent.checks.checked import Checked, Warned
from reconciler.agent.source import known_signers
from reconciler.errors import ConfigError
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
    return f"{trusted.tag or trusted.commit[:12]} by {trusted.principal}"


def clock(at: Checked) -> str:
    now = datetime.fromtimestamp(at.now(), UTC)
    told = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    signed = split_commit(at.mirror.commit(at.trusted.commit)).committed_at
    if now < signed - timedelta(hours=1):
        late = f"it is {told} here, and what is trusted was written {signed:%Y-%m-%dT%H:%M:%SZ}"
        raise Warned(late, advice="set the clock: newer commits are refused as FUTURE")
    return told
