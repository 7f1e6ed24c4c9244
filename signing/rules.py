"""By whose word one commit may follow another: what mode `commits` asks of whoever holds the keys and the roles."""

from dataclasses import dataclass
from typing import Protocol, Self

from signing.allowed_signers import AllowedSigners
from signing.commits import CommitSignature, SignedObject, verify_split


class Rules(Protocol):
    """What holds at one commit, for those that follow it. Everything raises SignatureError, and nothing else."""

    def verified(self, commit: SignedObject) -> CommitSignature:
        """Who signed it."""

    def approvers(self, commit: SignedObject) -> frozenset[str]:
        """Who has said, beside the commits, that these files may follow; with no word of the forge's in it."""

    def check(self, before: str, after: str, people: frozenset[str]) -> None:
        """Raises unless these people may make the files of the commit `after` out of those of `before`."""

    def following(self, commit_id: str) -> Self:
        """What holds at a commit that follows; raises when it left nothing by which others could be judged."""


@dataclass(frozen=True, slots=True)
class OneIsEnough:
    """Everybody who holds one of these keys may change everything, alone."""

    signers: AllowedSigners

    def verified(self, commit: SignedObject) -> CommitSignature:
        return verify_split(commit, self.signers)

    def approvers(self, commit: SignedObject) -> frozenset[str]:
        return frozenset()

    def check(self, before: str, after: str, people: frozenset[str]) -> None:
        """Whoever signed was looked for in the keys already."""

    def following(self, commit_id: str) -> Self:
        return self
