"""Who set what: for every JSON pointer of a rendered app, the places that wrote it, in order."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.manifests.documents import Source
from reconciler.manifests.interpolate import used_names
from reconciler.manifests.merge import pointer_parts
from reconciler.model import Place
from reconciler.reading import Node, excerpt, walk


@dataclass(frozen=True, slots=True)
class Setting:
    """One place that wrote a value, and who: `apps/x/compose.yaml:4:5`, `layer site/plant-7`, `${TITLE}`."""

    place: Place
    by: str
    value: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A value of the rendered Compose document, and the settings that led to it; the last one wins."""

    pointer: str
    value: str
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """The Compose document after one layer, or the device, has patched it; the first is the file itself."""

    by: str
    document: Node


def explain(
    stages: Iterable[Stage], rendered: Node, sources: Iterable[Source], variables: Mapping[str, str], prefix: str
) -> list[Explanation]:
    """Explain every value below the pointer `prefix`, in the order of the document."""
    before = list(stages)
    setters = setters_of(sources)
    found = []
    for pointer, node in walk(rendered):
        if (pointer == prefix or pointer.startswith(f"{prefix}/")) and not node.entries and not node.elements:
            chain = tuple(_chain(pointer, before, setters, variables))
            # What no stage holds came with the variables, out of an env file.
            chain = chain or (Setting(node.place, "an env file", excerpt(node)),)
            found.append(Explanation(pointer, excerpt(node), chain))
    return found


def _chain(
    pointer: str, stages: Iterable[Stage], setters: Mapping[str, list[Setting]], variables: Mapping[str, str]
) -> Iterator[Setting]:
    last: Node | None = None
    for stage in stages:
        node = node_at(stage.document, pointer)
        if node is not None and (last is None or (node.place, node.value) != (last.place, last.value)):
            yield Setting(node.place, stage.by, excerpt(node))
        last = node
    if last is not None and isinstance(last.value, str):
        for name in used_names(last.value, variables):
            yield from setters.get(name, ())


def node_at(document: Node, pointer: str) -> Node | None:
    """What a JSON pointer leads to, if there is something."""
    node: Node | None = document
    for part in pointer_parts(pointer):
        if node is None:
            return None
        if node.is_list:
            node = node.elements[int(part)] if part.isdigit() and int(part) < len(node.elements) else None
        else:
            node = node.entries.get(part)
    return node


def setters_of(sources: Iterable[Source]) -> dict[str, list[Setting]]:
    """Every place that sets a variable, in the order in which they override each other."""
    found: dict[str, list[Setting]] = {}
    for source in sources:
        for name, node in source.variables.items():
            found.setdefault(name, []).append(Setting(node.place, f"${{{name}}} of {source.told}", excerpt(node)))
    return found
