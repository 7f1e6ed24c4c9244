"""How fields of the agent's settings are read: a section, a word, a duration, a path beside the file."""

from collections.abc import Mapping
from pathlib import Path

from reconciler.reading import Node, Problems, check_keys, mapping, seconds, text


def section(node: Node, key: str, allowed: tuple[str, ...], problems: Problems) -> Node:
    found = node.entries.get(key, Node({}, node.place, node.place))
    mapping(found, key, problems)
    check_keys(found, allowed, f"`{key}`", problems)
    return found


def word(within: Node, key: str, default: str, problems: Problems) -> str:
    entries: Mapping[str, Node] = within.entries
    return text(entries[key], key, problems) if key in entries else default


def duration(within: Node, key: str, default: float, problems: Problems) -> float:
    return seconds(within.entries[key], key, problems) if key in within.entries else default


def path_beside(within: Node, key: str, folder: Path, problems: Problems) -> Path | None:
    """A path; a relative one is beside the settings file."""
    return folder / text(within.entries[key], key, problems) if key in within.entries else None
