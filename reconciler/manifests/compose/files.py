"""The Compose document of an app, out of all its files: `include` and `extends`, inside the app's own folder.

Both are done before layers and patches, so a pointer of a patch sees the whole service. Every value keeps the place of
the file that it was written in; paths become relative to the app's folder.
"""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.errors import ManifestError, Problem
from reconciler.manifests.compose.forms import normalise
from reconciler.manifests.compose.overlay import overlay_document, overlay_service
from reconciler.model import Place
from reconciler.model.tree import Tree, inside
from reconciler.reading import Node, Problems, check_keys, parse, plain, size, text

MAX_FILES = 50
# Values in all services that extend others: each copies what it extends.
MAX_EXTENDED = 100_000
_MAX_CHAIN = 20
_SECTIONS = ("services", "networks", "volumes", "configs", "secrets")


def load(app: str, tree: Tree, asked_at: Place) -> Node:
    """The document of `apps/APP/compose.yaml`, normalised. Raises ManifestError."""
    path = f"apps/{app}/compose.yaml"
    if path not in tree:
        raise ManifestError([Problem(str(asked_at), f"there is no app `{app}`", f"add {path}")])
    loader = _Loader(app, tree)
    document = loader.document("compose.yaml")
    loader.problems.raise_if_any()
    return document


@dataclass(frozen=True, slots=True)
class _Loader:
    """The files of one app, each read once. Paths are relative to the app's folder."""

    app: str
    tree: Tree
    problems: Problems = field(default_factory=Problems)
    read: dict[str, Node] = field(default_factory=dict)
    whole: dict[str, Node] = field(default_factory=dict)
    extended: list[int] = field(default_factory=list)

    def document(self, path: str, included_by: tuple[str, ...] = ()) -> Node:
        """A whole file: its services extended, what it includes put beside."""
        if path not in self.whole:
            self.whole[path] = self._whole(path, (*included_by, path))
        return self.whole[path]

    def _whole(self, path: str, chain: tuple[str, ...]) -> Node:
        file = self._file(path)
        entries = dict(file.entries)
        services = entries.get("services")
        if services is not None and services.is_mapping:
            extended = {name: self._extended(path, name, node, ()) for name, node in services.entries.items()}
            entries["services"] = services._replace(value=extended)
        included = entries.pop("include", None)
        document = file._replace(value=entries) if file.is_mapping else file
        for element in _listed(included)[: MAX_FILES + 1]:
            found = self._included(path, element, chain)
            document = self._beside(document, found) if found else document
        return document

    def _file(self, path: str) -> Node:
        if path not in self.read:
            if len(self.read) >= MAX_FILES:
                raise ManifestError([Problem(f"apps/{self.app}", f"more than {MAX_FILES} Compose files", "join some")])
            whole = f"apps/{self.app}/{path}"
            self.read[path] = _moved(normalise(parse(self.tree[whole], whole), self.problems), posixpath.dirname(path))
        return self.read[path]

    def _path(self, node: Node, beside: str) -> str | None:
        """A file that is named relative to another; a problem, if it is not there."""
        written = text(node, "the file", self.problems)
        if "$" in written:
            self.problems.add(node.place, f"a variable in the path {written!r}", "write the path out")
        if not written or "$" in written:
            return None
        path = inside(f"apps/{self.app}", posixpath.join(posixpath.dirname(beside), written))
        if path is None or path not in self.tree or posixpath.isabs(written):
            folder = posixpath.join(f"apps/{self.app}", posixpath.dirname(beside)).rstrip("/")
            self.problems.add(
                node.place, f"there is no file {written!r} in {folder}", "name a file of the app's folder"
            )
            return None
        return path.removeprefix(f"apps/{self.app}/")

    def _included(self, path: str, node: Node, chain: tuple[str, ...]) -> Node | None:
        """One element of `include`: a file, or several that lie over each other."""
        for key in ("project_directory", "env_file"):
            if key in node.entries:
                advice = "paths are relative to the file that they stand in, variables those of layers and device"
                self.problems.add(node.entries[key].key, f"`include` with `{key}` is not supported", advice)
        check_keys(node, ("path", "project_directory", "env_file"), "`include`", self.problems)
        found: Node | None = None
        for element in _listed(node.entries.get("path", node)):
            file = self._path(element, path)
            if file in chain:
                told = " -> ".join([*chain[chain.index(file) :], file])
                self.problems.add(element.place, f"the files {told} include each other", "break the circle")
            elif file is not None:
                document = self.document(file, chain)
                check_keys(document, (*_SECTIONS, "version", "name"), "an included file", self.problems)
                found = document if found is None else overlay_document(found, document)
        return found

    def _beside(self, document: Node, included: Node) -> Node:
        """Both documents in one; they must not say two things of one name."""
        entries = dict(document.entries)
        for section in _SECTIONS:
            theirs = included.entries.get(section)
            if theirs is None or not theirs.is_mapping:
                continue
            own = entries.get(section, theirs._replace(value={}))
            for name, node in theirs.entries.items():
                if name in own.entries and plain(own.entries[name]) != plain(node):
                    what = f"`{section}` has {name!r} also at {own.entries[name].key}"
                    self.problems.add(node.key, what, "name it once, or make both equal")
            entries[section] = own._replace(value={**theirs.entries, **own.entries})
        return document._replace(value=entries)

    def _extended(self, path: str, name: str, service: Node, chain: tuple[tuple[str, str], ...]) -> Node:
        """A service over what it extends, and that over what it extends in turn."""
        said = service.entries.get("extends")
        if said is None:
            return service
        own = service._replace(value={key: node for key, node in service.entries.items() if key != "extends"})
        chain = (*chain, (path, name))
        found = self._base(path, said, chain) if said.value is not None else None
        if found is None:
            return own
        extended = overlay_service(self._extended(*found, chain), own)
        self.extended.append(size(extended, MAX_EXTENDED))
        if sum(self.extended) > MAX_EXTENDED:
            what = f"services that extend others grow over {MAX_EXTENDED} values"
            raise ManifestError([Problem(str(said.place), what, "extend smaller ones")])
        return extended

    def _base(self, path: str, said: Node, chain: tuple[tuple[str, str], ...]) -> tuple[str, str, Node] | None:
        """The file, name and text of what is extended; None, with a problem, when there is none."""
        check_keys(said, ("service", "file"), "`extends`", self.problems)
        named = said.entries.get("service")
        if named is None and (said.is_mapping or said.is_list):
            self.problems.add(said.place, "`extends` without `service`", "name the service to extend")
            return None
        named = named or said
        wanted = text(named, "extends", self.problems)
        file = self._path(said.entries["file"], path) if "file" in said.entries else path
        if file is None or not wanted:
            return None
        if (file, wanted) in chain or len(chain) > _MAX_CHAIN:
            told = " -> ".join([*(name for _, name in chain), wanted])
            # Told where the circle begins by name, and so once.
            if (file, wanted) == min(chain):
                self.problems.add(said.place, f"the services {told} extend each other", "break the circle")
            elif (file, wanted) not in chain:
                self.problems.add(
                    said.place, f"a chain of over {_MAX_CHAIN} services that extend each other", "shorten it"
                )
            return None
        services = self._file(file).entries.get("services")
        base = services.entries.get(wanted) if services else None
        if base is None:
            known = ", ".join(services.entries) if services else "none"
            self.problems.add(named.place, f"there is no service {wanted!r} in {file}", f"it has {known}")
            return None
        return file, wanted, base


