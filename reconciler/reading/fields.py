"""Reads typed fields out of nodes; what has the wrong kind becomes a problem and a harmless default."""

import difflib
import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from reconciler.model.durations import seconds_of
from reconciler.reading.node import Node
from reconciler.reading.problems import Problems

Value = TypeVar("Value")

# Go's time.ParseDuration, which Compose uses.
_BYTES = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)\s*([bkmgtp]?)(i?b)?", re.IGNORECASE)
_POWERS = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
# Guessing what was meant is slow, and a file with more unknown keys in one place is of another kind.
_MOST_UNKNOWN = 50
# The Engine's own numbers end here.
_MAX_SIZE = 2**63


def check_keys(node: Node, allowed: Collection[str], owner: str, problems: Problems) -> None:
    """Every key must be one of these, or an `x-` extension; a near miss is suggested."""
    unknown = [key for key in node.entries if key not in allowed and not key.startswith("x-")]
    for key in unknown[:_MOST_UNKNOWN]:
        near = difflib.get_close_matches(key, allowed, 1)
        advice = f"did you mean `{near[0]}`?" if near else f"allowed are {', '.join(sorted(allowed)) or 'none'}"
        problems.add(node.entries[key].key, f"unknown key `{key}` in {owner}", advice)


def scalar_text(node: Node) -> str:
    """A scalar as Compose writes it into an environment or a label."""
    value = node.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return "" if value is None else str(value)


def is_scalar(node: Node) -> bool:
    return not (node.is_mapping or node.is_list)


def text(node: Node, name: str, problems: Problems) -> str:
    """Text, or a number or truth value taken as the text that it is."""
    if not is_scalar(node) or node.value is None:
        problems.expected(node, name, "text")
        return ""
    return scalar_text(node)


def boolean(node: Node, name: str, problems: Problems) -> bool:
    """true or false; also as text, because a variable brings text."""
    if isinstance(node.value, bool):
        return node.value
    if node.value in ("true", "false"):
        return node.value == "true"
    problems.expected(node, name, "true or false")
    return False


def integer(node: Node, name: str, problems: Problems) -> int:
    """A whole number; also as text, because a variable brings text."""
    value = node.value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value):
        return int(value)
    problems.expected(node, name, "a whole number")
    return 0


def number(node: Node, name: str, problems: Problems) -> float:
    """A number of 0 or more; also as text."""
    try:
        value = math.nan if isinstance(node.value, bool) or not is_scalar(node) else float(scalar_text(node))
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        problems.expected(node, name, "a number of 0 or more")
        return 0.0
    return value


def seconds(node: Node, name: str, problems: Problems) -> float:
    """A duration such as `1m30s`, in seconds."""
    found = seconds_of(str(node.value))
    if found is None:
        problems.expected(node, name, "a duration such as `30s` or `1m30s`")
    return found or 0.0


def size_in_bytes(node: Node, name: str, problems: Problems) -> int:
    """A size such as `64m`, in bytes; units are powers of 1024, as in Compose."""
    match = _BYTES.fullmatch(str(node.value)) if is_scalar(node) and not isinstance(node.value, bool) else None
    size = int(float(match[1]) * 1024 ** _POWERS[match[2].lower()]) if match else _MAX_SIZE
    if size >= _MAX_SIZE:
        problems.expected(node, name, "a size such as `64m` or `1g`")
        return 0
    return size


def texts(node: Node, name: str, problems: Problems) -> tuple[str, ...]:
    """A list of texts, or a single one."""
    if is_scalar(node) and node.value is not None:
        return (scalar_text(node),)
    return listed(node, name, problems, text)


def listed(
    node: Node, name: str, problems: Problems, read: Callable[[Node, str, Problems], Value]
) -> tuple[Value, ...]:
    """A list, each element read the same way."""
    if not node.is_list:
        problems.expected(node, name, "a list")
    return tuple(read(element, f"{name}[{index}]", problems) for index, element in enumerate(node.elements))


def text_map(node: Node, name: str, problems: Problems) -> Mapping[str, str]:
    """A mapping of texts; a key without a value has the empty text."""
    mapping(node, name, problems)
    found = {}
    for key, child in node.entries.items():
        if not is_scalar(child):
            problems.expected(child, f"{name}.{key}", "text")
        found[key] = scalar_text(child) if is_scalar(child) else ""
    return found


def mapping(node: Node, name: str, problems: Problems) -> Mapping[str, Node]:
    """The entries of a mapping; a key without a value is an empty one."""
    if not node.is_mapping and node.value is not None:
        problems.expected(node, name, "a mapping")
    return node.entries
