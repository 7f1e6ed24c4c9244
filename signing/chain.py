"""The rule of mode `commits`: which new commits of a branch a device may follow."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from signing.commits import SignedObject
from signing.errors import ChainError, SignatureError
from signing.identity import check_dates, identified
from signing.merges import MAX_PARENTS, Answer, History, admit_merge, may_be_recomputed
from signing.rules import NOT_BY_US, Rules, signature_of

MAX_COMMITS = 10_000
# So many commits that change nothing are taken with the one before them.
MAX_EMPTY = 100


@dataclass(frozen=True, slots=True)
class Admitted:
    """One commit that passed, and who answers for it: whoever signed it, or those who approved it where nobody did."""

    id: str
    principal: str
    fingerprint: str
    subject: str
    committed_at: datetime
    approvers: tuple[str, ...] = ()
    is_recomputed: bool = False
    # The newest date of the chain up to here: what follows must not be dated long before it.
    newest: datetime | None = None

    @property
    def told(self) -> str:
        """How it came to be admitted, for people."""
        if not self.fingerprint:
            return f"approved by {', '.join(self.approvers)}"
        how = f"a merge made again, for {self.principal}" if self.is_recomputed else f"signed by {self.principal}"
        return f"{how}, approved by {', '.join(self.approvers)}" if self.approvers else how


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a chain has come to: the commit before the next one, and what holds there.

    `since` is the newest date of the chain: an hour back from each commit to the next would add up to days.
    """

    id: str | None
    since: datetime | None
    rules: Rules
    now: datetime

    def after(self, commit_id: str, commit: SignedObject, rules: Rules) -> "_Place":
        newest = commit.committed_at if self.since is None else max(self.since, commit.committed_at)
        return _Place(commit_id, newest, rules, self.now)


Named = tuple[str, SignedObject]


def admit_chain(
    commits: Sequence[tuple[str, bytes]],
    rules: Rules,
    previous: tuple[str, bytes] | None,
    now: datetime,
    history: History | None = None,
    newest: datetime | None = None,
) -> tuple[Admitted, ...]:
    """All of `commits` (first parents, oldest first), when each may follow the one before it.

    `previous` is the last trusted commit, at which `rules` hold; without one the history must begin at its root.
    `newest` is the newest date of the chain up to there, if it is known. With
    `history`, a merge that nobody allowed signed is made again, and admitted if that gives the same. Commits that
    change nothing belong to the approved one before them. Raises ChainError.
    """
    admitted, refusal = follow_chain(commits, rules, previous, now, history, newest)
    if refusal is not None:
        raise refusal
    return admitted


def follow_chain(
    commits: Sequence[tuple[str, bytes]],
    rules: Rules,
    previous: tuple[str, bytes] | None,
    now: datetime,
    history: History | None = None,
    newest: datetime | None = None,
) -> tuple[tuple[Admitted, ...], ChainError | None]:
    """As many of them as may be followed, and why not the next: what comes before it was said by somebody allowed.

    Raises ChainError when already `previous` is damaged.
    """
    if len(commits) > MAX_COMMITS:
        told = f"{len(commits)} new commits, {MAX_COMMITS} is the most"
        return (), ChainError("RANGE_TOO_LONG", told, commits[-1][0])
    # The signature of `previous` was judged when it was trusted; its key may be gone since.
    place = _Place(None, None, rules, now)
    if previous is not None:
        dated = identified(*previous).committed_at
        place = _Place(previous[0], max(dated, newest) if newest else dated, rules, now)
    admitted: list[Admitted] = []
    ahead = list(commits)
    while ahead:
        try:
            one, place, count = _step(ahead, place, history)
        except ChainError as error:
            return tuple(admitted), error
        admitted.append(one)
        del ahead[:count]
    return tuple(admitted), None


def _step(ahead: Sequence[tuple[str, bytes]], place: _Place, history: History | None) -> tuple[Admitted, _Place, int]:
    """The next commit that may be obeyed, where that leads to, and how many commits it took."""
    commit_id, raw = ahead[0]
    commit = identified(commit_id, raw)
    try:
        _check_place(commit, place)
        try:
            answer = _answer(commit_id, commit, place, history)
            reached, count = (commit_id, commit), 1
        except SignatureError as error:
            reached, answer, count = _instead(ahead, place, error)
        rules = place.rules.following(*reached)
    except ChainError:
        raise
    except SignatureError as error:
        raise ChainError(error.code, error.message, commit_id) from error
    after = place.after(*reached, rules)
    return replace(_admitted(reached, answer), newest=after.since), after, count


