"""Which version of the reconciler itself shall run, by what Git says and by what has proven itself. Pure."""

from dataclasses import replace

from reconciler.agent.state.moment import rfc3339
from reconciler.agent.state.remembered import Attempt, Updates
from reconciler.model import Fact

# It may have been the network, the power, or what another app did to the device.
RETRY_SECONDS, RETRY_MOST_SECONDS = 600.0, 86400.0
# A version that was proven and is started over and over, without being well between, has broken since.
MOST_STARTS = 5


def told(wanted: str, attempt: Attempt | None) -> Fact:
    """What there is to say of a version that is there, and does not run."""
    if attempt is None:
        return Fact("Updated", None, "Trying", f"{wanted} is to prove itself")
    times = "once" if attempt.tries == 1 else f"{attempt.tries} times"
    again = f"again at {rfc3339(attempt.retry_at)}"
    return Fact("Updated", False, "RolledBack", f"{wanted} was tried {times}: {attempt.why}; {again}")


def is_due(update: str | None, running: str, updates: Updates, now: float) -> bool:
    """Shall this version run now in place of the one that does? `update` is its name; empty for the installed one, None
    when nobody says. `now` is in seconds since 1970.
    """
    if update is None or update == running:
        return False
    attempt = updates.failed.get(update)
    if attempt is None:
        return True
    # A clock that was set back does not make it wait for years.
    return not now < attempt.retry_at <= now + RETRY_MOST_SECONDS


def proven(updates: Updates, name: str) -> Updates:
    """With this one, which has shown that it does its work; the installed one needs no proof."""
    failed = {other: attempt for other, attempt in updates.failed.items() if other != name}
    return replace(updates, proven=name, starts=0, failed=failed)


def failed(updates: Updates, name: str, why: str, now: float) -> Updates:
    """With one more try of this one that came to nothing. Of others, nobody asks any more."""
    before = updates.failed.get(name)
    tries = (before.tries if before else 0) + 1
    retry_at = now + min(RETRY_SECONDS * 2.0 ** min(tries - 1, 10), RETRY_MOST_SECONDS)
    was = "" if updates.proven == name else updates.proven
    return Updates(was, 0, {name: Attempt(tries, why, retry_at)})


def started(updates: Updates, now: float) -> Updates:
    """The proven version is about to be started. Too often since it was well: it is proven no longer."""
    if updates.starts < MOST_STARTS:
        return replace(updates, starts=updates.starts + 1)
    return failed(updates, updates.proven, f"it was started {updates.starts} times, and never well", now)
