"""Which layers a device enters and leaves between two revisions, and the line that says so."""

from dataclasses import dataclass

from reconciler.errors import ManifestError
from reconciler.manifests.render import Wanted
from reconciler.model import Place
from reconciler.model.tree import Tree
from reconciler.reading import Node, parse


@dataclass(frozen=True, slots=True)
class Move:
    """Layers by tier and name, `site/plant-7`; the place of the label, or of the selector, that was changed."""

    entered: tuple[str, ...]
    left: tuple[str, ...]
    place: Place


class Moves:
    """The moves between two revisions. A file is read again only to find the line."""

    def __init__(self, before: Tree, after: Tree) -> None:
        self._before, self._after = before, after
        self._selectors: dict[str, Place] = {}

    def of(self, before: Wanted, after: Wanted) -> Move | None:
        """How one device moves, if it does."""
        if before.sources is after.sources:
            return None
        old, new = _layers(before), _layers(after)
        entered, left = sorted(new - old), sorted(old - new)
        if not (entered or left):
            return None
        labels = (before.device.labels, after.device.labels)
        changed = sorted(key for key in {**labels[0], **labels[1]} if labels[0].get(key) != labels[1].get(key))
        place = self._label(after.device.place, changed) if changed else self._selector((*entered, *left)[0])
        return Move(tuple(entered), tuple(left), place)

    def _label(self, device: Place, changed: list[str]) -> Place:
        """Where the first of these labels stands in the device's file, or where it would."""
        root = _node(self._after, device.file)
        metadata = root.entries["metadata"] if root else None
        labels = metadata.entries.get("labels") if metadata else None
        written = [labels.entries[key].place for key in changed if key in labels.entries] if labels else []
        return written[0] if written else labels.key if labels else metadata.key if metadata else device

    def _selector(self, layer: str) -> Place:
        path = f"layers/{layer}.yaml"
        if path not in self._selectors:
            root = _node(self._after, path) or _node(self._before, path)
            spec = root.entries.get("spec") if root else None
            selector = spec.entries.get("selector", spec) if spec else root
            self._selectors[path] = selector.key if selector else Place(path, 1, 1)
        return self._selectors[path]


def _layers(wanted: Wanted) -> set[str]:
    return {f"{source.tier}/{source.name}" for source in wanted.sources if source.tier}


def _node(tree: Tree, path: str) -> Node | None:
    try:
        return parse(tree[path], path) if path in tree else None
    except ManifestError:
        return None
