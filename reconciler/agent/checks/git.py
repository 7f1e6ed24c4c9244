"""Checks of git, and of the servers that the device talks to by it."""

from reconciler.agent.checks.checked import Checked, Warned, numbers
from reconciler.agent.trust_settings import RELEASE, TAG
from reconciler.repository import REPORT_REFS, may_write, newest, version

OLDEST_GIT = (2, 38)


def git(at: Checked) -> str:
    found = version()
    if numbers(found) < OLDEST_GIT:
        raise Warned(f"git {found} cannot make merges again", advice="install 2.38 or newer, or sign every merge")
    return found


def remote(at: Checked) -> str:
    """One ref is asked for, over the same way as a fetch."""
    trust = at.config.trust
    branch = trust.releases if trust.mode == RELEASE else at.config.branch
    ref = f"refs/tags/{trust.tag_prefix}*" if trust.mode == TAG else f"refs/heads/{branch}"
    return f"{at.config.remote.url} {ref} {newest(at.config.remote, ref)[:12]}"


def status_branch(at: Checked) -> str:
    """A push that ends before anything is sent (git push --dry-run)."""
    status = at.config.status
    ref = f"{REPORT_REFS}/{at.config.device}" if status.transport == "ref" else f"refs/heads/{status.branch}"
    may_write(at.config.state / "repository.git", status.remote, ref, at.trusted.commit)
    return f"may push {ref}"
