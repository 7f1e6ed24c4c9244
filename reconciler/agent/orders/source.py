"""Where a device's orders come from: fetched, judged by the rules of its mode, remembered before they are obeyed."""

from collections.abc import Container
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from reconciler.admission import Admission, ImageRule, ImageRules
from reconciler.agent.orders.known import Obtained, kept, lost
from reconciler.agent.settings.config import Config
from reconciler.agent.settings.trust_settings import RELEASE, REPOSITORY, TrustSettings
from reconciler.agent.state.journal import Journal
from reconciler.agent.state.owners import read_owned
from reconciler.agent.state.release_memory import release_trust
from reconciler.agent.state.remembered import Trusted
from reconciler.documents import RolesHistory
from reconciler.errors import ConfigError, GitError, PermissionDenied, StateError, StateLost, Untrusted
from reconciler.model import Fact, Revision
from reconciler.repository import Mirror, Store
from signing import AllowedSigners, SignatureError, UnableToCheck, parse_revoked
from signing.documents import Branch, Policy

# Whom a device obeys in mode `unsafe-head`.
ANYBODY = "anybody who may push (unsafe-head)"


class Source:
    """Fetches, verifies, remembers. What is fetched and by which rules it is judged, each mode says."""

    def __init__(self, mirror: Mirror, journal: Journal) -> None:
        self._mirror, self._journal = mirror, journal

    def obtain(self, now: datetime, bundle: Path | None = None, *, is_fetched: bool = False) -> Obtained:
        """The newest commit that this device may obey; the one before when Git is away or says what it may not obey.

        Out of a bundle instead of the server, if there is one: by the same rules. Or of what `is_fetched` already.
        """
        try:
            trusted = self._journal.trusted
        except StateLost as error:
            return lost(error)
        try:
            if bundle is not None:
                self.take(bundle)
            obtained = self._by_whom(
                self._judged(self._tip(fetch=bundle is None and not is_fetched), trusted, now, keeps=True)
            )
            if obtained.trusted is not None and obtained.trusted != trusted:
                self._journal.write_trusted(obtained.trusted)
                self._mirror.pin(obtained.trusted.commit)
        except StateLost as error:
            return lost(error)
        except (GitError, ConfigError, PermissionDenied, StateError) as error:
            # What cannot be remembered, such as on a full disk, is not obeyed.
            return kept(trusted, error)
        return obtained

    def look(self, now: datetime, *, fetch: bool) -> Obtained:
        """The same, for a preview: nothing is written down."""
        trusted = self._journal.trusted
        try:
            return self._judged(self._tip(fetch=fetch), trusted, now, keeps=False)
        except (GitError, ConfigError, PermissionDenied) as error:
            return kept(trusted, error)

    def _by_whom(self, obtained: Obtained) -> Obtained:
        """Another server than the one that counts may be behind; only a freshness note says that it is not."""
        if not self._mirror.stand_in:
            return obtained
        told = f"the server does not answer; {self._mirror.stand_in} does"
        facts = (Fact("Fresh", None, "StandIn", told) if one.reason == "Fetched" else one for one in obtained.facts)
        return replace(obtained, facts=tuple(facts))

    def take(self, bundle: Path) -> None:
        """Read a bundle as if it were the server. Raises BundleRefused."""
        self._mirror.take(bundle)

    def admission(self, device: str, allowed: frozenset[str]) -> Admission:
        """What apps may have on this device, which allows so much. Raises StateError."""
        return Admission(allowed)

    def _tip(self, *, fetch: bool) -> Revision:
        """Where the server is, after a fetch if that is wished. Raises GitError."""
        raise NotImplementedError

    def _judged(self, tip: Revision, trusted: Trusted | None, now: datetime, *, keeps: bool) -> Obtained:
        """What to obey of it. What a mode remembers besides, it writes down only if it `keeps`."""
        raise NotImplementedError


def load_signers(trust: TrustSettings) -> AllowedSigners:
    """The keys this device obeys. Raises SignatureError when somebody else could have written a file of them."""
    path = trust.allowed_signers
    return replace(AllowedSigners.parse(read_guarded(path), str(path)), revoked=load_revoked(trust))


def load_revoked(trust: TrustSettings) -> frozenset[str]:
    """The fingerprints of keys that this device does not hear. Raises SignatureError."""
    path = trust.revoked_keys
    return parse_revoked(read_guarded(path), str(path)) if path else frozenset()


def read_guarded(path: Path) -> bytes:
    """A file that trust is built on. Raises SignatureError TRUST_CONFIG when somebody else could have written it."""
    try:
        return read_owned(path)
    except PermissionDenied as error:
        raise UnableToCheck("TRUST_CONFIG", str(error)) from error
    except OSError as error:
        raise UnableToCheck("TRUST_CONFIG", f"{path}: {error.strerror}") from error


def known_signers(config: Config, journal: Journal) -> AllowedSigners:
    """The keys that count on this device, by its file or by the policy in force. Raises ConfigError, StateError."""
    trust = config.trust
    try:
        if trust.policy == REPOSITORY:
            trusted = journal.trusted
            history = RolesHistory(Store(config.state / "repository.git"), Branch.empty)
            return history.policy(trusted.commit if trusted else trust.anchor).signers
        if trust.mode != RELEASE:
            return load_signers(trust)
        state = release_trust(journal)
        if state is None:
            raise ConfigError("no policy is known yet", advice="run `reconciler once`; see what it refuses")
        return AllowedSigners.parse(state.signers.encode(), "the policy")
    except SignatureError as error:
        where = "the policy" if trust.policy == REPOSITORY else str(trust.allowed_signers)
        raise ConfigError(str(error), where=where, advice="mend it, or run `reconciler once` first") from error


def image_rules(policy: Policy) -> ImageRules:
    """Which images must be signed, by a policy."""
    return ImageRules(tuple(ImageRule(one.repositories, one.keys, one.threshold) for one in policy.images))


def check_was_judged(trusted: Trusted | None) -> None:
    """Raises Untrusted for what was taken in mode unsafe-head."""
    if trusted is not None and trusted.principal == ANYBODY:
        told = "what is obeyed was taken in mode unsafe-head, and nobody has judged it"
        advice = "on the device, stop the service and say `reconciler trust reset`"
        raise Untrusted("TRUST_STATE", told, commit=trusted.commit, advice=advice)


def check_still_allowed(trusted: Trusted, signers: AllowedSigners) -> None:
    """Whoever lost the right to speak is not heard any longer, not even for what was said before."""
    known = {signer.key.fingerprint for signer in signers.by_blob.values()}
    check_not_revoked(trusted, signers.revoked | ({trusted.fingerprint} - known))


def check_not_revoked(trusted: Trusted, revoked: Container[str]) -> None:
    """Nor whose key was revoked."""
    if trusted.fingerprint and trusted.fingerprint in revoked:
        told = f"the key {trusted.fingerprint} of {trusted.principal}, who signed what is obeyed, is allowed no longer"
        advice = "sign a new commit on top with a key that is"
        raise Untrusted("TRUST_LOST", told, commit=trusted.commit, advice=advice)
