"""Mode `commits`: every commit of the branch, as far as somebody allowed has signed; and `unsafe-head`, its tip."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from reconciler.admission import Admission
from reconciler.agent.orders.fetching import fetch_with
from reconciler.agent.orders.known import Obtained, told_of
from reconciler.agent.orders.source import (
    ANYBODY,
    Source,
    check_not_revoked,
    check_still_allowed,
    check_was_judged,
    image_rules,
    load_revoked,
    load_signers,
    read_guarded,
)
from reconciler.agent.settings.trust_settings import REPOSITORY, TrustSettings
from reconciler.agent.state.journal import Journal
from reconciler.agent.state.remembered import Trusted
from reconciler.documents import CommitHistory, RolesHistory, branch_of
from reconciler.errors import GitError, StateError, Untrusted
from reconciler.model import Fact, Revision
from reconciler.repository import BundleRefused, Mirror, ObjectTooBig
from signing import Admitted, ChainError, ForgeKeys, OneIsEnough, Rules, SignatureError, follow_chain
from signing.documents import RolesAt

_ANCHOR = "the anchor in this device's settings"
_UNSAFE = "no signature is asked for: whoever may push is obeyed; set `trust.mode: commits`"
_HISTORY_ADVICE = "push only on top of what devices trust; a rollback is a new commit (git revert)"


class CommitSource(Source):
    """Follows the first-parent chain of one branch."""

    def __init__(self, mirror: Mirror, journal: Journal, trust: TrustSettings, branch: str) -> None:
        super().__init__(mirror, journal)
        self._trust, self._branch = trust, branch
        self._has_roles = trust.policy == REPOSITORY

    def take(self, bundle: Path) -> None:
        self._mirror.take(bundle)
        if self._has_roles:
            with suppress(BundleRefused):  # nobody has approved anything
                self._mirror.take(bundle, self._trust.releases)

    def admission(self, device: str, allowed: frozenset[str]) -> Admission:
        """What the device allows; and images by digest only, or signed, where the policy says so."""
        trusted = self._journal.trusted if self._has_roles else None
        if trusted is None:
            return Admission(allowed)
        try:
            policy = self._history().policy(trusted.commit)
        except SignatureError as error:
            raise StateError(f"the policy in force is not known: {error}") from error
        return Admission(allowed, requires_digest=policy.requires_digest, images=image_rules(policy))

    def _tip(self, *, fetch: bool) -> Revision:
        if fetch and self._has_roles:
            return fetch_with(self._mirror, self._trust.releases)
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
        start = trusted.commit if trusted else self._trust.anchor
        try:
            check_was_judged(trusted)
            rules = self._rules(start)
            if tip.commit == start:
                if trusted is not None and isinstance(rules, OneIsEnough):
                    check_still_allowed(trusted, rules.signers)
                elif trusted is not None:
                    check_not_revoked(trusted, load_revoked(self._trust))
                return trusted or Trusted(start, _ANCHOR, ""), None
            previous = (start, self._mirror.commit(start)) if start else None
            chain = self._mirror.chain(tip.commit, start or None)
            if not chain:
                told = f"the branch went back behind {start[:12]}"
                raise Untrusted("FORK_OR_REWIND", told, commit=tip.commit, advice=_HISTORY_ADVICE)
            history = CommitHistory(self._mirror) if self._trust.recomputes_merges else None
            newest_date = datetime.fromtimestamp(trusted.newest, UTC) if trusted else None
            admitted, refusal = follow_chain(chain, rules, previous, now, history, newest_date)
            known = trusted or (Trusted(start, _ANCHOR, "") if start else None)
            newest = _as_trusted(admitted[-1]) if admitted else known
            return newest, _refused(refusal) if refusal is not None else None
        except ChainError as error:
            return trusted, _refused(error)
        except SignatureError as error:
            file = f"mend {self._trust.allowed_signers} on this device"
            advice = "set `anchor` to a commit with a policy" if self._has_roles else file
            return trusted, Untrusted(error.code, error.message, commit=tip.commit, advice=advice)
        except ObjectTooBig as error:
            return trusted, Untrusted("OBJ_TOO_BIG", str(error), commit=error.object_id, advice=_HISTORY_ADVICE)
        except GitError as error:
            return trusted, Untrusted("FORK_OR_REWIND", f"no way from {start[:12]}: {error}", commit=tip.commit)
        except Untrusted as error:
            return trusted, error

    def _rules(self, start: str) -> Rules:
        """By whose word the commit `start` may be followed. Raises SignatureError."""
        file = self._trust.forge_keys
        forge = ForgeKeys.parse(read_guarded(file)) if file else None
        if self._has_roles:
            return RolesAt.of(start, self._branch, self._history(), forge, load_revoked(self._trust))
        return OneIsEnough(load_signers(self._trust), forge)

    def _history(self) -> RolesHistory:
        return RolesHistory(
            self._mirror, lambda: branch_of(self._mirror, self._mirror.seen(self._trust.releases).commit)
        )


class UnsafeSource(Source):
    """The tip of the branch, whoever pushed it."""

    def _tip(self, *, fetch: bool) -> Revision:
        return self._mirror.fetch() if fetch else self._mirror.seen()

    def _judged(self, tip: Revision, trusted: Trusted | None, now: datetime, *, keeps: bool) -> Obtained:
        facts = (Fact("Trusted", False, "UNSAFE_HEAD", _UNSAFE), Fact("Fresh", True, "Fetched", ""))
        return Obtained(str(tip), Trusted(tip.commit, ANYBODY, ""), facts)


def _as_trusted(admitted: Admitted) -> Trusted:
    people = dict.fromkeys([admitted.principal, *admitted.approvers] if admitted.fingerprint else admitted.approvers)
    newest = admitted.newest.timestamp() if admitted.newest else 0.0
    return Trusted(admitted.id, ", ".join(people), admitted.fingerprint, newest=newest)


def _refused(error: ChainError) -> Untrusted:
    message = error.message.removeprefix(f"commit {error.commit[:12]}: ")
    advice = _HISTORY_ADVICE if error.code == "FORK_OR_REWIND" else "remove it from the branch, and push it signed"
    return Untrusted(error.code, message, commit=error.commit, advice=advice)
