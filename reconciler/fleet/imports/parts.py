"""A value of a JSON document that knows its file and its JSON pointer, and is read as one kind or refused there."""

from dataclasses import dataclass
from typing import Any

from reconciler.errors import ManifestError, Problem

_KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "nothing",
}


def pointer_to(pointer: str, key: str) -> str:
    """One step further (RFC 6901)."""
    return f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"


@dataclass(frozen=True, slots=True)
class Part:
    """One value. Every reader raises ManifestError, with the pointer, for another kind of value; none quotes it."""

    value: Any
    file: str
    pointer: str = ""

    @property
    def where(self) -> str:
        return f"{self.file}#{self.pointer}" if self.pointer else self.file

    @property
    def is_default(self) -> bool:
        """Is this what Docker takes when nothing is said?"""
        return self.value in (None, "", 0, False, [], {})

    def expected(self, wanted: str) -> ManifestError:
        return ManifestError([Problem(self.where, f"it must be {wanted}, not {_KINDS[type(self.value)]}")])

    def entries(self) -> "dict[str, Part]":
        """The members of an object. One that is null is as good as absent, as in a twin."""
        if not isinstance(self.value, dict):
            raise self.expected("an object")
        found = {key: Part(value, self.file, pointer_to(self.pointer, key)) for key, value in self.value.items()}
        return {key: part for key, part in found.items() if part.value is not None}

    def elements(self) -> "list[Part]":
        if not isinstance(self.value, list):
            raise self.expected("a list")
        return [Part(value, self.file, pointer_to(self.pointer, str(n))) for n, value in enumerate(self.value)]

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.expected("text")
        return self.value

    def texts(self) -> list[str]:
        """A list of texts, or a single one."""
        return [self.value] if isinstance(self.value, str) else [part.text() for part in self.elements()]

    def scalar(self) -> str:
        """Text, or a number or truth value as the text that it is."""
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        if isinstance(self.value, str | int | float):
            return str(self.value)
        raise self.expected("text or a number")

    def scalars(self) -> dict[str, str]:
        return {key: part.scalar() for key, part in self.entries().items()}

    def integer(self) -> int:
        if isinstance(self.value, bool) or not isinstance(self.value, int) or abs(self.value) >= 2**63:
            raise self.expected("a whole number of 64 bits")
        return self.value

    def boolean(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.expected("true or false")
        return self.value
