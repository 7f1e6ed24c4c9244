"""Reads a `.env` file as Compose does: one `NAME=VALUE` a line, quotes, comments, `export`.

Source: what Docker Compose 2.40 makes of such files, which is recorded in tests/cases/compose.
"""

import re
from typing import NamedTuple

from reconciler.errors import ManifestError, Problem, ProblemKind
from reconciler.model import Place

MAX_BYTES = 64 * 1024

_BLANK = re.compile(r"[ \t]*(#[^\n]*)?(\n|\Z)")
_NAME = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[^\W\d][\w.-]*)[ \t]*(?P<sign>[=:]?)[ \t]*")
_SINGLE = re.compile(r"'([^']*)'[^\n]*")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"[^\n]*', re.DOTALL)
_PLAIN = re.compile(r"[^\n]*")
_COMMENT = re.compile(r"(^|[ \t])#.*")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$$"}
_RAW = re.compile(r"(?P<name>[^=\s]+)(?P<sign>=?)(?P<value>.*)")


class Line(NamedTuple):
    """One variable of a file. `template` may name variables, and is None for a name alone."""

    name: str
    template: str | None
    place: Place


def read_lines(content: bytes, file: str) -> tuple[Line, ...]:
    """The variables of a file, in order; `$$` in a template is a dollar. Raises ManifestError."""
    text = _decoded(content, file)
    lines: list[Line] = []
    position, counted, number = 0, 0, 1
    while position < len(text):
        if blank := _BLANK.match(text, position):
            position = max(blank.end(), position + 1)
            continue
        number, counted = number + text.count("\n", counted, position), position
        place = Place(file, number, 1)
        match = _NAME.match(text, position)
        if match is None or not (match["sign"] or text[match.end() : match.end() + 1] in ("", "\n")):
            raise _refused(place, "not a line `NAME=VALUE`", "write one, or a `#` in front of a comment")
        template, position = _value(text, match.end(), place) if match["sign"] else (None, match.end())
        lines.append(Line(match["name"], template, place))
    return tuple(lines)


def read_raw_lines(content: bytes, file: str) -> tuple[Line, ...]:
    """The same for `format: raw`: no quotes, no comments behind a value, no variables. Raises ManifestError."""
    lines = []
    for number, written in enumerate(_decoded(content, file).split("\n"), 1):
        if not written.strip() or written.lstrip().startswith("#"):
            continue
        match = _RAW.fullmatch(written.lstrip())
        place = Place(file, number, 1)
        if match is None or (match["value"] and not match["sign"]):
            raise _refused(place, "not a line `NAME=VALUE`", "write one; names hold no spaces")
        lines.append(Line(match["name"], match["value"].replace("$", "$$") if match["sign"] else None, place))
    return tuple(lines)


def _decoded(content: bytes, file: str) -> str:
    if len(content) > MAX_BYTES:
        raise _refused(Place(file, 1, 1), f"more than {MAX_BYTES} bytes", "split the file")
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _refused(Place(file, line, 1), "not UTF-8", "save the file as UTF-8") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _refused(Place(file, line, 1), "a NUL character", "remove it")
    return text


def _value(text: str, start: int, place: Place) -> tuple[str, int]:
    """The value that begins here, as a template, and where the text goes on."""
    quote = text[start : start + 1]
    if quote == "'":
        single = _SINGLE.match(text, start)
        if single is None:
            raise _unclosed(quote, place)
        return single[1].replace("$", "$$"), single.end()
    if quote == '"':
        double = _DOUBLE.match(text, start)
        if double is None:
            raise _unclosed(quote, place)
        return _ESCAPED.sub(lambda match: _ESCAPES.get(match[1], match[0]), double[1]), double.end()
    plain = _PLAIN.match(text, start)
    written, end = (plain[0], plain.end()) if plain else ("", start)
    return _COMMENT.sub("", written).strip(), end


def _unclosed(quote: str, place: Place) -> ManifestError:
    return _refused(place, f"a quote {quote} that does not end", "close it")


def _refused(place: Place, what: str, advice: str) -> ManifestError:
    return ManifestError([Problem(str(place), what, advice, ProblemKind.SYNTAX)])
