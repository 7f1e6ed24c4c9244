"""Keys of a Compose service that are being gathered, and the readers that most create options share."""

from collections.abc import Callable
from typing import Any

from reconciler.fleet.imports.account import Account
from reconciler.fleet.imports.parts import Part

Fields = dict[str, Any]
Reader = Callable[[Part, Account], Fields]

_UNITS = ((10**9, "s"), (10**6, "ms"), (10**3, "us"), (1, "ns"))


def escaped(text: str) -> str:
    """IoT Edge knows no variables: a dollar sign is one."""
    return text.replace("$", "$$")


def merged(first: Fields, second: Fields) -> Fields:
    """Both: lists one after the other, mappings key by key, and else the second."""
    result = dict(first)
    for key, value in second.items():
        before = result.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            result[key] = merged(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            result[key] = before + [element for element in value if element not in before]
        elif value is not None or key not in result:
            result[key] = value
    return result


def plain_text(key: str) -> Reader:
    return lambda part, _: {key: escaped(part.text())}


def texts(key: str) -> Reader:
    return lambda part, _: {key: [escaped(text) for text in part.texts()]}


def flag(key: str) -> Reader:
    return lambda part, _: {key: part.boolean()}


def number(key: str) -> Reader:
    return lambda part, _: {key: part.integer()}


def text_map(key: str) -> Reader:
    return lambda part, _: {key: {name: escaped(value) for name, value in part.scalars().items()}}


def duration(part: Part) -> str:
    """Nanoseconds, as Compose writes a duration."""
    nanoseconds = part.integer()
    if nanoseconds < 0:
        raise part.expected("a duration of 0 or more")
    size, unit = next(unit for unit in _UNITS if nanoseconds % unit[0] == 0)
    return f"{nanoseconds // size}{unit}"


def only(part: Part, known: str, account: Account) -> dict[str, Part]:
    """The known members of an object that say something, by their names in small letters; others are told."""
    found: dict[str, Part] = {}
    for name, child in part.entries().items():
        if child.is_default:
            continue
        if name.lower() in known.lower().split():
            found[name.lower()] = child
        else:
            account.left(f"the create option `{name}`", child.where, "Compose has no word for it")
    return found
