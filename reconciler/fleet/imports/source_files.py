"""Reads what a user gives us: files of a bounded size, and JSON of a bounded shape. Any byte of it may be hostile."""

import json
from pathlib import Path
from typing import Any

from reconciler.errors import ManifestError, PermissionDenied, Problem, ProblemKind, ReconcilerError
from reconciler.fleet.imports.parts import Part, pointer_to

# Each limit is some 10 times what the largest deployment needs that IoT Hub accepts (100 modules, 512 KB in all).
MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 32
MAX_VALUES = 50_000
MAX_KEY = 256


def read_source(path: Path, most: int = MAX_BYTES) -> bytes:
    """The bytes of a file. Raises ReconcilerError when there is none, or more than `most` bytes."""
    try:
        if not path.is_file():
            raise ReconcilerError("no such file", where=str(path), advice="name a file that exists")
        with path.open("rb") as file:
            content = file.read(most + 1)
    except PermissionError as error:
        raise PermissionDenied("may not read", where=str(path), advice="make the file readable") from error
    except (OSError, ValueError) as error:
        raise ReconcilerError(f"cannot be read: {error}", where=str(path), advice="name another file") from error
    if len(content) > most:
        raise ManifestError(
            [Problem(str(path), f"the file has over {most} bytes", "split it, or take out what is big")]
        )
    return content


def parse_json(text: str | bytes, file: str, pointer: str = "") -> Part:
    """A JSON document, below a pointer when it stands inside of another one. Raises ManifestError."""
    root = Part(None, file, pointer)
    try:
        # Windows saves exports with a byte order mark.
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError as error:
        raise _refused(root, f"nested more than {MAX_DEPTH} deep", "flatten it") from error
    except UnicodeDecodeError as error:
        raise _refused(root, "not UTF-8", "save the file as UTF-8") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise _refused(root, f"not JSON: {error.msg} ({place})", "check commas, quotes and brackets there") from error
    except ValueError as error:
        # Of our own hooks, or Python's limit for digits; none of them quotes a value.
        raise _refused(root, f"not JSON: {error}", "check the file") from error
    _check_shape(Part(value, file, pointer))
    return Part(value, file, pointer)


def _refused(part: Part, what: str, advice: str) -> ManifestError:
    return ManifestError([Problem(part.where, what, advice, ProblemKind.SYNTAX)])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {name[:MAX_KEY]!r} a second time")
        found[name] = value
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _check_shape(root: Part) -> None:
    """Bounded depth, number and keys, and only text that UTF-8 can hold. Without recursion."""
    count, rest = 0, [(root.value, root.pointer, 0)]
    while rest:
        value, pointer, depth = rest.pop()
        here = Part(value, root.file, pointer)
        count += 1
        if count > MAX_VALUES:
            raise _refused(here, f"more than {MAX_VALUES} values", "split the file")
        if depth > MAX_DEPTH:
            raise _refused(here, f"nested more than {MAX_DEPTH} deep", "flatten it")
        if isinstance(value, str) and not _is_unicode(value):
            raise _refused(here, "half a surrogate pair", "write the character as UTF-8")
        if isinstance(value, dict):
            for key in value:
                if len(key) > MAX_KEY or not _is_unicode(key):
                    raise _refused(here, f"a key with over {MAX_KEY} characters, or one that is no text", "shorten it")
            rest += [(child, pointer_to(pointer, key), depth + 1) for key, child in value.items()]
        elif isinstance(value, list):
            rest += [(child, pointer_to(pointer, str(index)), depth + 1) for index, child in enumerate(value)]


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
