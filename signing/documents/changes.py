"""Whose paths did a release change, and have they all signed? Releases that were missed are gone through one by one."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from signing.documents.listing import Listing
from signing.documents.policy import Policy
from signing.documents.quorum import Voices, check_quorum, voices_of
from signing.documents.release import NAMESPACE, Accepted, Release
from signing.errors import SignatureError

# More releases than that are not gone through: then those whose paths changed since must sign the newest one.
MAX_MISSED = 1_000


@dataclass(frozen=True, slots=True)
class Step:
    """The documents of one release, as they lie on the branch; its list of files, which is long, on demand."""

    raw: bytes
    signatures: Mapping[str, bytes]
    listing: Callable[[], bytes]


# The documents of the release with this number; None when they are gone.
Steps = Callable[[int], Step | None]


def check_changes(
    release: Release,
    voices: Voices,
    listing: Listing,
    accepted: tuple[Accepted, Listing] | None,
    policy: Policy,
    steps: Steps,
) -> None:
    """Raises SignatureError PATH_QUORUM or PATH_NO_RULE.

    `listing` is the release's content, which was checked already. A device that never accepted anything takes the word
    of the role `release` for all of it: whose change each file was, it cannot know.
    """
    for path in listing.files:
        policy.rule(path)
    if accepted is None or accepted[0].seq == release.seq:
        return
    last, before = accepted
    try:
        check_paths(listing.changed(before), voices, policy, release.name)
    except SignatureError:
        if release.seq == last.seq + 1:
            raise
        _go_through(release, voices, listing, (last, before), policy, steps)


def check_paths(paths: tuple[str, ...], voices: Voices, policy: Policy, what: str) -> None:
    """Raises SignatureError unless for each path the roles of its rule have signed."""
    for path in paths:
        for role in policy.rule(path).roles:
            check_quorum(voices, role, policy.role(role), f"`{path}`, changed by release {what},", "PATH_QUORUM")


def _go_through(
    release: Release,
    voices: Voices,
    listing: Listing,
    accepted: tuple[Accepted, Listing],
    policy: Policy,
    steps: Steps,
) -> None:
    """Each release since, against the one before it. The newest one's quorum vouches for all of them by `previous`."""
    last, before = accepted
    if release.seq - last.seq > MAX_MISSED:
        told = f"over {MAX_MISSED} releases were missed; have all sign the newest whose paths changed since"
        raise SignatureError("RANGE_TOO_LONG", told)
    sha256, issued = last.sha256, last.issued
    for seq in range(last.seq + 1, release.seq):
        step = steps(seq)
        if step is None:
            told = f"release {release.channel}/{seq}, which was missed, is gone, so nobody knows who changed what"
            raise SignatureError("CHAIN", told)
        missed = Release.parse(step.raw)
        files = Listing.parse(step.listing())
        if (missed.seq, missed.channel, missed.previous) != (seq, release.channel, sha256):
            raise SignatureError("CHAIN", f"release {release.channel}/{seq} does not follow the one before it")
        if not issued <= missed.issued.timestamp() <= release.issued.timestamp():
            # Else a key that has ended could sign into its past.
            raise SignatureError("BACKDATED", f"release {missed.name} was not issued between those around it")
        if files.content != missed.content:
            raise SignatureError("CONTENT_HASH", f"the list of files of release {missed.name} is not its own")
        heard = voices_of(step.raw, step.signatures, NAMESPACE, policy.signers, policy.revoked, missed.issued)
        check_paths(files.changed(before), heard, policy, missed.name)
        before, sha256, issued = files, hashlib.sha256(step.raw).hexdigest(), missed.issued.timestamp()
    if release.previous != sha256:
        raise SignatureError("CHAIN", f"release {release.name} does not follow the one before it")
    check_paths(listing.changed(before), voices, policy, release.name)
