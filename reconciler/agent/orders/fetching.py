"""What a device fetches to know its orders, by its mode of trust."""

from contextlib import suppress

from reconciler.agent.settings.config import Config
from reconciler.agent.settings.trust_settings import RELEASE, REPOSITORY, TAG, TrustSettings
from reconciler.errors import GitError, RemoteUnavailable, UnknownRevision
from reconciler.model import Revision
from reconciler.repository import Mirror


def make_mirror(config: Config) -> Mirror:
    """The device's copy of the fleet repository."""
    return Mirror(config.state / "repository.git", config.remote, config.branch, others=config.mirrors)


def fetch_orders(mirror: Mirror, trust: TrustSettings) -> str:
    """Fetch what a device of this mode goes by; where all of it is now, as one text. Raises GitError."""
    if trust.mode == TAG:
        mirror.fetch_tags(trust.tag_prefix)
        return repr(sorted(mirror.tags().items()))
    if trust.mode == RELEASE:
        mirror.fetch(trust.releases)
        return f"{mirror.seen()} {mirror.seen(trust.releases)}"
    if trust.policy != REPOSITORY:
        return str(mirror.fetch())
    return f"{fetch_with(mirror, trust.releases)} {_seen(mirror, trust.releases)}"


def fetch_with(mirror: Mirror, approvals: str) -> Revision:
    """Fetch the branch, and that of approvals where there is one; where the branch is now. Raises GitError."""
    try:
        return mirror.fetch(approvals)
    except RemoteUnavailable:
        raise
    except GitError:
        # Nobody has approved anything yet; or it is too much, and must not hold up the branch itself.
        return mirror.fetch()


def _seen(mirror: Mirror, branch: str) -> str:
    with suppress(UnknownRevision):
        return str(mirror.seen(branch))
    return ""
