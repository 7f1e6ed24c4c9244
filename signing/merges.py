"""A merge that a forge made by a button: not believed, but made again, out of commits that people signed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from signing.allowed_signers import AllowedSigners
from signing.commits import CommitSignature, SignedObject, verify_split
from signing.errors import ChainError, SignatureError
from signing.identity import check_dates, identified

# More than one pull request has; each costs a signature and some a merge.
MAX_BROUGHT_IN = 1_000
# A merge that somebody allowed did not sign; nothing else about its signature may be wrong.
_NOT_BY_US = ("UNSIGNED", "SIG_FORMAT", "SIGNER_UNKNOWN")


class History(Protocol):
    """The object store. What it says is believed only as far as ids prove it; `merged_tree` is git's own work."""

    def commit(self, commit: str) -> bytes:
        """One raw commit object."""

    def brought_in(self, first: str, second: str, limit: int) -> Sequence[tuple[str, bytes]]:
        """The commits of `second` that `first` has not, each behind its parents; at most `limit` + 1 of them."""

    def merged_tree(self, first: str, second: str) -> str:
        """The id of the tree that `git merge-tree` makes of both; empty when they conflict."""


@dataclass(frozen=True, slots=True)
class _Side:
    """What a merge brings in, by id, and what it builds on."""

    commits: Mapping[str, SignedObject]
    history: History

    def parent(self, commit: str) -> SignedObject:
        found = self.commits.get(commit)
        return found if found is not None else identified(commit, self.history.commit(commit))


def may_be_recomputed(commit: SignedObject, refusal: SignatureError) -> bool:
    """Is it a merge, and nothing wrong with it but that nobody allowed signed it?"""
    return len(commit.parents) == 2 and refusal.code in _NOT_BY_US


def admit_merge(
    merge: SignedObject, merge_id: str, signers: AllowedSigners, history: History, now: datetime
) -> CommitSignature:
    """Who answers for a merge: whoever signed the newest commit that it brings in.

    Each of these must be signed by somebody allowed, at a time at which the key counted; a merge among them may be
    recomputed as well. The merge's tree must be what git makes of its parents. Raises ChainError.
    """
    first, second = merge.parents
    raw = history.brought_in(first, second, MAX_BROUGHT_IN)
    if len(raw) > MAX_BROUGHT_IN:
        raise ChainError("RANGE_TOO_LONG", f"the merge brings in over {MAX_BROUGHT_IN} commits", merge_id)
    side = _Side({commit: identified(commit, content) for commit, content in raw}, history)
    if second not in side.commits:
        raise ChainError("MERGE_NOT_REPRODUCIBLE", "the merge brings in nothing that somebody signed", merge_id)
    answers: CommitSignature | None = None
    for commit_id, commit in side.commits.items():
        answers = _judged(commit_id, commit, side, signers, now) or answers
    if answers is None:
        raise ChainError("UNSIGNED", "no commit that the merge brings in is signed", merge_id)
    _check_tree(merge, merge_id, history)
    return answers


def _judged(
    commit_id: str, commit: SignedObject, side: _Side, signers: AllowedSigners, now: datetime
) -> CommitSignature | None:
    """Its signature; None for a merge that was made again instead."""
    try:
        if not commit.parents:
            raise SignatureError("MERGE_SHAPE", "a root commit, which no branch of this history begins with")
        for parent in commit.parents:
            check_dates(commit, side.parent(parent), now)
        return verify_split(commit, signers)
    except ChainError:
        raise
    except SignatureError as error:
        if not may_be_recomputed(commit, error):
            raise ChainError(error.code, f"{error.message} (a merge brings it in)", commit_id) from error
    _check_tree(commit, commit_id, side.history)
    return None


def _check_tree(merge: SignedObject, merge_id: str, history: History) -> None:
    if history.merged_tree(*merge.parents) != merge.tree:
        told = "nobody allowed signed it, and it is not what git makes of its parents; merge and sign it by hand"
        raise ChainError("MERGE_NOT_REPRODUCIBLE", told, merge_id)
