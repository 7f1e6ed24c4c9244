"""A merge that a forge made by a button: not believed, but made again, out of commits that people signed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from signing.commits import SignedObject
from signing.errors import ChainError, SignatureError
from signing.identity import check_dates, identified
from signing.rules import NOT_BY_US, Rules, signature_of

# More than one pull request has; each costs a signature and some a merge.
MAX_BROUGHT_IN = 1_000
# Somebody signed it who may not change all of it: that says no more than no signature.
_NOT_ENOUGH = ("PATH_QUORUM", "POLICY_ALONE")


class History(Protocol):
    """The object store. What it says is believed only as far as ids prove it; `merged_tree` is git's own work."""

    def commit(self, commit: str) -> bytes:
        """One raw commit object."""

    def brought_in(self, first: str, second: str, limit: int) -> Sequence[tuple[str, bytes]]:
        """The commits of `second` that `first` has not, each behind its parents; at most `limit` + 1 of them."""

    def merged_tree(self, first: str, second: str) -> str:
        """The id of the tree that `git merge-tree` makes of both; empty when they conflict."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Who answers for a step: those who approved it, and whoever signed it or the newest commit that it merges."""

    approvers: frozenset[str]
    signer: str = ""
    fingerprint: str = ""
    # A merge that was made again: nobody of ours signed the merge itself.
    is_recomputed: bool = False

    @property
    def people(self) -> frozenset[str]:
        return self.approvers | {self.signer} if self.signer else self.approvers

    @property
    def told(self) -> str:
        return self.signer or ", ".join(sorted(self.approvers))


@dataclass(frozen=True, slots=True)
class _Side:
    """What a merge brings in, by id, what it builds on, and the rules by which all of it is judged."""

    commits: Mapping[str, SignedObject]
    history: History
    rules: Rules
    approvers: frozenset[str]
    now: datetime

    def parent(self, commit: str) -> SignedObject:
        found = self.commits.get(commit)
        return found if found is not None else identified(commit, self.history.commit(commit))


def may_be_recomputed(commit: SignedObject, refusal: SignatureError, rules: Rules) -> bool:
    """Is it a merge, and nothing wrong with it but that nobody signed it who may change all that it brings?"""
    by_nobody = NOT_BY_US if rules.forge is None else ("FORGE_REWRITE",)
    return len(commit.parents) == 2 and refusal.code in (*_NOT_ENOUGH, *by_nobody)


def admit_merge(
    merge: SignedObject, merge_id: str, rules: Rules, history: History, now: datetime, approvers: frozenset[str]
) -> Answer:
    """Who answers for a merge: whoever signed the newest commit that it brings in.

    Each of these must be signed by somebody who may change what it changes, at a time at which the key counted; a merge
    among them may be recomputed as well. The merge's tree must be what git makes of its parents. Raises ChainError.
    """
    first, second = merge.parents
    raw = history.brought_in(first, second, MAX_BROUGHT_IN)
    if len(raw) > MAX_BROUGHT_IN:
        raise ChainError("RANGE_TOO_LONG", f"the merge brings in over {MAX_BROUGHT_IN} commits", merge_id)
    commits = {commit: identified(commit, content) for commit, content in raw}
    if second not in commits:
        raise ChainError("MERGE_NOT_REPRODUCIBLE", "the merge brings in nothing that somebody signed", merge_id)
    side = _Side(commits, history, rules, approvers, now)
    judged = [_judged(commit_id, commit, side) for commit_id, commit in commits.items()]
    answers = [answer for answer in judged if answer is not None]
    if not answers:
        raise ChainError("UNSIGNED", "no commit that the merge brings in is signed", merge_id)
    _check_tree(merge, merge_id, history)
    # Whatever way the files took through the merges: nothing changes of which none of those speaks who must.
    everybody = approvers.union(*(answer.people for answer in answers))
    _check(rules, first, merge_id, everybody)
    return replace(answers[-1], is_recomputed=True)


def _judged(commit_id: str, commit: SignedObject, side: _Side) -> Answer | None:
    """Who answers for it; None for a merge that was made again instead."""
    try:
        if not commit.parents:
            raise SignatureError("MERGE_SHAPE", "a root commit, which no branch of this history begins with")
        for parent in commit.parents:
            check_dates(commit, side.parent(parent), side.now)
        good = signature_of(commit, side.rules)
        answer = Answer(side.approvers, good.principal, good.key.fingerprint)
        # Of a merge, against each parent: against the first alone, it could undo what the other one brought.
        for parent in commit.parents:
            side.rules.check(parent, commit_id, answer.people)
        return answer
    except ChainError:
        raise
    except SignatureError as error:
        if not may_be_recomputed(commit, error, side.rules):
            raise ChainError(error.code, f"{error.message} (a merge brings it in)", commit_id) from error
    _check_tree(commit, commit_id, side.history)
    return None


def _check(rules: Rules, before: str, merge_id: str, people: frozenset[str]) -> None:
    try:
        rules.check(before, merge_id, people)
    except SignatureError as error:
        if error.code != "POLICY_ALONE":  # each commit that it brings in was asked that
            raise ChainError(error.code, error.message, merge_id) from error


def _check_tree(merge: SignedObject, merge_id: str, history: History) -> None:
    if history.merged_tree(*merge.parents) != merge.tree:
        told = "nobody allowed signed it, and it is not what git makes of its parents; merge and sign it by hand"
        raise ChainError("MERGE_NOT_REPRODUCIBLE", told, merge_id)