def _admitted(reached: Named, answer: Answer) -> Admitted:
    commit_id, commit = reached
    approvers = tuple(sorted(answer.approvers))
    return Admitted(
        commit_id, answer.told, answer.fingerprint, commit.subject, commit.committed_at, approvers, answer.is_recomputed
    )


def _answer(commit_id: str, commit: SignedObject, place: _Place, history: History | None) -> Answer:
    """Who answers for this one commit: whoever signed it, those who approved it, or whoever signed what it merges."""
    answer: Answer | None = None
    try:
        good = signature_of(commit, place.rules)
        answer = Answer(frozenset(), good.principal, good.key.fingerprint)
        return _checked(answer, commit_id, place)
    except SignatureError as error:
        refusal = error
    # Only now: what lies on a branch that anybody may push to must not hold up what a signature carries.
    approvers = _approvers(commit, place)
    try:
        if answer is not None and approvers:
            return _checked(replace(answer, approvers=approvers), commit_id, place)
    except SignatureError as error:
        refusal = error
    if history is None or place.since is None or not may_be_recomputed(commit, refusal, place.rules, is_of_branch=True):
        raise refusal
    try:
        return admit_merge(commit, commit_id, place.rules, history, (place.since, place.now), approvers)
    except ChainError as error:
        # Whatever it brings in is to blame, the merge is what must not be followed.
        raise ChainError(error.code, error.message.removeprefix(f"commit {commit_id[:12]}: "), commit_id) from error


def _checked(answer: Answer, commit_id: str, place: _Place) -> Answer:
    """The answer, if these people may change what it changes."""
    if place.id is not None:
        place.rules.check(place.id, commit_id, answer.people)
    return answer


def _approvers(commit: SignedObject, place: _Place) -> frozenset[str]:
    return place.rules.approvers(commit, place.since) if place.since is not None else frozenset()


def _instead(ahead: Sequence[tuple[str, bytes]], place: _Place, refusal: SignatureError) -> tuple[Named, Answer, int]:
    """What was approved, where the signature under the next commit is not enough; else that refusal is raised."""
    try:
        found = _approved(ahead, place)
    except SignatureError as error:
        # Of two that did not suffice, the one with more people tells more.
        raise (error if refusal.code in NOT_BY_US else refusal) from error
    if found is None:
        raise refusal
    return found


def _approved(ahead: Sequence[tuple[str, bytes]], place: _Place) -> tuple[Named, Answer, int] | None:
    """The next commit, if its files were approved, whoever signed it; and those behind it that change no file.

    Not one further behind: what lies between would be on the branch, and nobody would have judged it.
    """
    found: tuple[Named, Answer, int] | None = None
    for count, (commit_id, commit) in enumerate(_sound(ahead[:MAX_EMPTY], place), start=1):
        people = _approvers(commit, place) if found is None else found[1].approvers
        if not people or (found is not None and (commit.tree != found[0][1].tree or len(commit.parents) > 1)):
            break
        found = (commit_id, commit), Answer(people), count
    if found is not None and place.id is not None:
        place.rules.check(place.id, found[0][0], found[1].people)
    return found


def _sound(ahead: Sequence[tuple[str, bytes]], place: _Place) -> Iterator[Named]:
    """The commits up to the first that cannot stand there, whoever vouches for it."""
    for commit_id, raw in ahead:
        try:
            commit = identified(commit_id, raw)
            _check_place(commit, place)
        except SignatureError:
            return
        place = place.after(commit_id, commit, place.rules)
        yield commit_id, commit


def _check_place(commit: SignedObject, place: _Place) -> None:
    first = commit.parents[0] if commit.parents else None
    if first != place.id:
        raise SignatureError(
            "FORK_OR_REWIND",
            f"its first parent is {_short(first)}, expected {_short(place.id)}; the branch was rewritten or forked",
        )
    if len(commit.parents) > MAX_PARENTS:
        raise SignatureError("MERGE_SHAPE", f"it merges {len(commit.parents)} parents; merge one branch at a time")
    check_dates(commit, place.since, place.now)


def _short(commit_id: str | None) -> str:
    return "none (a root commit)" if commit_id is None else commit_id[:12]
