"""The rule of mode `commits`: which new commits of a branch a device may follow."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from signing.allowed_signers import AllowedSigners
from signing.commits import SignedObject, split_commit, verify_split
from signing.errors import SignatureError

MAX_COMMITS = 10_000
MAX_PARENTS = 2
# Real histories never step back; an hour forgives a wrong clock. Without it an expired key could sign into its past.
SLACK = timedelta(hours=1)
_HASHES = {40: "sha1", 64: "sha256"}


class ChainError(SignatureError):
    """Refused, and `commit` is the id of the commit that is to blame."""

    def __init__(self, code: str, message: str, commit: str) -> None:
        super().__init__(code, f"commit {commit[:12]}: {message}")
        self.commit = commit


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
) -> tuple[Admitted, ...]:
    """All of `commits` (first parents, oldest first), when each may follow the one before it.

    `previous` is the last trusted commit; without one the history must begin at its root. Raises ChainError.
    """
    if len(commits) > MAX_COMMITS:
        raise ChainError("RANGE_TOO_LONG", f"{len(commits)} new commits, {MAX_COMMITS} is the most", commits[-1][0])
    admitted: list[Admitted] = []
    parent: SignedObject | None = None
    parent_id: str | None = None
    if previous is not None:
        # Its signature was judged when it was trusted; its key may be gone since.
        parent_id, parent = previous[0], _identified(*previous)
    for commit_id, raw in commits:
        commit = _identified(commit_id, raw)
        try:
            _check_place(commit, parent_id)
            good = verify_split(commit, signers)
            _check_time(commit, parent, now)
        except SignatureError as error:
            raise ChainError(error.code, error.message, commit_id) from error
        parent_id, parent = commit_id, commit
        admitted.append(Admitted(commit_id, good.principal, good.key.fingerprint, commit.subject, commit.committed_at))
    return tuple(admitted)


def _identified(commit_id: str, raw: bytes) -> SignedObject:
    """Takes apart the commit that these bytes are by their id."""
    try:
        hash_name = _HASHES.get(len(commit_id))
        # SHA-1 only names the commit, as Git does; that someone allowed wrote it, the signature says.
        if hash_name is None or hashlib.new(hash_name, b"commit %d\0" % len(raw) + raw).hexdigest() != commit_id:
            raise SignatureError("OBJ_ID", "the bytes do not have this id; the object store is damaged or lies")
        commit = split_commit(raw)
        if len(commit.tree) != len(commit_id):
            raise SignatureError("OBJ_ID", f"a {hash_name} id for a commit of a repository with another hash")
    except SignatureError as error:
        raise ChainError(error.code, error.message, commit_id) from error
    return commit


def _check_place(commit: SignedObject, parent_id: str | None) -> None:
    first = commit.parents[0] if commit.parents else None
    if first != parent_id:
        raise SignatureError(
            "FORK_OR_REWIND",
            f"its first parent is {_short(first)}, expected {_short(parent_id)}; the branch was rewritten or forked",
        )
    if len(commit.parents) > MAX_PARENTS:
        raise SignatureError("MERGE_SHAPE", f"it merges {len(commit.parents)} parents; merge one branch at a time")


def _check_time(commit: SignedObject, parent: SignedObject | None, now: datetime) -> None:
    if parent is not None and commit.committed_at < parent.committed_at - SLACK:
        raise SignatureError(
            "BACKDATED", f"committed at {commit.committed_at}, long before its parent at {parent.committed_at}"
        )
    if commit.committed_at > now + SLACK:
        raise SignatureError(
            "FUTURE", f"committed at {commit.committed_at}, here it is {now}; check this device's clock"
        )


def _short(commit_id: str | None) -> str:
    return "none (a root commit)" if commit_id is None else commit_id[:12]
