"""The newest trusted commit: the mirror meets signing. What was trusted is written down before anything is done."""

import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from reconciler.agent.journal import Journal, Trusted
from reconciler.errors import ConfigError, GitError, PermissionDenied, ReconcilerError, StateError, Untrusted
from reconciler.model import Fact, Revision
from reconciler.repository import Mirror, ObjectTooBig
from signing import AllowedSigners, ChainError, SignatureError, UnableToCheck, follow_chain

# Whom a device obeys in mode `unsafe-head`.
ANYBODY = "anybody who may push (unsafe-head)"
_UNSAFE = "no signature is asked for: whoever may push is obeyed; set `trust.mode: commits`"
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

    def __init__(
        self,
        mirror: Mirror,
        journal: Journal,
        allowed_signers: Path,
        anchor: str,
        *,
        is_unsafe: bool = False,
        recomputes: bool = True,
    ) -> None:
        self._mirror, self._journal = mirror, journal
        self._allowed_signers, self._anchor = allowed_signers, anchor
        self._history = mirror if recomputes else None
        self._is_unsafe = is_unsafe

    def obtain(self, now: datetime) -> Obtained:
        """The newest commit that this device may obey; the one before when Git is away or says what it may not obey."""
        try:
            trusted = self._journal.trusted
        except StateError as error:
            lost = Fact("Trusted", False, "TRUST_STATE", str(error))
            return Obtained("", None, (lost, Fact("Fresh", None, "NotAsked", "")), (error,))
        try:
            obtained = self._judged(self._tip(fetch=True), trusted, now)
        except (GitError, ConfigError, PermissionDenied) as error:
            return _kept(trusted, error)
        if obtained.trusted is not None and obtained.trusted != trusted:
            self._journal.write_trusted(obtained.trusted)
            self._mirror.pin(obtained.trusted.commit)
        return obtained

    def look(self, now: datetime, *, fetch: bool) -> Obtained:
        """The same, for a preview: nothing is written down."""
        trusted = self._journal.trusted
        try:
            return self._judged(self._tip(fetch=fetch), trusted, now)
        except (GitError, ConfigError, PermissionDenied) as error:
            return _kept(trusted, error)

    def _tip(self, *, fetch: bool) -> Revision:
        return self._mirror.fetch() if fetch else self._mirror.seen()

    def _judged(self, tip: Revision, trusted: Trusted | None, now: datetime) -> Obtained:
        fresh = Fact("Fresh", True, "Fetched", "")
        if self._is_unsafe:
            unsafe = Fact("Trusted", False, "UNSAFE_HEAD", _UNSAFE)
            return Obtained(str(tip), Trusted(tip.commit, ANYBODY, ""), (unsafe, fresh))
        newest, refusal = self._verify(tip, trusted, now)
        if refusal is None:
            return Obtained(str(tip), newest, (Fact("Trusted", True, "Verified", told_of(newest)), fresh))
        message = f"{refusal}; {told_of(newest)}"
        return Obtained(str(tip), newest, (Fact("Trusted", False, refusal.code, message), fresh), (refusal,))

    def _verify(self, tip: Revision, trusted: Trusted | None, now: datetime) -> tuple[Trusted | None, Untrusted | None]:
        """The newest trusted commit, and why the branch was not followed to its end."""
        start = trusted.commit if trusted else self._anchor
        try:
            check_was_judged(trusted)
            signers = load_signers(self._allowed_signers)
            if tip.commit == start:
                if trusted is not None:
                    check_still_allowed(trusted, signers)
                return trusted or Trusted(start, "the anchor in this device's settings", ""), None
            previous = (start, self._mirror.commit(start)) if start else None
            chain = self._mirror.chain(tip.commit, start or None)
            if not chain:
                told = f"the branch went back behind {start[:12]}"
                raise Untrusted("FORK_OR_REWIND", told, commit=tip.commit, advice=_HISTORY_ADVICE)
            admitted, refusal = follow_chain(chain, signers, previous, now, self._history)
            newest = trusted
            if admitted:
                newest = Trusted(admitted[-1].id, admitted[-1].principal, admitted[-1].fingerprint)
            return newest, _refused(refusal) if refusal is not None else None
        except ChainError as error:
            return trusted, _refused(error)
        except SignatureError as error:
            advice = f"mend {self._allowed_signers} on this device"
            return trusted, Untrusted(error.code, error.message, commit=tip.commit, advice=advice)
        except ObjectTooBig as error:
            return trusted, Untrusted("OBJ_TOO_BIG", str(error), commit=error.object_id, advice=_HISTORY_ADVICE)
        except GitError as error:
            return trusted, Untrusted("FORK_OR_REWIND", f"no way from {start[:12]}: {error}", commit=tip.commit)
        except Untrusted as error:
            return trusted, error


def load_signers(path: Path) -> AllowedSigners:
    """The keys this device obeys. Raises SignatureError when the file could have been written by anybody."""
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode) or mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UnableToCheck("TRUST_CONFIG", f"{path} is a link, or writable by others than its owner")
        return AllowedSigners.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise UnableToCheck("TRUST_CONFIG", f"{path}: {error.strerror}") from error


def check_was_judged(trusted: Trusted | None) -> None:
    """Raises Untrusted for what was taken in mode unsafe-head."""
    if trusted is not None and trusted.principal == ANYBODY:
        told = "what is obeyed was taken in mode unsafe-head, and nobody has judged it"
        advice = "on the device, stop the service and say `reconciler trust reset`"
        raise Untrusted("TRUST_STATE", told, commit=trusted.commit, advice=advice)


def check_still_allowed(trusted: Trusted, signers: AllowedSigners) -> None:
    """Whoever lost the right to speak is not heard any longer, not even for what was said before."""
    known = {signer.key.fingerprint for signer in signers.by_blob.values()}
    if trusted.fingerprint and trusted.fingerprint not in known:
        told = f"the key {trusted.fingerprint} of {trusted.principal}, who signed what is obeyed, is allowed no longer"
        advice = "sign a new commit on top with a key that is"
        raise Untrusted("KEY_REVOKED", told, commit=trusted.commit, advice=advice)


def _kept(trusted: Trusted | None, error: ReconcilerError) -> Obtained:
    """What a device obeys while it cannot ask."""
    kept = Fact("Trusted", trusted is not None, "Kept" if trusted else "NothingTrusted", told_of(trusted))
    return Obtained("", trusted, (kept, Fact("Fresh", False, type(error).__name__, str(error))), (error,))


def _refused(error: ChainError) -> Untrusted:
    message = error.message.removeprefix(f"commit {error.commit[:12]}: ")
    advice = _HISTORY_ADVICE if error.code == "FORK_OR_REWIND" else "remove it from the branch, and push it signed"
    return Untrusted(error.code, message, commit=error.commit, advice=advice)


def told_of(trusted: Trusted | None) -> str:
    """What is obeyed, for people."""
    if trusted is None:
        return "obeying nothing yet"
    return f"obeying {trusted.tag or trusted.commit[:12]} by {trusted.principal}"
