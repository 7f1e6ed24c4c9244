"""A parsed value that knows where it was written: the tree that layers, patches and checks work on.

Because a patch brings nodes of its own file with it, the place of every value of a merged document is simply the
place of its node; there is no second table to keep in step.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from reconciler.model import Place

# Everything here that walks a tree calls itself for each level.
MAX_DEPTH = 32

Scalar = None | bool | int | float | str
Plain = Scalar | list["Plain"] | dict[str, "Plain"]


class Node(NamedTuple):
    """A scalar, a mapping or a list, never changed after it is built. `key` is the place of the key that leads here."""

    value: "Scalar | Mapping[str, Node] | tuple[Node, ...]"
    place: Place
    key: Place

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.value, dict)

    @property
    def is_list(self) -> bool:
        return isinstance(self.value, tuple)

    @property
    def entries(self) -> "Mapping[str, Node]":
        """The entries of a mapping; nothing for another kind, which is told where it is expected."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def elements(self) -> "tuple[Node, ...]":
        """The elements of a list; nothing for another kind."""
        return self.value if isinstance(self.value, tuple) else ()

    @property
    def kind(self) -> str:
        """What a person calls this kind of value."""
        if self.value is None:
            return "nothing"
        return _KINDS.get(type(self.value), "text")


_KINDS: dict[type, str] = {
    dict: "a mapping",
    tuple: "a list",
    bool: "true or false",
    int: "a number",
    float: "a number",
}


def plain(node: Node) -> Plain:
    """The value without its places."""
    value = node.value
    if isinstance(value, dict):
        return {key: plain(child) for key, child in value.items()}
    if isinstance(value, tuple):
        return [plain(child) for child in value]
    return value  # type: ignore[return-value]  # what is neither a mapping nor a list is a scalar


def graft(value: Plain, place: Place) -> Node:
    """A plain value, as if written at one place."""
    if isinstance(value, dict):
        return Node({key: graft(child, place) for key, child in value.items()}, place, place)
    if isinstance(value, list):
        return Node(tuple(graft(child, place) for child in value), place, place)
    return Node(value, place, place)


def excerpt(node: Node) -> str:
    """The offending text for a message, in one short line."""
    text = repr(plain(node))
    return text if len(text) <= 60 else text[:57] + "..."


def walk(node: Node, pointer: str = "") -> Iterator[tuple[str, Node]]:
    """Every node with its JSON pointer (RFC 6901), the root first."""
    yield pointer, node
    for key, child in node.entries.items():
        yield from walk(child, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    for index, child in enumerate(node.elements):
        yield from walk(child, f"{pointer}/{index}")


def depth(node: Node) -> int:
    """How many mappings and lists lie inside of each other, counting one further than MAX_DEPTH at most."""
    level, count = [node], 0
    while count <= MAX_DEPTH and (level := [current for current in level if current.is_mapping or current.is_list]):
        count += 1
        level = [child for current in level for child in (*current.entries.values(), *current.elements)]
    return count


def size(node: Node, limit: int) -> int:
    """How many nodes, counting no further than the limit."""
    count, rest = 0, [node]
    while rest and count <= limit:
        current = rest.pop()
        count += 1
        rest += current.entries.values()
        rest += current.elements
    return count
