"""Which images must be signed, by whose keys; and whether they are, as far as somebody has looked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from reconciler.model.image import repository_of


@dataclass(frozen=True, slots=True)
class ImageRule:
    """Images of these repositories (`*` stands for anything) need the signatures of so many of these keys.

    `keys` are PEM by fingerprint.
    """

    repositories: tuple[str, ...]
    keys: Mapping[str, str]
    threshold: int = 1

    def is_for(self, image: str) -> bool:
        return any(fnmatchcase(repository_of(image), pattern) for pattern in self.repositories)


@dataclass(frozen=True, slots=True)
class ImageRules:
    """The rules, the first that matches counts; and what is known of images: by which keys, and why not by more."""

    rules: tuple[ImageRule, ...] = ()
    signed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    why: Mapping[str, str] = field(default_factory=dict)

    def rule(self, image: str) -> ImageRule | None:
        return next((rule for rule in self.rules if rule.is_for(image)), None)

    def is_signed(self, image: str) -> bool:
        rule = self.rule(image)
        return rule is None or len(self.signed.get(image, frozenset()) & rule.keys.keys()) >= rule.threshold

    def asks_for(self, images: Iterable[str]) -> tuple[str, ...]:
        """Those whose signatures somebody has to fetch."""
        return tuple(image for image in dict.fromkeys(images) if "@sha256:" in image and not self.is_signed(image))

    def refusal(self, image: str) -> str:
        """The code and the reason, for people; empty for an image that may be used."""
        if self.is_signed(image):
            return ""
        if "@sha256:" not in image:
            return f"IMAGE_TAG: {image} is named by a tag, which nobody can sign for"
        return self.why.get(image, f"IMAGE_UNVERIFIED: nobody has looked for the signatures of {image} yet")


NO_RULES = ImageRules()
