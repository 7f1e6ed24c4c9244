"""By whose word one commit may follow another: what mode `commits` asks of whoever holds the keys and the roles."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self

from signing.allowed_signers import AllowedSigners
from signing.commits import CommitSignature, SignedObject, verify_split
from signing.errors import SignatureError, shown
from signing.openpgp import ForgeKeys

# Nobody allowed signed it; nothing else about its signature may be wrong.
NOT_BY_US = ("UNSIGNED", "SIG_FORMAT", "SIGNER_UNKNOWN", "FORGE_REWRITE")


class Rules(Protocol):
    """What holds at one commit, for those that follow it. Everything raises SignatureError, and nothing else."""

    @property
    def forge(self) -> ForgeKeys | None:
        """The keys with which the forge signs its merges; with them, no other merge is made again."""

    def verified(self, commit: SignedObject, since: datetime | None = None) -> CommitSignature:
        """Who signed it, by a key that counts at its date, and at `since`."""

    def approvers(self, commit: SignedObject, since: datetime) -> frozenset[str]:
        """Who has said, beside the commits, that these files may follow, by keys that count as above. Never raises."""

    def check(self, before: str, after: str, people: frozenset[str]) -> None:
        """Raises unless these people may make the files of the commit `after` out of those of `before`."""

    def check_each(self, changed: Mapping[str, frozenset[str]]) -> None:
        """The same of a merge, with the people who have a word in each path that it changes."""

    def following(self, commit_id: str, commit: SignedObject) -> Self:
        """What holds at a commit that follows; raises when it left nothing by which others could be judged."""


@dataclass(frozen=True, slots=True)
class OneIsEnough:
    """Everybody who holds one of these keys may change everything, alone."""

    signers: AllowedSigners
    forge: ForgeKeys | None = None

    def verified(self, commit: SignedObject, since: datetime | None = None) -> CommitSignature:
        return verify_split(commit, self.signers, since)

    def approvers(self, commit: SignedObject, since: datetime) -> frozenset[str]:
        return frozenset()

    def check(self, before: str, after: str, people: frozenset[str]) -> None:
        """Whoever signed was looked for in the keys already."""

    def check_each(self, changed: Mapping[str, frozenset[str]]) -> None:
        for path, people in changed.items():
            if not people:
                told = f"nobody who signed something in the merge has changed {shown(path)}, which it changes"
                raise SignatureError("MERGE_NOT_REPRODUCIBLE", told)

    def following(self, commit_id: str, commit: SignedObject) -> Self:
        return self


def signature_of(commit: SignedObject, rules: Rules, since: datetime | None = None) -> CommitSignature:
    """Who signed it, by these rules. Raises SignatureError; FORGE_REWRITE, when it was the forge."""
    try:
        return rules.verified(commit, since)
    except SignatureError as error:
        if rules.forge is None or commit.signature is None or error.code not in NOT_BY_US:
            raise
        _check_forge(commit.signature, commit.payload, rules.forge, error)
    told = "the forge made it, for whoever may use it; merge what people signed, or have them approve it"
    raise SignatureError("FORGE_REWRITE", told)


def _check_forge(signature: bytes, payload: bytes, forge: ForgeKeys, refusal: SignatureError) -> None:
    """Raises unless the forge signed."""
    try:
        forge.signed(signature, payload)
    except SignatureError as error:
        raise (error if refusal.code == "SIG_FORMAT" else refusal) from error
