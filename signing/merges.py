"""A merge that a forge made by a button: not believed, but made again, out of commits that people signed."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from signing.commits import SignedObject
from signing.errors import ChainError, SignatureError
from signing.identity import check_dates, identified
from signing.rules import NOT_BY_US, Rules, signature_of

# More than one pull request has; each costs a signature and some a merge.
MAX_BROUGHT_IN = 1_000
# A branch that is brought up to date by a button each day of a month; each is a merge to make.
MAX_REMADE = 50
MAX_PARENTS = 2
# Somebody signed it who may not change all of it: that says no more than no signature.
_NOT_ENOUGH = ("PATH_QUORUM", "POLICY_ALONE")


class History(Protocol):
    """The object store. Raises SignatureError for what cannot be read.

    What it says is believed only as far as ids prove it; merges and differences are git's own work.
    """

    def commit(self, commit: str) -> bytes:
        """One raw commit object."""

    def brought_in(self, first: str, second: str, limit: int) -> Sequence[tuple[str, bytes]]:
        """The commits of `second` that `first` has not, each behind its parents; at most `limit` + 1 of them."""

    def own(self, commit: str) -> Container[str]:
        """The commits of a branch itself: from this one, by first parents."""

    def files(self, commit: str) -> Container[str]:
        """The paths of the plain files of a commit; neither folders nor links."""

    def bases(self, first: str, second: str) -> Sequence[str]:
        """The best common ancestors of two commits (git-merge-base(1), --all)."""

    def merged_tree(self, first: str, second: str) -> str:
        """The id of the tree that `git merge-tree` makes of both; empty when they conflict."""

    def changed(self, before: str, after: str) -> Sequence[str]:
        """The paths of all files that differ between two commits."""


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
    """What a merge brings in, by id, what it builds on, and by what all of it is judged.

    `since` is the newest date of the branch onto which it is merged.
    """

    commits: Mapping[str, SignedObject]
    history: History
    rules: Rules
    approvers: frozenset[str]
    since: datetime
    now: datetime
    # The commits of the branch onto which it is merged: each was judged when it came.
    own: Container[str]

    def parent(self, commit: str) -> SignedObject:
        found = self.commits.get(commit)
        return found if found is not None else identified(commit, self.history.commit(commit))


def may_be_recomputed(commit: SignedObject, refusal: SignatureError, rules: Rules, *, is_of_branch: bool) -> bool:
    """Is it a merge, and nothing wrong with it but that nobody signed it who may change all that it brings?

    Of the branch itself, the forge must have signed it, where its keys are known.
    """
    codes = (*NOT_BY_US, *_NOT_ENOUGH) if rules.forge is None else ("FORGE_REWRITE",)
    return len(commit.parents) == 2 and refusal.code in (codes if is_of_branch else (*codes, *_NOT_ENOUGH))


def admit_merge(
    merge: SignedObject,
    merge_id: str,
    rules: Rules,
    history: History,
    times: tuple[datetime, datetime],
    approvers: frozenset[str],
) -> Answer:
    """Who answers for a merge: whoever signed the newest commit that it brings in.

    Each of these must be signed by somebody who may change what it changes, by a key that counted then and still at the
    date of the commit onto which it is merged; a merge among them may be recomputed as well. The merge's tree must be
    what git makes of its parents, and somebody who may must have changed each path that it changes. `times` are the
    newest date of the branch, and now. Raises ChainError.
    """
    first, _ = merge.parents
    side = _Side(_brought_in(merge, merge_id, history), history, rules, approvers, *times, history.own(first))
    # Before any merge is made: what nobody signed makes no work.
    judged = {commit_id: _signed(commit_id, commit, side) for commit_id, commit in side.commits.items()}
    answers = {commit_id: answer for commit_id, answer in judged.items() if answer is not None}
    if not answers:
        raise ChainError("UNSIGNED", "no commit that the merge brings in is signed", merge_id)
    remade = [commit_id for commit_id, answer in judged.items() if answer is None]
    if len(remade) > MAX_REMADE:
        told = f"the merge brings in {len(remade)} merges that nobody allowed signed, {MAX_REMADE} is the most"
        raise ChainError("RANGE_TOO_LONG", told, merge_id)
    for commit_id in remade:
        _check_tree(side.commits[commit_id], commit_id, history)
    _check_tree(merge, merge_id, history)
    # Whatever way the files took through the merges: in each path, only those have a word who changed it.
    people: dict[str, frozenset[str]] = {}
    for commit_id, answer in answers.items():
        for path in _changes(commit_id, side.commits[commit_id], history):
            people[path] = people.get(path, approvers) | answer.people
    rules.check_each({path: people.get(path, approvers) for path in history.changed(first, merge_id)})
    return replace(list(answers.values())[-1], is_recomputed=True)


def _brought_in(merge: SignedObject, merge_id: str, history: History) -> Mapping[str, SignedObject]:
    """The commits that a merge brings in, each behind its parents. Raises ChainError."""
    first, second = merge.parents
    raw = history.brought_in(first, second, MAX_BROUGHT_IN)
    if len(raw) > MAX_BROUGHT_IN:
        raise ChainError("RANGE_TOO_LONG", f"the merge brings in over {MAX_BROUGHT_IN} commits", merge_id)
    commits = {commit: identified(commit, content) for commit, content in raw}
    if second not in commits:
        raise ChainError("MERGE_NOT_REPRODUCIBLE", "the merge brings in nothing that somebody signed", merge_id)
    return commits


def _signed(commit_id: str, commit: SignedObject, side: _Side) -> Answer | None:
    """Who answers for a commit that a merge brings in; nobody for a merge that is to be made again instead."""
    try:
        if not 1 <= len(commit.parents) <= MAX_PARENTS:
            told = f"a commit of {len(commit.parents)} parents; merge one branch of this history at a time"
            raise SignatureError("MERGE_SHAPE", told)
        _check_ground(commit, side)
        # Before its dates: whoever may not speak makes no work.
        good = signature_of(commit, side.rules, side.since)
        for parent in commit.parents:
            check_dates(commit, side.parent(parent).committed_at, side.now)
        answer = Answer(side.approvers, good.principal, good.key.fingerprint)
        # Of a merge, against each parent: against the first alone, it could undo what the other one brought.
        for parent in commit.parents:
            side.rules.check(parent, commit_id, answer.people)
        return answer
    except ChainError:
        raise
    except SignatureError as error:
        if not may_be_recomputed(commit, error, side.rules, is_of_branch=False):
            raise ChainError(error.code, f"{error.message} (a merge brings it in)", commit_id) from error
    return None


def _check_ground(commit: SignedObject, side: _Side) -> None:
    """Raises SignatureError unless it builds on commits that were judged.

    Behind the second parent of a merge that somebody signed, or of a squash, may lie anything. With such a commit for
    an ancestor, git's merges take parts of what people signed, and leave others, or put them elsewhere.
    """
    for parent in commit.parents:
        if parent not in side.commits and parent not in side.own:
            told = f"it builds on {parent[:12]}, which was never on the branch itself; rebase it, or merge by hand"
            raise SignatureError("MERGE_NOT_REPRODUCIBLE", told)


def _changes(commit_id: str, commit: SignedObject, history: History) -> set[str]:
    return {path for parent in commit.parents for path in history.changed(parent, commit_id)}


def _check_tree(merge: SignedObject, merge_id: str, history: History) -> None:
    """Raises ChainError unless git makes the same of the parents, which have one best common ancestor."""
    bases = history.bases(*merge.parents)
    told = ""
    if len(bases) != 1:
        told = "its parents have not one common ancestor"
    elif history.merged_tree(*merge.parents) != merge.tree:
        told = "it is not what git makes of its parents"
    elif not _is_by_path(bases[0], merge, merge_id, history):
        told = "git takes a change of one file into another one in it"
    if told:
        told = f"nobody allowed signed it, and {told}; merge and sign it by hand"
        raise ChainError("MERGE_NOT_REPRODUCIBLE", told, merge_id)


def _is_by_path(base: str, merge: SignedObject, merge_id: str, history: History) -> bool:
    """Is each file that of the side that changed it, or merged of both where both did?

    Not so where git found a file renamed: it follows the file, and a right to one path would be one to others.
    """
    first, second = merge.parents
    of_first, of_second = frozenset(history.changed(base, first)), frozenset(history.changed(base, second))
    from_first, from_second = frozenset(history.changed(first, merge_id)), frozenset(history.changed(second, merge_id))
    if not (from_first <= of_second and from_second <= of_first and from_first & from_second <= of_first & of_second):
        return False
    # One that a side added or removed comes out as a third only where git followed renames.
    merged = (from_first | from_second) & of_first & of_second
    everywhere = [history.files(commit) for commit in (base, first, second, merge_id)] if merged else []
    return all(path in files for files in everywhere for path in merged)
