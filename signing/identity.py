"""A commit is what its id says, and its dates follow each other."""

import hashlib
from datetime import datetime, timedelta

from signing.commits import SignedObject, split_commit
from signing.errors import ChainError, SignatureError

# Real histories never step back; an hour forgives a wrong clock. Without it an expired key could sign into its past.
SLACK = timedelta(hours=1)
_HASHES = {40: "sha1", 64: "sha256"}


def identified(commit_id: str, raw: bytes) -> SignedObject:
    """Takes apart the commit that these bytes are by their id. Raises ChainError."""
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


def check_dates(commit: SignedObject, since: datetime | None, now: datetime) -> None:
    """Raises SignatureError when it is dated long before what it follows, or ahead of now."""
    if since is not None and commit.committed_at < since - SLACK:
        raise SignatureError(
            "BACKDATED", f"committed at {commit.committed_at}, long before what it follows, of {since}"
        )
    if commit.committed_at > now + SLACK:
        raise SignatureError(
            "FUTURE", f"committed at {commit.committed_at}, here it is {now}; check this device's clock"
        )
