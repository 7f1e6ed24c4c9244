"""Why an app changes between two revisions: the JSON pointers whose values differ, and who set the new ones."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.manifests.compose.sealed import path_of
from reconciler.manifests.documents import Patch
from reconciler.manifests.explain import node_at, setters_of
from reconciler.manifests.interpolate import InterpolationError, used_names
from reconciler.manifests.merge import written_pointers
from reconciler.manifests.render import FleetFiles, Wanted
from reconciler.model import App, Place
from reconciler.model.tree import Tree, inside
from reconciler.reading import Node, Problems, excerpt, plain, walk


@dataclass(frozen=True, slots=True)
class Reason:
    """A value of an app that is another now. Values are shown as written, so with their variables.

    `place` is where the new value was set, or the old one was taken away; `was` is where the old one was set.
    `by` says who: `the Compose file`, `layer site/plant-7`, `${TITLE} of the device`; nobody, for what is simply not
    there any more. The empty pointer is the app itself.
    """

    app: str
    pointer: str
    before: str
    after: str
    place: Place
    by: str
    was: Place | None = None

    def __str__(self) -> str:
        if not self.pointer:
            asked = f"at {self.place} ({self.by or teller(self.place)})"
            return f"{self.app} is asked for {asked}" if self.by else f"nobody asks for {self.app} any more, as {asked}"
        if not self.by:
            return f"{self.pointer} is gone, it was set at {self.place} ({teller(self.place)}): {self.before}"
        if not self.after:
            what = f"is removed at {self.place} ({self.by}): {self.before}"
            return f"{self.pointer} {what if self.before else f'has another content at {self.place} ({self.by})'}"
        change = f"{self.before} -> {self.after}" if self.before else self.after
        where = f", before at {self.was}" if self.was and self.was.file != self.place.file else ""
        return f"{self.pointer} is set at {self.place} ({self.by}): {change}{where}"


@dataclass(frozen=True, slots=True)
class Side:
    """An app of one device in one revision: patched, resolved, read."""

    tree: Tree
    wanted: Wanted
    patched: Node
    resolved: Node
    app: App

    def written(self, pointer: str) -> Node | None:
        """The value before its variables were replaced."""
        return node_at(self.patched, pointer)


def side_of(files: FleetFiles, wanted: Wanted, app: App) -> Side | None:
    """One side of an app that was rendered."""
    name, problems = app.name, Problems()
    patched = files.apps.patched(name, wanted.apps[name], wanted.patches[name], problems)
    if patched is None:
        return None
    resolved = files.apps.resolved(name, patched.document, wanted.variables, problems)
    return Side(files.tree, wanted, patched.document, resolved, app)


def arrival(app: str, wanted: Wanted) -> Reason:
    """Why the device runs an app that it did not run."""
    place = wanted.apps[app]
    return Reason(app, "", "", "", place, teller(place))


def departure(app: str, wanted: Wanted) -> Reason:
    """Why the device does not run an app any more: who asked for it does not."""
    place = wanted.apps[app]
    return Reason(app, "", "", "", place, "", place)


def reasons_of(old: Side, new: Side) -> Iterator[Reason]:
    """Why the app is another one, in the order of the document."""
    for pointer, before, after in _differences(old.resolved, new.resolved):
        if _matters(pointer, old.app, new.app):
            yield from _reasons_at(pointer, before, after, old, new)
    if old.app.configs != new.app.configs:
        yield from _contents(old, new)


def _contents(old: Side, new: Side) -> Iterator[Reason]:
    """The files that are named as before, and say something else."""
    name = new.app.name
    for section in ("configs", "secrets"):
        entries = new.resolved.entries[section].entries if section in new.resolved.entries else {}
        for key, node in entries.items():
            path = inside(f"apps/{name}", str(node.entries["file"].value)) if "file" in node.entries else None
            if path and path in old.tree and old.tree[path] != new.tree.get(path):
                yield Reason(name, f"/{section}/{key}/file", "", "", Place(path, 1, 1), "the file")
    before = {file.key: file for file in old.app.configs if file.secret}
    for file in new.app.configs:
        known = before.get(file.key)
        if known is not None and known.secret == file.secret and known.digest != file.digest:
            place = Place(path_of(file.secret, new.wanted.device.name), 1, 1)
            yield Reason(name, f"/secrets/{file.key}", "", "", place, "the secret")


def teller(place: Place) -> str:
    """Who speaks at this place."""
    top, _, rest = place.file.partition("/")
    if top == "layers":
        return f"layer {rest.removesuffix('.yaml')}"
    if top == "devices":
        return "the device"
    return "the Compose file" if rest.endswith("/compose.yaml") else "the file"


def _differences(
    old: Node | None, new: Node | None, pointer: str = ""
) -> Iterator[tuple[str, Node | None, Node | None]]:
    """The values that differ, each as far up as it is new or gone as a whole."""
    if old is None or new is None:
        yield pointer, old, new
    elif old.is_mapping and new.is_mapping:
        for key in {**old.entries, **new.entries}:
            below = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
            yield from _differences(old.entries.get(key), new.entries.get(key), below)
    elif old.is_list and new.is_list and len(old.elements) == len(new.elements):
        for index, (one, other) in enumerate(zip(old.elements, new.elements, strict=True)):
            yield from _differences(one, other, f"{pointer}/{index}")
    elif repr(plain(old)) != repr(plain(new)):
        yield pointer, old, new


def _matters(pointer: str, old: App, new: App) -> bool:
    """Could it be for this that the app changes? Not for an extension, nor for a service that is the same."""
    _, section, *rest = [*pointer.split("/"), ""]
    if section == "services":
        name = rest[0].replace("~1", "/").replace("~0", "~")
        return not rest[1].startswith("x-") and old.service(name) != new.service(name) if len(rest) > 1 else True
    return {"networks": old.networks != new.networks, "volumes": old.volumes != new.volumes}.get(
        section, section in ("configs", "secrets") and old.configs != new.configs
    )


def _reasons_at(pointer: str, before: Node | None, after: Node | None, old: Side, new: Side) -> Iterator[Reason]:
    app, first, then = new.app.name, old.written(pointer), new.written(pointer)
    was = before.place if before else None
    if first is not None and then is not None and plain(first) == plain(then):
        found = list(_variables(pointer, then, old, new))
        if found:
            yield from found
            return
    if after is None:
        place = _remover(pointer, new.wanted.patches[app]) or was
        if place is not None:
            by = teller(place) if place != was else ""
            yield Reason(app, pointer, _shown(first or before), "", place, by, was)
        return
    place = _new_place(before, after)
    yield Reason(app, pointer, _shown(first or before), _shown(then or after), place, teller(place), was)


def _new_place(before: Node | None, after: Node) -> Place:
    """Of a list that grew, the first element that is new."""
    known = {repr(plain(element)) for element in before.elements} if before else set()
    if before is not None and after.is_list:
        return next((one.place for one in after.elements if repr(plain(one)) not in known), after.place)
    return after.place


def _shown(node: Node | None) -> str:
    return excerpt(node) if node else ""


def _variables(pointer: str, written: Node, old: Side, new: Side) -> Iterator[Reason]:
    """The variables in a text that nobody edited whose values are others now."""
    first, then = setters_of(old.wanted.sources), setters_of(new.wanted.sources)
    for name in _names(pointer, written, old.wanted.variables, new.wanted.variables):
        before, after = old.wanted.variables.get(name), new.wanted.variables.get(name)
        was, now = first.get(name, [None])[-1], then.get(name, [None])[-1]
        setter = now or was
        if before != after and setter is not None:
            by = setter.by if now else ""
            told, tells = ("" if value is None else repr(value) for value in (before, after))
            yield Reason(new.app.name, pointer, told, tells, setter.place, by, was.place if was else None)


def _names(pointer: str, written: Node, *both: Mapping[str, str]) -> list[str]:
    if written.value is None:
        return [pointer.rpartition("/")[2]]
    found: dict[str, None] = {}
    for variables in both:
        try:
            found |= dict.fromkeys(used_names(str(written.value), variables))
        except InterpolationError:
            continue
    return list(found)


def _remover(pointer: str, patches: list[Patch]) -> Place | None:
    """The operation that takes the value away, if it is one of a patch."""
    for patch in reversed(patches):
        prefix = f"/services/{patch.service}" if patch.service else ""
        for written, node in _taken(patch):
            if pointer == prefix + written or pointer.startswith(f"{prefix}{written}/"):
                return node.place
    return None


def _taken(patch: Patch) -> list[tuple[str, Node]]:
    if patch.is_merge:
        return [(pointer, node) for pointer, node in walk(patch.body) if node.value is None]
    return [(pointer, node) for pointer, node in written_pointers(patch.body) if node.entries["op"].value != "add"]
