"""Checks of the agent that is at work here, and of whether it is heard."""

import os
from datetime import datetime

from reconciler.agent.checks.checked import Checked, Skipped, Warned
from reconciler.agent.service.control import NAME
from reconciler.agent.state.moment import rfc3339
from reconciler.errors import StateInUse

# As readers of the status branch, who call a device silent then.
HEARTBEATS = 2
# As long as the watchdog of packaging/reconciler.service waits: a pass may wait for health.
LONGEST_PASS = 3600.0
# Between reading the settings and being at work.
SETTLE_SECONDS = 1.0


def service(at: Checked) -> str:
    try:
        with at.journal.locked():
            raise Warned("no reconciler is at work here", advice="start the service")
    except StateInUse:
        known, longest = at.journal.reported, at.config.status.heartbeat + 2 * at.config.interval + LONGEST_PASS
        if known is not None and at.now() - datetime.fromisoformat(known.report.time).timestamp() > longest:
            told = f"a reconciler is at work, and has told of no pass since {known.report.time}"
            raise Warned(told, advice="see its log, and restart it") from None
        return "a reconciler is at work"


def settings_in_use(at: Checked) -> str:
    """The agent starts anew by itself when they change; each start makes its local socket anew."""
    _ = _process(at)
    try:
        started = (at.config.state / NAME).stat().st_mtime
    except OSError as error:
        raise Skipped("the service has no local socket: nobody can tell when it started") from error
    written = at.path.stat().st_mtime
    if written > started + SETTLE_SECONDS:
        told = f"written at {rfc3339(written)}, and the service has not started anew since {rfc3339(started)}"
        raise Warned(told, where=str(at.path), advice="where they say something else: systemctl restart reconciler")
    return f"in use since {rfc3339(started)}"


def watchdog(at: Checked) -> str:
    """Whoever started the service ends one that hangs, if it is told to expect a sign of life (sd_watchdog_enabled)."""
    try:
        raw = (at.root / f"proc/{_process(at)}/environ").read_bytes()
    except OSError as error:
        raise Skipped(f"the service cannot be looked at: {error.strerror}") from error
    told = dict(entry.partition(b"=")[::2] for entry in raw.split(b"\0"))
    after = told.get(b"WATCHDOG_USEC", b"")
    if not (after.isdigit() and int(after) and told.get(b"NOTIFY_SOCKET")):
        advice = "start it by packaging/reconciler.service, which has `WatchdogSec`"
        raise Warned("nobody notices when the service hangs", advice=advice)
    return f"armed: {int(after) / 1e6:.0f} s"


def report(at: Checked) -> str:
    """Is this device heard? Else it is called silent."""
    known, patience = at.reported, HEARTBEATS * at.config.status.heartbeat
    heard = f"at {rfc3339(known.sent_at)}" if known.sent_at else "never"
    if at.now() - known.sent_at > patience:
        wait = ", and a report waits" if not known.is_sent else ""
        raise Warned(f"was heard {heard}{wait}", advice="see the checks `status-branch` and `service`")
    return f"heard {heard}{'' if known.is_sent else '; a report waits'}"


def _process(at: Checked) -> int:
    """The process that holds the lock of the state, by /proc/locks (proc(5))."""
    try:
        found = (at.config.state / "lock").stat()
        lock = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
        words = [line.split() for line in (at.root / "proc/locks").read_text().splitlines()]
    except OSError as error:
        raise Skipped("no reconciler is at work here") from error
    holders = [int(one[4]) for one in words if len(one) > 5 and one[1] == "FLOCK" and one[5] == lock]
    if not holders:
        raise Skipped("no reconciler is at work here")
    if holders[0] <= 0:
        raise Skipped("the service cannot be looked at from here: it has processes of its own")
    return holders[0]
