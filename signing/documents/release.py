"""A release: which content devices of a channel shall have, said by a quorum, whatever a forge did to the commits."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from signing.documents.fields import NAME, REPOSITORY, SHA256, read_document
from signing.documents.listing import Listing
from signing.documents.policy import RELEASE, Policy
from signing.documents.quorum import Voice, Voices, check_quorum, voices_of
from signing.errors import SignatureError

NAMESPACE = "release.v1@fleet"
# A quorum that lost its mind for a moment must not use up all numbers.
MAX_JUMP = 1_000_000
_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PREVIOUS = re.compile(r"[0-9a-f]{64}|")
_VERSION = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6}){0,2}|")


@dataclass(frozen=True, slots=True)
class Release:
    """The envelope. `content` is the digest of the `Listing`, `previous` that of the envelope before.

    `policy` is the lowest version of the policy by which it may be judged; `sha256` is of the envelope's own bytes.
    """

    repository: str
    channel: str
    seq: int
    previous: str
    issued: datetime
    expires: datetime
    commit: str
    tree: str
    content: str
    files: int
    size: int
    policy: int
    min_agent: str
    sha256: str

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Raises SignatureError DOC_*."""
        fields = read_document(raw, "release")
        release = cls(
            repository=fields.text("repository", REPOSITORY),
            channel=fields.text("channel", NAME),
            seq=fields.number("seq", least=1),
            previous=fields.text("previous", _PREVIOUS),
            issued=fields.moment("issued"),
            expires=fields.moment("expires"),
            commit=fields.text("commit", _ID),
            tree=fields.text("tree", _ID),
            content=fields.text("content", SHA256),
            files=fields.number("files"),
            size=fields.number("size"),
            policy=fields.number("policy", least=1),
            min_agent=fields.text("min_agent", _VERSION) if fields.has("min_agent") else "",
            sha256=hashlib.sha256(raw).hexdigest(),
        )
        fields.finish()
        return release

    @property
    def name(self) -> str:
        """How people call it."""
        return f"{self.channel}/{self.seq}"


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was accepted last: nothing below it is accepted again. Moments are in seconds since 1970."""

    channel: str
    seq: int
    sha256: str
    content: str
    commit: str
    issued: float = 0.0
    expires: float = 0.0
    voices: tuple[Voice, ...] = ()

    @property
    def name(self) -> str:
        """How people call it."""
        return f"{self.channel}/{self.seq}"


def judge_release(
    raw: bytes,
    signatures: Mapping[str, bytes],
    policy: Policy,
    channel: str,
    accepted: Accepted | None,
    now: datetime,
) -> tuple[Release, Voices]:
    """The envelope and who has signed it, when its quorum says that it follows what was accepted.

    Says nothing yet about its content, nor about paths. Raises SignatureError.
    """
    release = Release.parse(raw)
    if release.repository != policy.repository:
        raise SignatureError("REPO_ID", f"release {release.name} is for the repository {release.repository}")
    if release.channel != channel:
        raise SignatureError("CHANNEL", f"release {release.name} is not for channel `{channel}`")
    if release.policy > policy.version:
        told = f"release {release.name} needs policy {release.policy}, here it is {policy.version}"
        raise SignatureError("POLICY_AHEAD", told)
    check_place(release, accepted)
    policy.check_in_force(now)
    if now > release.expires:
        told = f"release {release.name} counted until {release.expires:%Y-%m-%dT%H:%MZ}; make a new one"
        raise SignatureError("RELEASE_EXPIRED", told)
    voices = voices_of(raw, signatures, NAMESPACE, policy.signers, policy.revoked, now)
    check_quorum(voices, RELEASE, policy.role(RELEASE), f"release {release.name}")
    return release, voices


def check_place(release: Release, accepted: Accepted | None) -> None:
    """Raises SignatureError unless it may follow what was accepted."""
    if accepted is None:
        return
    if release.seq < accepted.seq:
        raise SignatureError("ROLLBACK", f"release {release.name} is below {accepted.seq}, which was accepted")
    if release.seq == accepted.seq and release.sha256 != accepted.sha256:
        raise SignatureError("EQUIVOCATION", f"release {release.name} is another one than the one that was accepted")
    if release.issued.timestamp() < accepted.issued:
        raise SignatureError("BACKDATED", f"release {release.name} was issued before {accepted.name}")
    if release.seq > accepted.seq + MAX_JUMP:
        raise SignatureError("SEQ_JUMP", f"release {release.name} is over {MAX_JUMP} above {accepted.seq}")
    if release.seq == accepted.seq + 1 and release.previous != accepted.sha256:
        raise SignatureError("CHAIN", f"release {release.name} does not follow the one that was accepted")


def check_content(release: Release, listing: Listing, tree: str) -> None:
    """Raises SignatureError unless these files are what was signed."""
    if tree != release.tree:
        raise SignatureError("TREE_MISMATCH", f"release {release.name} names another tree than its commit has")
    if (listing.content, len(listing.files), listing.size) != (release.content, release.files, release.size):
        raise SignatureError("CONTENT_HASH", f"the files of release {release.name} are not those that were signed")


def check_agent(release: Release, version: str) -> None:
    """Raises SignatureError AGENT_TOO_OLD when this program is older than the release asks for."""
    if _numbers(version) < _numbers(release.min_agent):
        told = f"release {release.name} needs version {release.min_agent}, this is {version}; update the reconciler"
        raise SignatureError("AGENT_TOO_OLD", told)


def check_still_spoken(accepted: Accepted, policy: Policy) -> None:
    """Raises SignatureError TRUST_LOST when those who signed what is obeyed are a quorum no longer."""
    left = policy.standing(accepted.voices, NAMESPACE)
    told = f"what is obeyed, release {accepted.name}, by the rules of policy {policy.version},"
    check_quorum(left, RELEASE, policy.role(RELEASE), told, code="TRUST_LOST")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
