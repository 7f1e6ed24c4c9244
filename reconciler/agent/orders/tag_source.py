"""Mode `tag`: the newest version whose tag somebody allowed has signed."""

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from reconciler.agent.orders.known import Obtained, told_of
from reconciler.agent.orders.source import Source, check_still_allowed, check_was_judged, load_signers
from reconciler.agent.settings.trust_settings import TrustSettings
from reconciler.agent.state.journal import Journal
from reconciler.agent.state.remembered import Trusted
from reconciler.errors import GitError, UnknownRevision, Untrusted
from reconciler.model import Fact, Revision
from reconciler.repository import Mirror
from signing import AllowedSigners, SignatureError, verify_tag

# MAJOR, MAJOR.MINOR or MAJOR.MINOR.PATCH; what has more, such as a release candidate, is for people.
_VERSION = re.compile(r"(0|[1-9][0-9]{0,8})(?:\.(0|[1-9][0-9]{0,8}))?(?:\.(0|[1-9][0-9]{0,8}))?")
# Junk above the newest good version costs that much and no more.
MOST_TRIED = 8
Version = tuple[int, ...]


class TagSource(Source):
    """Fetches tags, tries the highest versions first, and never goes below the one that is obeyed."""

    def __init__(self, mirror: Mirror, journal: Journal, trust: TrustSettings) -> None:
        super().__init__(mirror, journal)
        self._trust, self.prefix = trust, trust.tag_prefix

    def take(self, bundle: Path) -> None:
        self._mirror.take(bundle, tags=self.prefix)

    def _tip(self, *, fetch: bool) -> Revision:
        """The highest version there is, whoever tagged it. Raises UnknownRevision without one."""
        if fetch:
            self._mirror.fetch_tags(self.prefix)
        tags = self._mirror.tags()
        versions = self._versions(tags)
        if not versions:
            advice = f"push one, such as {self.prefix}1.0.0, or set `trust.tags` to what yours begin with"
            raise UnknownRevision(f"no tag `{self.prefix}VERSION`", advice=advice)
        name = max(versions, key=lambda one: versions[one])
        return Revision(name, tags[name][0])

    def _judged(self, tip: Revision, trusted: Trusted | None, now: datetime, *, keeps: bool) -> Obtained:
        fresh = Fact("Fresh", True, "Fetched", "")
        newest, refusal = self._newest(trusted, now)
        if refusal is None:
            return Obtained(str(tip), newest, (Fact("Trusted", True, "Verified", told_of(newest)), fresh))
        told = Fact("Trusted", False, refusal.code, f"{refusal}; {told_of(newest)}")
        return Obtained(str(tip), newest, (told, fresh), (refusal,))

    def _newest(self, trusted: Trusted | None, now: datetime) -> tuple[Trusted | None, Untrusted | None]:
        """What to obey, and why a higher version is not."""
        refusal: Untrusted | None = None
        try:
            check_was_judged(trusted)
            signers = load_signers(self._trust)
            tags = self._mirror.tags()
            versions = self._versions(tags)
            self._check_not_moved(trusted, tags)
            floor = self._version(trusted.tag) if trusted and trusted.tag else None
            above = [name for name in versions if floor is None or versions[name] > floor]
            for name in sorted(above, key=lambda one: versions[one], reverse=True)[:MOST_TRIED]:
                try:
                    return self._verified(name, *tags[name], signers, now), refusal
                except Untrusted as error:
                    refusal = refusal or error
            if trusted is not None and refusal is None:
                check_still_allowed(trusted, signers)
        except SignatureError as error:
            advice = f"mend {self._trust.allowed_signers} on this device"
            refusal = Untrusted(error.code, error.message, commit=trusted.commit if trusted else "", advice=advice)
        except Untrusted as error:
            refusal = error
        return trusted, refusal

    def _verified(self, name: str, object_id: str, kind: str, signers: AllowedSigners, now: datetime) -> Trusted:
        """Raises Untrusted."""
        advice = "delete the tag, and push a signed one with a higher version"
        if kind != "tag":
            told = f"{name} is a lightweight tag, which nobody can sign"
            raise Untrusted("UNSIGNED", told, commit=object_id, advice=advice)
        try:
            tag = verify_tag(object_id, self._mirror.tag(object_id), name, signers, now)
            self._mirror.commit(tag.commit)
        except SignatureError as error:
            raise Untrusted(error.code, f"{name}: {error.message}", commit=object_id, advice=advice) from error
        except GitError as error:
            raise Untrusted(
                "OBJ_ID", f"{name} names no commit here: {error}", commit=object_id, advice=advice
            ) from error
        return Trusted(tag.commit, tag.principal, tag.key.fingerprint, name, object_id)

    def _check_not_moved(self, trusted: Trusted | None, tags: dict[str, tuple[str, str]]) -> None:
        if trusted is None or not trusted.tag or trusted.tag not in tags:
            return
        now_there = tags[trusted.tag][0]
        if now_there != trusted.tag_id:
            told = f"{trusted.tag} is another tag now than the one that is obeyed"
            advice = "whoever moved it, ask; push a higher version"
            raise Untrusted("EQUIVOCATION", told, commit=now_there, advice=advice)

    def _versions(self, tags: Iterable[str]) -> dict[str, Version]:
        """The tags that are versions, with their numbers."""
        found = {name: self._version(name) for name in tags}
        return {name: version for name, version in found.items() if version is not None}

    def _version(self, name: str) -> Version | None:
        match = _VERSION.fullmatch(name.removeprefix(self.prefix)) if name.startswith(self.prefix) else None
        return tuple(int(part or 0) for part in match.groups()) if match else None
