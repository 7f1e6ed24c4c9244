"""The newest trusted commit: the mirror meets signing. What was trusted is written down before anything is done."""

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from reconciler.agent.journal import Journal, Trusted
from reconciler.errors import GitError, ReconcilerError, Untrusted
from reconciler.model import Fact, Revision
from reconciler.repository import Mirror
from signing import AllowedSigners, ChainError, SignatureError, UnableToCheck, admit_chain

Chain = Sequence[tuple[str, bytes]]

_HISTORY_ADVICE = "push only on top of what devices trust; a rollback is a new commit (git revert)"


@dataclass(frozen=True, slots=True)
class Obtained:
    """What to obey, and how we came to it. `seen` is where the branch is; `errors` are told, and stop nothing."""

    seen: str
    trusted: Trusted | None
    facts: tuple[Fact, ...]
    errors: tuple[ReconcilerError, ...] = ()


class Source:
    """Fetches, verifies, remembers."""

    def __init__(self, mirror: Mirror, journal: Journal, allowed_signers: Path, anchor: str) -> None:
        self._mirror, self._journal = mirror, journal
        self._allowed_signers, self._anchor = allowed_signers, anchor

    def obtain(self, now: datetime, *, persist: bool = True) -> Obtained:
        """The newest commit that this device may obey; the one before when Git is away or says what it may not obey."""
        trusted = self._journal.trusted
        try:
            tip = self._mirror.fetch()
        except GitError as error:
            kept = Fact("Trusted", trusted is not None, "Kept" if trusted else "NothingTrusted", _told(trusted))
            return Obtained("", trusted, (kept, Fact("Fresh", False, "RemoteUnavailable", str(error))), (error,))
        fresh = Fact("Fresh", True, "Fetched", "")
        newest, refusal = self._verify(tip, trusted, now)
        if newest is not None and newest != trusted and persist:
            self._journal.write_trusted(newest)
        if refusal is None:
            return Obtained(str(tip), newest, (Fact("Trusted", True, "Verified", _told(newest)), fresh))
        message = f"{refusal}; {_told(newest)}"
        return Obtained(str(tip), newest, (Fact("Trusted", False, refusal.code, message), fresh), (refusal,))

    def _verify(self, tip: Revision, trusted: Trusted | None, now: datetime) -> tuple[Trusted | None, Untrusted | None]:
        """The newest trusted commit, and why the branch was not followed to its end."""
        start = trusted.commit if trusted else self._anchor
        if tip.commit == start:
            return trusted or Trusted(start, "the anchor in this device's settings", ""), None
        try:
            signers = load_signers(self._allowed_signers)
            previous = (start, self._mirror.commit(start)) if start else None
            chain = self._mirror.chain(tip.commit, start or None)
        except SignatureError as error:
            advice = f"mend {self._allowed_signers} on this device"
            return trusted, Untrusted(error.code, error.message, commit=tip.commit, advice=advice)
        except GitError as error:
            return trusted, Untrusted("FORK_OR_REWIND", f"no way from {start[:12]}: {error}", commit=tip.commit)
        if not chain:
            told = f"the branch went back behind {start[:12]}"
            return trusted, Untrusted("FORK_OR_REWIND", told, commit=tip.commit, advice=_HISTORY_ADVICE)
        return _follow(chain, signers, previous, trusted, now)


def load_signers(path: Path) -> AllowedSigners:
    """The keys this device obeys. Raises SignatureError when the file could have been written by anybody."""
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode) or mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UnableToCheck("TRUST_CONFIG", f"{path} is a link, or writable by others than its owner")
        return AllowedSigners.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise UnableToCheck("TRUST_CONFIG", f"{path}: {error.strerror}") from error


def _follow(
    chain: Chain, signers: AllowedSigners, previous: tuple[str, bytes] | None, trusted: Trusted | None, now: datetime
) -> tuple[Trusted | None, Untrusted | None]:
    """Follow the chain up to the first commit that is refused: what comes before it was said by somebody allowed."""
    refusal: Untrusted | None = None
    try:
        admitted = admit_chain(chain, signers, previous, now)
    except ChainError as error:
        ids = [commit for commit, _ in chain]
        before = chain[: ids.index(error.commit)] if error.commit in ids and error.code != "RANGE_TOO_LONG" else ()
        admitted = admit_chain(before, signers, previous, now)
        refusal = _refused(error)
    if not admitted:
        return trusted, refusal
    last = admitted[-1]
    return Trusted(last.id, last.principal, last.fingerprint), refusal


def _refused(error: ChainError) -> Untrusted:
    message = error.message.removeprefix(f"commit {error.commit[:12]}: ")
    advice = _HISTORY_ADVICE if error.code == "FORK_OR_REWIND" else "remove it from the branch, and push it signed"
    return Untrusted(error.code, message, commit=error.commit, advice=advice)


def _told(trusted: Trusted | None) -> str:
    return f"obeying {trusted.commit[:12]} by {trusted.principal}" if trusted else "obeying nothing yet"
