"""What one app of a device may have in common with another: names on the Engine, images, configs. Told from the patched
document, without reading the app, so that whoever compares two revisions knows which apps to look at together.

It may name more than the app will have, never less: what is named too much is looked at in vain.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.manifests.interpolate import InterpolationError, substitute
from reconciler.model import DEFAULT_NETWORK
from reconciler.model.image import listed_name
from reconciler.model.tree import Tree, inside
from reconciler.reading import Node, scalar_text

_CONTENTS = ("file", "content")

# The kind and the name: `("network", "plant")`, `("image", "busybox:1.36")`, `("config", its digest)`.
Mention = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Mentions:
    """What an app names, and what it names by variables, as written."""

    app: str
    tree: Tree
    fixed: frozenset[Mention]
    open: tuple[Mention, ...]

    def touch(self, asked: frozenset[Mention], variables: Mapping[str, str]) -> bool:
        """Is any of these named by the app of a device with these variables?"""
        if not self.fixed.isdisjoint(asked):
            return True
        return any(_named(kind, _substituted(text, variables), self) in asked for kind, text in self.open)

    def containers(self, variables: Mapping[str, str]) -> set[Mention]:
        """The names of its containers: two apps of a device that have one in common keep each other from running."""
        opened = {(kind, _substituted(text, variables)) for kind, text in self.open if kind == "container"}
        return {one for one in self.fixed if one[0] == "container"} | opened


def mentions_of(app: str, document: Node, tree: Tree) -> Mentions:
    """What the app with this patched document names."""
    found = frozenset(_texts(app, document))
    is_open = tuple(sorted(one for one in found if "$" in one[1]))
    known = Mentions(app, tree, frozenset(), is_open)
    return Mentions(app, tree, frozenset(_named(*one, known) for one in found if "$" not in one[1]), is_open)


def _texts(app: str, document: Node) -> Iterator[Mention]:
    yield "network", f"{app}_{DEFAULT_NETWORK}"
    for name, service in _section(document, "services"):
        yield "container", _text(service, "container_name") or f"{app}-{name}-1"
        yield "image", _text(service, "image")
    for kind, section in (("network", "networks"), ("volume", "volumes")):
        for key, node in _section(document, section):
            yield kind, _text(node, "name") or key
            yield kind, f"{app}_{key}"
    for section in ("configs", "secrets"):
        for _, node in _section(document, section):
            # From elsewhere than these, nothing is known before the app is read.
            yield next(
                ((member, _text(node, member)) for member in _CONTENTS if member in node.entries), ("config", "")
            )


def _section(document: Node, key: str) -> Iterator[tuple[str, Node]]:
    yield from document.entries[key].entries.items() if key in document.entries else ()


def _text(node: Node, key: str) -> str:
    return scalar_text(node.entries[key]) if key in node.entries else ""


def _substituted(text: str, variables: Mapping[str, str]) -> str:
    try:
        return substitute(text, variables)
    except InterpolationError:
        # Then the app is broken, and has nothing.
        return ""


def _named(kind: str, text: str, mentions: Mentions) -> Mention:
    """The text of a file as what it stands for."""
    if kind == "image":
        return kind, listed_name(text)
    if kind == "file":
        content = mentions.tree.get(inside(f"apps/{mentions.app}", text) or "", b"")
        return "config", hashlib.sha256(content).hexdigest()
    return ("config", hashlib.sha256(text.encode()).hexdigest()) if kind == "content" else (kind, text)
