"""Are images signed as the policy asks? Looked up once each, by the loop that talks to servers, and remembered."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Protocol

from reconciler.admission import ImageRule, ImageRules
from reconciler.agent.state.journal import Journal
from reconciler.agent.state.remembered import Signed
from reconciler.errors import ReconcilerError, StateError
from reconciler.model.image import repository_of
from signing import ImageKey, ImageSignature, SignatureError

log = logging.getLogger("reconciler")

# Images whose signatures are remembered: those of a device, and some of before.
MAX_REMEMBERED = 1_000


class Registries(Protocol):
    """Where signatures lie."""

    def signatures(self, image: str) -> Sequence[ImageSignature]:
        """All that are there for an image, not yet believed. Raises ImageUnavailable."""


class ImageSignatures:
    """What this device knows of its images' signatures."""

    def __init__(self, journal: Journal, registries: Registries) -> None:
        self._journal, self._registries = journal, registries

    def known(self, rules: ImageRules, images: Iterable[str], *, asks: bool) -> ImageRules:
        """The rules, with what is remembered of these images; and, if it `asks`, with what the registries say."""
        if not rules.rules:
            return rules
        signed = dict(self._journal.signed.by)
        found = replace(rules, signed={image: frozenset(keys) for image, keys in signed.items()})
        why: dict[str, str] = {}
        silent: set[str] = set()
        for image in found.asks_for(images) if asks else ():
            rule = found.rule(image)
            host = repository_of(image).partition("/")[0]
            if rule is None or host in silent:
                continue
            try:
                keys, why[image] = judged(image, rule, self._registries.signatures(image))
                signed[image] = tuple(sorted({*signed.pop(image, ()), *keys}))
            except ReconcilerError as error:
                why[image] = f"IMAGE_UNVERIFIED: {image}: {error.what}"
                silent.add(host)
        self._remember(signed)
        return replace(found, signed={image: frozenset(keys) for image, keys in signed.items()}, why=why)

    def _remember(self, signed: dict[str, tuple[str, ...]]) -> None:
        kept = Signed({image: keys for image, keys in list(signed.items())[-MAX_REMEMBERED:] if keys})
        try:
            if kept != self._journal.signed:
                self._journal.write_signed(kept)
        except StateError as error:
            # On a full disk: it is looked up again.
            log.error("%s", error)


def judged(image: str, rule: ImageRule, found: Sequence[ImageSignature]) -> tuple[frozenset[str], str]:
    """The keys that have signed, and why these are not enough, if so: the code and the reason."""
    digest = image.partition("@")[2]
    keys: set[str] = set()
    reasons: list[str] = []
    for key in (ImageKey.parse(pem) for pem in rule.keys.values()):
        for signature in found:
            try:
                _check_name(signature.check(key, digest), rule)
                keys.add(key.fingerprint)
            except SignatureError as error:
                reasons.append(str(error))
    if len(keys) >= rule.threshold:
        return frozenset(keys), ""
    told = f"{image} needs the signatures of {rule.threshold} of {len(rule.keys)} keys"
    if not found:
        return frozenset(keys), f"IMAGE_UNSIGNED: {told}, and has none"
    code = "IMAGE_QUORUM" if keys else reasons[0].partition(":")[0]
    return frozenset(keys), f"{code}: {told}, and has {len(keys)}; {reasons[0].partition(': ')[2]}"


def _check_name(named: str, rule: ImageRule) -> None:
    """A signature names the image for which it was made; another repository's may say the same of another use."""
    if named and not any(fnmatchcase(repository_of(named), pattern) for pattern in rule.repositories):
        raise SignatureError("IMAGE_REPOSITORY", f"the signature was made for {named}")
