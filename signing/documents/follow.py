"""What a device does with the branch `releases` (security model, 2.5): the policy first, then the newest release."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from signing.documents.branch import Branch, PolicyFiles
from signing.documents.changes import check_changes
from signing.documents.listing import NOTHING, Listing
from signing.documents.policy import Policy, succeed
from signing.documents.quorum import Pending, Voices
from signing.documents.release import (
    Accepted,
    Release,
    check_agent,
    check_content,
    check_still_spoken,
    judge_release,
)
from signing.errors import SignatureError

# A device that slept for years goes on at its next pass.
MAX_POLICIES = 64
# Junk above the newest good release costs that much and no more.
MOST_TRIED = 8


class Contents(Protocol):
    """The commits, as far as the object store has them. Raises SignatureError for what cannot be read."""

    def tree(self, commit: str) -> str:
        """The id of its tree, out of bytes that have the commit's id."""

    def listing(self, commit: str) -> Listing:
        """Every file of it, by the digest of its content."""


@dataclass(frozen=True, slots=True)
class Followed:
    """The newest that may be obeyed, why something above it may not, and what waits for signatures."""

    accepted: Accepted | None
    refusal: SignatureError | None = None
    pending: str = ""


def anchored(branch: Branch, sha256: str) -> tuple[Policy, PolicyFiles]:
    """The policy with this digest. Raises SignatureError POLICY_ANCHOR when it is not on the branch."""
    for version, raw in branch.policies().items():
        files = branch.policy(version) if hashlib.sha256(raw).hexdigest() == sha256 else None
        if files is not None:
            return Policy.parse(files.raw, files.signers), files
    raise SignatureError("POLICY_ANCHOR", f"no policy on the branch has the digest {sha256[:12]}..., the anchor")


def follow_policies(
    branch: Branch, policy: Policy, keep: Callable[[Policy, PolicyFiles], None]
) -> tuple[Policy, SignatureError | None, str]:
    """The newest version, why not the next, and what it waits for; each is kept before the next is looked at."""
    for _ in range(MAX_POLICIES):
        files = branch.policy(policy.version + 1)
        if files is None:
            break
        try:
            policy = succeed(policy, files.raw, files.signers, files.signatures)
        except Pending as error:
            return policy, None, error.message
        except SignatureError as error:
            return policy, error, ""
        keep(policy, files)
    return policy, None, ""


@dataclass(frozen=True, slots=True)
class ReleaseJudge:
    """One look at the branch, by the policy in force. `version` is that of this program, `now` the time that counts."""

    branch: Branch
    contents: Contents
    policy: Policy
    channel: str
    version: str
    now: datetime

    def newest(self, accepted: Accepted | None) -> Followed:
        """The newest release that this device may obey, or the one that it has."""
        refusal: SignatureError | None = None
        pending = ""
        floor = accepted.seq if accepted else 0
        for seq in [one for one in self.branch.seqs(self.channel) if one > floor][: -MOST_TRIED - 1 : -1]:
            try:
                return Followed(self.judge(seq, accepted), refusal, pending)
            except Pending as error:
                pending = pending or error.message
            except SignatureError as error:
                refusal = refusal or error
        trouble = self.trouble(accepted)
        # What is wrong with what is obeyed comes before what is wrong with something new.
        return Followed(accepted, (trouble or refusal) if accepted else (refusal or trouble), pending)

    def judge(self, seq: int, accepted: Accepted | None) -> Accepted:
        """What is remembered of this release. Raises SignatureError when it may not be obeyed."""
        step = self.branch.release(self.channel, seq)
        if step is None:
            raise SignatureError("LISTING", f"release {self.channel}/{seq} is not there with its list of files")
        release, voices = judge_release(step.raw, step.signatures, self.policy, self.channel, accepted, self.now)
        if release.seq != seq:
            raise SignatureError("CHAIN", f"release {release.name} lies where {seq} should be")
        check_agent(release, self.version)
        listing = self.contents.listing(release.commit)
        check_content(release, listing, self.contents.tree(release.commit))
        before = None if accepted is None else (accepted, self._listing_of(accepted))
        check_changes(
            release, voices, listing, before, self.policy, lambda missed: self.branch.release(self.channel, missed)
        )
        return taken(release, voices)

    def _listing_of(self, accepted: Accepted) -> Listing:
        """What was accepted, file by file: from the branch, or from its commit. With neither, all counts as changed."""
        step = self.branch.release(accepted.channel, accepted.seq)
        raw = step.listing() if step is not None else b""
        if hashlib.sha256(raw).hexdigest() == accepted.content:
            return Listing.parse(raw)
        try:
            listing = self.contents.listing(accepted.commit)
        except SignatureError:
            return NOTHING
        return listing if listing.content == accepted.content else NOTHING

    def trouble(self, accepted: Accepted | None) -> SignatureError | None:
        """What is wrong while nothing new may be obeyed."""
        try:
            self.policy.check_in_force(self.now)
            if accepted is None:
                raise SignatureError("NO_RELEASE", f"no release of channel `{self.channel}` is on the branch")
            self._check_branch(accepted)
            check_still_spoken(accepted, self.policy)
            if self.now.timestamp() > accepted.expires:
                raise SignatureError("RELEASE_EXPIRED", f"release {accepted.name} counts no longer; make a new one")
        except SignatureError as error:
            return error
        return None

    def _check_branch(self, accepted: Accepted) -> None:
        """Raises SignatureError when the branch shows something else than it showed before."""
        if accepted.seq not in self.branch.seqs(accepted.channel):
            raise SignatureError("ROLLBACK", f"release {accepted.name}, which was accepted, is on the branch no more")
        step = self.branch.release(accepted.channel, accepted.seq)
        if step is not None and hashlib.sha256(step.raw).hexdigest() != accepted.sha256:
            told = f"release {accepted.name} is another one on the branch than the one that was accepted"
            raise SignatureError("EQUIVOCATION", told)


def taken(release: Release, voices: Voices) -> Accepted:
    """What is remembered of a release."""
    return Accepted(
        release.channel,
        release.seq,
        release.sha256,
        release.content,
        release.commit,
        release.issued.timestamp(),
        release.expires.timestamp(),
        voices.heard,
    )
