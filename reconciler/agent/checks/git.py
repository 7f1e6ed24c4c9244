"""Checks of git, and of the servers that the device talks to by it."""

from reconciler.agent.checks.checked import Checked, Skipped, Warned, numbers
from reconciler.errors import ReconcilerError
from reconciler.repository import REPORT_REFS, is_ssh, may_write, newest, version

OLDEST_GIT = (2, 38)
# Less is the way that an answer takes on a bad link.
MOST_SECONDS_OFF = 10.0


def git(at: Checked) -> str:
    found = version()
    if numbers(found) < OLDEST_GIT:
        raise Warned(f"git {found} cannot make merges again", advice="install 2.38 or newer, or sign every merge")
    return found


def remote(at: Checked) -> str:
    """One ref is asked for, over the same way as a fetch."""
    if isinstance(at.server, ReconcilerError):
        raise at.server
    return f"{at.config.remote.url} {at.ref} {at.server.value.id[:12]}"


def mirrors(at: Checked) -> str:
    """The same of each server that stands in for the first one."""
    silent = []
    for one in at.config.mirrors:
        try:
            newest(one, at.ref)
        except ReconcilerError as error:
            silent.append(f"{one.url}: {error.what}")
    if silent:
        raise Warned("; ".join(silent), advice="a mirror is asked when the server is away: it should answer before")
    return f"{len(at.config.mirrors)} answer" if at.config.mirrors else "there are none"


def clock_server(at: Checked) -> str:
    """This clock, and that of the Git server, by the `Date` of its answer."""
    if isinstance(at.server, ReconcilerError):
        raise Skipped("the Git server does not answer") from at.server
    if (told := at.server.value.time) is None:
        return "over SSH, a server tells no time" if is_ssh(at.config.remote.url) else "the server tells no time"
    off = at.server.ahead(told)
    if abs(off) > MOST_SECONDS_OFF:
        where = "ahead of" if off < 0 else "behind"
        raise Warned(f"this clock is {abs(off):.0f} s {where} that of the Git server", advice="see to time (NTP) here")
    return "as that of the Git server"


def status_branch(at: Checked) -> str:
    """A push that ends before anything is sent (git push --dry-run)."""
    status = at.config.status
    ref = f"{REPORT_REFS}/{at.config.device}" if status.transport == "ref" else f"refs/heads/{status.branch}"
    may_write(at.config.state / "repository.git", status.remote, ref, at.trusted.commit)
    return f"may push {ref}"
