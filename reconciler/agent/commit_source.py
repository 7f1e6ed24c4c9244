"""Mode `commits`: every commit of the branch, as far as somebody allowed has signed; and `unsafe-head`, its tip."""

from datetime import datetime
from pathlib import Path

from reconciler.agent.journal import Journal, Trusted
from reconciler.agent.source import (
    ANYBODY,
    Obtained,
    Source,
    check_still_allowed,
    check_was_judged,
    load_signers,
    told_of,
)
from reconciler.errors import GitError, Untrusted
from reconciler.model import Fact, Revision
from reconciler.repository import Mirror, ObjectTooBig
from signing import ChainError, SignatureError, follow_chain

_UNSAFE = "no signature is asked for: whoever may push is obeyed; set `trust.mode: commits`"
_HISTORY_ADVICE = "push only on top of what devices trust; a rollback is a new commit (git revert)"


class CommitSource(Source):
    """Follows the first-parent chain of one branch."""

    def __init__(
        self, mirror: Mirror, journal: Journal, allowed_signers: Path, anchor: str, *, recomputes: bool = True
    ) -> None:
        super().__init__(mirror, journal)
        self._allowed_signers, self._anchor = allowed_signers, anchor
        self._history = mirror if recomputes else None

    def _tip(self, *, fetch: bool) -> Revision:
        return self._mirror.fetch() if fetch else self._mirror.seen()

    def _judged(self, tip: Revision, trusted: Trusted | None, now: datetime, *, keeps: bool) -> Obtained:
        fresh = Fact("Fresh", True, "Fetched", "")
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


class UnsafeSource(Source):
    """The tip of the branch, whoever pushed it."""

    def _tip(self, *, fetch: bool) -> Revision:
        return self._mirror.fetch() if fetch else self._mirror.seen()

    def _judged(self, tip: Revision, trusted: Trusted | None, now: datetime, *, keeps: bool) -> Obtained:
        facts = (Fact("Trusted", False, "UNSAFE_HEAD", _UNSAFE), Fact("Fresh", True, "Fetched", ""))
        return Obtained(str(tip), Trusted(tip.commit, ANYBODY, ""), facts)


def _refused(error: ChainError) -> Untrusted:
    message = error.message.removeprefix(f"commit {error.commit[:12]}: ")
    advice = _HISTORY_ADVICE if error.code == "FORK_OR_REWIND" else "remove it from the branch, and push it signed"
    return Untrusted(error.code, message, commit=error.commit, advice=advice)
