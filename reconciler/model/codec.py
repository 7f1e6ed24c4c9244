"""Values to plain JSON and back, by their declared types: one shape for the journal, the report and `-o json`.

Reading is strict: an unknown key, a missing one without a default or a value of another type is a ValueError.
"""

import base64
import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import TypeVar, Union, get_args, get_origin

Value = TypeVar("Value")
Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]


# What other programs hold in 64 bits (RFC 8259, section 6, speaks of interoperability).
_MOST = 2**63 - 1
# Most values are one of these, which needs no further question.
_SCALARS = {type(None), bool, int, float, str}
# Made once: a new encoder for each value would take most of the time.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def to_plain(value: object) -> Plain:
    """A value as dicts, lists and scalars. Fields at their default are left out."""
    if type(value) in _SCALARS:
        return typing.cast(Plain, value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: to_plain(part) for name, part in set_fields(value).items()}
    if isinstance(value, Mapping):
        return {str(key): to_plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(part) for part in value]
    if isinstance(value, frozenset):
        return sorted((to_plain(part) for part in value), key=str)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Enum):
        return to_plain(value.value)
    if isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"no plain form for {type(value).__name__}")


def set_fields(value: object) -> dict[str, object]:
    """The fields of a dataclass that are not at their default."""
    found = {}
    for name, default in _defaults(typing.cast(type, type(value))):
        part = getattr(value, name)
        if part is not default and part != default:
            found[name] = part
    return found


def canonical(value: object) -> bytes:
    """JSON that is equal, byte for byte, for equal values: sorted keys, no spaces, ASCII."""
    return _CANONICAL.encode(to_plain(value)).encode()


def from_json(kind: type[Value], data: bytes, *, ignores_unknown: bool = False) -> Value:
    """Read a value of this dataclass. Raises ValueError, naming the field.

    Fields that it has not are errors; or, of what a newer version of ours wrote, ignored.
    """
    try:
        plain = json.loads(data, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return typing.cast(Value, _read(kind, plain, kind.__name__, ignores_unknown))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON (RFC 8259)")


@cache
def _defaults(kind: type) -> tuple[tuple[str, object], ...]:
    return tuple((field.name, _default(field)) for field in dataclasses.fields(kind))


def _default(field: "dataclasses.Field[object]") -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


@cache
def _hints(kind: type) -> dict[str, object]:
    return typing.get_type_hints(kind)


def _read(kind: object, plain: object, at: str, ignores: bool) -> object:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _read_union(arguments, plain, at, ignores)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, plain, at, ignores)
    if origin in (tuple, frozenset):
        parts = enumerate(_expect(list, plain, at))
        found = (_read(arguments[0], part, f"{at}[{n}]", ignores) for n, part in parts)
        return tuple(found) if origin is tuple else frozenset(found)
    if origin is not None and issubclass(typing.cast(type, origin), Mapping):
        entries = _expect(dict, plain, at).items()
        return {key: _read(arguments[1], part, f"{at}.{key}", ignores) for key, part in entries}
    return _read_scalar(typing.cast(type, kind), plain, at)


def _read_union(arguments: tuple[object, ...], plain: object, at: str, ignores: bool) -> object:
    if plain is None and type(None) in arguments:
        return None
    return _read(next(part for part in arguments if part is not type(None)), plain, at, ignores)


def _read_dataclass(kind: type, plain: object, at: str, ignores: bool) -> object:
    found = _expect(dict, plain, at)
    hints = _hints(kind)
    unknown = sorted(found.keys() - hints.keys())
    if unknown and not ignores:
        raise ValueError(f"{at}: unknown field {unknown[0]!r}")
    try:
        return kind(
            **{name: _read(hints[name], part, f"{at}.{name}", ignores) for name, part in found.items() if name in hints}
        )
    except TypeError as error:
        raise ValueError(f"{at}: {error}") from error


def _read_scalar(kind: type, plain: object, at: str) -> object:
    if kind is bytes:
        return base64.b64decode(_expect(str, plain, at), validate=True)
    if issubclass(kind, Enum):
        return kind(plain)
    if type(plain) is int and not -_MOST <= plain <= _MOST:
        raise ValueError(f"{at}: a number with too many digits")
    # Python reads 1e999 as infinity, which it could not write as JSON again.
    if type(plain) is float and not math.isfinite(plain):
        raise ValueError(f"{at}: a number that is too big")
    if kind is float and type(plain) is int:
        return float(plain)
    return _expect(kind, plain, at)


def _expect(kind: type[Value], plain: object, at: str) -> Value:
    # bool is an int to isinstance; a report that says `exit_code: true` is still wrong.
    if not isinstance(plain, kind) or (isinstance(plain, bool) and kind is not bool):
        raise ValueError(f"{at}: expected {kind.__name__}, found {type(plain).__name__}")
    return plain
