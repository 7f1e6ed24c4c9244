"""The rule of mode `commits`: which new commits of a branch a device may follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from signing.allowed_signers import AllowedSigners
from signing.commits import CommitSignature, SignedObject, verify_split
from signing.errors import ChainError, SignatureError
from signing.identity import check_dates, identified
from signing.merges import History, admit_merge, may_be_recomputed

MAX_COMMITS = 10_000
MAX_PARENTS = 2


@dataclass(frozen=True, slots=True)
class Admitted:
    """One commit that passed, and who answers for it."""

    id: str
    principal: str
    fingerprint: str
    subject: str
    committed_at: datetime


def admit_chain(
    commits: Sequence[tuple[str, bytes]],
    signers: AllowedSigners,
    previous: tuple[str, bytes] | None,
    now: datetime,
    history: History | None = None,
) -> tuple[Admitted, ...]:
    """All of `commits` (first parents, oldest first), when each may follow the one before it.

    `previous` is the last trusted commit; without one the history must begin at its root. With `history`, a merge that
    nobody allowed signed is made again, and admitted if that gives the same. Raises ChainError.
    """
    if len(commits) > MAX_COMMITS:
        raise ChainError("RANGE_TOO_LONG", f"{len(commits)} new commits, {MAX_COMMITS} is the most", commits[-1][0])
    admitted: list[Admitted] = []
    parent: SignedObject | None = None
    parent_id: str | None = None
    if previous is not None:
        # Its signature was judged when it was trusted; its key may be gone since.
        parent_id, parent = previous[0], identified(*previous)
    for commit_id, raw in commits:
        commit = identified(commit_id, raw)
        try:
            _check_place(commit, parent_id)
            check_dates(commit, parent, now)
            good = _verified(commit_id, commit, signers, history, now)
        except ChainError:
            raise
        except SignatureError as error:
            raise ChainError(error.code, error.message, commit_id) from error
        parent_id, parent = commit_id, commit
        admitted.append(Admitted(commit_id, good.principal, good.key.fingerprint, commit.subject, commit.committed_at))
    return tuple(admitted)


def follow_chain(
    commits: Sequence[tuple[str, bytes]],
    signers: AllowedSigners,
    previous: tuple[str, bytes] | None,
    now: datetime,
    history: History | None = None,
) -> tuple[tuple[Admitted, ...], ChainError | None]:
    """As many of them as may be followed, and why not the next: what comes before it was said by somebody allowed.

    Raises ChainError when already `previous` is damaged.
    """
    try:
        return admit_chain(commits, signers, previous, now, history), None
    except ChainError as error:
        ids = [commit for commit, _ in commits]
        is_followed = error.commit in ids and len(commits) <= MAX_COMMITS
        before = commits[: ids.index(error.commit)] if is_followed else ()
        return admit_chain(before, signers, previous, now, history), error


def _verified(
    commit_id: str, commit: SignedObject, signers: AllowedSigners, history: History | None, now: datetime
) -> CommitSignature:
    try:
        return verify_split(commit, signers)
    except SignatureError as error:
        if history is None or not may_be_recomputed(commit, error):
            raise
    try:
        return admit_merge(commit, commit_id, signers, history, now)
    except ChainError as error:
        # Whatever it brings in is to blame, the merge is what must not be followed.
        raise ChainError(error.code, error.message.removeprefix(f"commit {commit_id[:12]}: "), commit_id) from error


def _check_place(commit: SignedObject, parent_id: str | None) -> None:
    first = commit.parents[0] if commit.parents else None
    if first != parent_id:
        raise SignatureError(
            "FORK_OR_REWIND",
            f"its first parent is {_short(first)}, expected {_short(parent_id)}; the branch was rewritten or forked",
        )
    if len(commit.parents) > MAX_PARENTS:
        raise SignatureError("MERGE_SHAPE", f"it merges {len(commit.parents)} parents; merge one branch at a time")


def _short(commit_id: str | None) -> str:
    return "none (a root commit)" if commit_id is None else commit_id[:12]