def _listed(node: Node | None) -> tuple[Node, ...]:
    """The elements of a list; one that is none stands for a list of one, and nothing for none."""
    if node is None or node.value is None:
        return ()
    return node.elements if node.is_list else (node,)


def _moved(document: Node, folder: str) -> Node:
    """The document with the paths that it names relative to the app's folder, instead of to its own."""
    if not folder:
        return document
    entries = dict(document.entries)
    for section, keys in (("configs", ("file",)), ("secrets", ("file",)), ("services", ("env_file",))):
        node = entries.get(section)
        if node is not None and node.is_mapping:
            moved = {name: _with_moved(child, keys, folder) for name, child in node.entries.items()}
            entries[section] = node._replace(value=moved)
    return document._replace(value=entries)


def _with_moved(node: Node, keys: tuple[str, ...], folder: str) -> Node:
    changed: Mapping[str, Node] = {
        key: _moved_path(child, folder) if key in keys else child for key, child in node.entries.items()
    }
    return node._replace(value=changed) if node.is_mapping else node


def _moved_path(node: Node, folder: str) -> Node:
    if node.is_list:
        return node._replace(value=tuple(_moved_path(element, folder) for element in node.elements))
    if node.is_mapping:
        return _with_moved(node, ("path",), folder)
    if isinstance(node.value, str) and not node.value.startswith("/"):
        # Not tidied up: a variable in it may hold a slash.
        return node._replace(value=posixpath.join(folder, node.value.removeprefix("./")))
    return node
