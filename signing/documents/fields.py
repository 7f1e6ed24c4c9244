"""Signed JSON documents, read so that no two programs see different things in the same bytes.

UTF-8 without a byte order mark, at most 1 MiB, whole numbers only, no key twice, no unknown field: RFC 8259 leaves all
of that open. What was signed are the bytes as they lie there; nothing is written anew before it is verified.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NoReturn

from signing.errors import SignatureError, shown

MAX_DOCUMENT = 1024 * 1024
SPEC = 1
_MAX_DIGITS = 15
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
SHA256 = re.compile(r"[0-9a-f]{64}")
# The mark of a fleet (RFC 9562).
REPOSITORY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# A name of a role, a channel or a person; it is also the name of a file.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def read_document(raw: bytes, kind: str) -> "Fields":
    """The fields of one document of `type: fleet-KIND`. Raises SignatureError with a code that begins with DOC_."""
    if len(raw) > MAX_DOCUMENT:
        raise SignatureError("DOC_TOO_BIG", f"the {kind} has more than {MAX_DOCUMENT} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SignatureError("DOC_ENCODING", f"the {kind} is not UTF-8") from error
    if text.startswith("\ufeff"):
        raise SignatureError("DOC_ENCODING", f"the {kind} begins with a byte order mark; remove it")
    try:
        value = json.loads(
            text, object_pairs_hook=_once, parse_float=_no_number, parse_constant=_no_number, parse_int=_whole
        )
    except json.JSONDecodeError as error:
        raise SignatureError("DOC_JSON", f"the {kind} is no JSON: {error.msg} in line {error.lineno}") from error
    except RecursionError:
        raise SignatureError("DOC_JSON", f"the {kind} is nested too deeply") from None
    if not isinstance(value, dict):
        raise SignatureError("DOC_JSON", f"the {kind} is no JSON object")
    fields = Fields(value, f"the {kind}")
    if fields.text("type") != f"fleet-{kind}":
        raise SignatureError("DOC_TYPE", f"not a document of type `fleet-{kind}`")
    if fields.number("spec") != SPEC:
        raise SignatureError("DOC_SPEC", f"the {kind} is of a format that this version does not know; update it")
    return fields


def write_document(kind: str, fields: Mapping[str, object]) -> bytes:
    """The bytes of a document, for people to read and to sign."""
    whole = {"type": f"fleet-{kind}", "spec": SPEC, **fields}
    return json.dumps(whole, indent=2, ensure_ascii=False).encode() + b"\n"


def moment_text(moment: datetime) -> str:
    """A moment as documents hold it: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime(_FORMAT)


class Fields:
    """One object of a document. Each field is asked for by its type; what nobody asked for is refused by `finish`."""

    def __init__(self, values: Mapping[str, object], where: str) -> None:
        self._left, self._where = dict(values), where

    def has(self, name: str) -> bool:
        return name in self._left

    def text(self, name: str, pattern: re.Pattern[str] | None = None) -> str:
        value = self._take(name)
        if not isinstance(value, str) or (pattern is not None and not pattern.fullmatch(value)):
            self._refuse(name, value)
        return value

    def number(self, name: str, least: int = 0, most: int = 10**_MAX_DIGITS) -> int:
        value = self._take(name)
        # To Python, true is a number as well.
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self._refuse(name, value)
        return value

    def flag(self, name: str) -> bool:
        value = self._take(name)
        if not isinstance(value, bool):
            self._refuse(name, value)
        return value

    def moment(self, name: str) -> datetime:
        text = self.text(name, _TIME)
        try:
            # The pattern's Z is a letter to strptime; the zone comes from here.
            return datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)
        except ValueError:
            self._refuse(name, text)

    def texts(self, name: str, pattern: re.Pattern[str]) -> tuple[str, ...]:
        """A list of texts, none of them twice."""
        value = self._take(name)
        if not isinstance(value, list) or not all(isinstance(one, str) and pattern.fullmatch(one) for one in value):
            self._refuse(name, value)
        if len(set(value)) != len(value):
            self._refuse(name, value)
        return tuple(value)

    def inside(self, name: str) -> "Fields":
        value = self._take(name)
        if not isinstance(value, dict):
            self._refuse(name, value)
        return Fields(value, f"`{name}` of {self._where}")

    def each(self, name: str) -> list["Fields"]:
        """A list of objects."""
        value = self._take(name)
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self._refuse(name, value)
        return [Fields(one, f"entry {number} of `{name}` of {self._where}") for number, one in enumerate(value, 1)]

    def names(self) -> tuple[str, ...]:
        """The names that are left, where they are free."""
        return tuple(self._left)

    def finish(self) -> None:
        if self._left:
            unknown = ", ".join(shown(name) for name in sorted(self._left)[:5])
            raise SignatureError("DOC_FIELD", f"{self._where} has fields that nobody knows: {unknown}")

    def _take(self, name: str) -> object:
        if name not in self._left:
            raise SignatureError("DOC_FIELD", f"{self._where} has no `{name}`")
        return self._left.pop(name)

    def _refuse(self, name: str, value: object) -> NoReturn:
        raise SignatureError("DOC_FIELD", f"{self._where}: `{name}` may not be {shown(repr(value))}")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise SignatureError("DOC_DUPLICATE", "a key stands twice in one object; programs disagree which one counts")
    return found


def _no_number(text: str) -> NoReturn:
    raise SignatureError("DOC_NUMBER", f"{shown(text)} is no whole number")


def _whole(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise SignatureError("DOC_NUMBER", f"{shown(text)} has too many digits")
    return int(text)
