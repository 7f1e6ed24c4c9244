"""A note that says: this is still the newest release. Without one, a server that shows old things goes unnoticed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from signing.documents.fields import NAME, REPOSITORY, SHA256, read_document
from signing.documents.policy import FRESHNESS, Policy
from signing.documents.quorum import check_quorum, voices_of
from signing.errors import SignatureError

NAMESPACE = "freshness.v1@fleet"


@dataclass(frozen=True, slots=True)
class FreshnessNote:
    """Between `issued` and `expires`, the release `seq` with the digest `release` is the newest of its channel."""

    repository: str
    channel: str
    seq: int
    release: str
    issued: datetime
    expires: datetime

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Raises SignatureError DOC_*."""
        fields = read_document(raw, "freshness")
        note = cls(
            fields.text("repository", REPOSITORY),
            fields.text("channel", NAME),
            fields.number("seq", least=1),
            fields.text("release", SHA256),
            fields.moment("issued"),
            fields.moment("expires"),
        )
        fields.finish()
        return note


def judge_freshness(raw: bytes, signatures: Mapping[str, bytes], policy: Policy, channel: str) -> FreshnessNote:
    """The note, when it is for this channel, signed by the role `freshness`, and no longer than the policy lets it be.

    Its key is judged as of the moment that it was issued: whether that has passed is for the reader's clock. Raises
    SignatureError.
    """
    note = FreshnessNote.parse(raw)
    if note.repository != policy.repository:
        raise SignatureError("REPO_ID", f"the freshness note is for the repository {note.repository}")
    if note.channel != channel:
        raise SignatureError("CHANNEL", f"the freshness note is for channel `{note.channel}`")
    if policy.freshness is None:
        raise SignatureError("FRESHNESS_WINDOW", "the policy has no `freshness`, so nobody may speak of it")
    longest = timedelta(seconds=policy.freshness.max_age)
    # A thief of this key, which may lie on a server, cannot speak of the time after the policy.
    if not (note.issued < note.expires and note.expires - note.issued <= longest and note.issued <= policy.expires):
        told = f"the freshness note holds from {note.issued} to {note.expires}; {longest} is the most"
        raise SignatureError("FRESHNESS_WINDOW", told)
    voices = voices_of(raw, signatures, NAMESPACE, policy.signers, policy.revoked, note.issued)
    check_quorum(voices, FRESHNESS, policy.role(FRESHNESS), "the freshness note")
    return note
