"""One app of one device: its Compose file, patched, interpolated, read. What many devices share is done once.

Two devices share a patched document when the same layers patch it, and an app when its variables have the same values,
too; a device's own patches are its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from reconciler.errors import ManifestError, ProblemKind
from reconciler.manifests.compose.app import LastRead, parse_app
from reconciler.manifests.compose.files import load
from reconciler.manifests.compose.forms import normalise
from reconciler.manifests.compose.variables import Scope, mentioned, resolve
from reconciler.manifests.documents import Patch
from reconciler.manifests.explain import Stage
from reconciler.manifests.interpolate import nodes_with_variables
from reconciler.manifests.mentions import Mentions, mentions_of
from reconciler.manifests.merge import PatchFailed, apply_checked, apply_merge
from reconciler.model import App, Place, Service
from reconciler.model.tree import Tree, inside
from reconciler.reading import Node, Problems, plain

# Each remembered app holds some 20 KiB; a fleet of 10,000 devices with values of their own must not hold them all.
MAX_REMEMBERED = 1_000

Key = TypeVar("Key")
Value = TypeVar("Value")

# The app, and the identities of the layers' patches: the layers live as long as this does.
PatchedKey = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Patched:
    """A patched document in its normal form, and the variables that it may use; None for those of one device alone."""

    document: Node
    variables: tuple[str, ...] | None = None
    # Where in the document they stand: the rest need not be looked through for each device.
    open_nodes: frozenset[int] | None = None

    def values(self, variables: Mapping[str, str]) -> tuple[str | None, ...] | Mapping[str, str]:
        """What of these variables the result hangs on."""
        return variables if self.variables is None else tuple(map(variables.get, self.variables))


class Apps:
    """The apps of one revision."""

    def __init__(self, tree: Tree, services: dict[tuple[str, str], Service] | None = None) -> None:
        self._tree = tree
        # The last one read of each name: what most devices have in common is one value, also in two revisions.
        self._services = {} if services is None else services
        self._documents: dict[str, Node] = {}
        self._patched: dict[PatchedKey, Patched] = {}
        self._rendered: dict[tuple[PatchedKey, tuple[str | None, ...]], App] = {}
        self._read_last: LastRead = {}
        self._mentions: dict[PatchedKey, Mentions] = {}

    def render(
        self, name: str, asked_at: Place, patches: Sequence[Patch], variables: Mapping[str, str], problems: Problems
    ) -> App | None:
        """The app with these patches and variables; None, with problems, when it is wrong."""
        patched = self.patched(name, asked_at, patches, problems)
        if patched is None:
            return None
        if patched.variables is None:
            return self._read(name, patched, variables, problems)
        key = (_key(name, patches), tuple(map(variables.get, patched.variables)))
        app = self._rendered.get(key)
        if app is None:
            # No others, so that the result hangs on nothing but the key.
            used = {one: variables[one] for one in patched.variables if one in variables}
            app = self._read(name, patched, used, problems)
            if app is not None:
                remember(self._rendered, key, app)
        return app

    def patched(self, name: str, asked_at: Place, patches: Sequence[Patch], problems: Problems) -> Patched | None:
        """The app's document with these patches, before its variables; None, with problems, when it is wrong."""
        key = _key(name, patches)
        if key in self._patched:
            return self._patched[key]
        try:
            document = self._document(name, asked_at)
        except ManifestError as error:
            problems.extend(error.problems)
            return None
        # Patches may have brought list forms of their own.
        document = normalise(_apply(document, patches, problems), problems)
        if problems:
            return None
        if not all(patch.is_shared for patch in patches):
            return Patched(document)
        patched = Patched(document, mentioned(document, name, self._tree), nodes_with_variables(document))
        remember(self._patched, key, patched)
        return patched

    def mentions(self, name: str, asked_at: Place, patches: Sequence[Patch]) -> Mentions | None:
        """What the app names that others of the device may name, too; None for one that is wrong, and has nothing."""
        key = _key(name, patches)
        if key in self._mentions:
            return self._mentions[key]
        patched = self.patched(name, asked_at, patches, Problems())
        if patched is None:
            return None
        found = mentions_of(name, patched.document, self._tree)
        if patched.variables is not None:
            remember(self._mentions, key, found)
        return found

    def is_same(self, name: str, asked_at: Place, other: "Apps") -> bool:
        """Do the app's files say the same in both revisions, wherever in the files it is said?"""
        try:
            mine, theirs = (repr(plain(apps._document(name, asked_at))) for apps in (self, other))
        except ManifestError:
            return False
        return mine == theirs and self._beside(name) == other._beside(name)

    def content(self, name: str, file: str) -> bytes | None:
        """A file beside the app's Compose file."""
        return self._tree.get(inside(f"apps/{name}", file) or "")

    @cached_property
    def _files(self) -> dict[str, dict[str, bytes]]:
        found: dict[str, dict[str, bytes]] = {}
        for path, content in self._tree.items():
            top, _, rest = path.partition("/")
            if top == "apps":
                found.setdefault(rest.partition("/")[0], {})[path] = content
        return found

    def _beside(self, name: str) -> dict[str, bytes]:
        files = self._files.get(name, {})
        return {path: content for path, content in files.items() if path != f"apps/{name}/compose.yaml"}

    def stages(self, name: str, asked_at: Place, patches: Sequence[tuple[str, Patch]]) -> list[Stage]:
        """The document as it is in the file, and after each patch. Raises ManifestError."""
        problems = Problems()
        stages = [Stage("the Compose file", self._document(name, asked_at))]
        for by, patch in patches:
            changed = normalise(_patched(stages[-1].document, patch, problems), problems)
            stages.append(Stage(by, changed))
        problems.raise_if_any()
        return stages

    def resolved(self, name: str, document: Node, variables: Mapping[str, str], problems: Problems) -> Node:
        """The patched document of an app without variables."""
        return resolve(document, name, self._tree, Scope(variables), problems)

    def _read(self, name: str, patched: Patched, variables: Mapping[str, str], problems: Problems) -> App | None:
        document = resolve(patched.document, name, self._tree, Scope(variables, patched.open_nodes), problems)
        app = None if problems else parse_app(name, document, self._tree, variables, problems, self._read_last)
        if app is None or problems:
            return None
        services = tuple(self._last(name, service) for service in app.services)
        return replace(app, services=services)

    def _last(self, app: str, service: Service) -> Service:
        known = self._services.get((app, service.name))
        if known == service:
            return known
        self._services[app, service.name] = service
        return service

    def _document(self, name: str, asked_at: Place) -> Node:
        if name not in self._documents:
            self._documents[name] = load(name, self._tree, asked_at)
        return self._documents[name]


def remember(cache: dict[Key, Value], key: Key, value: Value) -> None:
    """Keep it, and forget what was kept first when there is too much."""
    if len(cache) >= MAX_REMEMBERED:
        del cache[next(iter(cache))]
    cache[key] = value


def _key(name: str, patches: Sequence[Patch]) -> PatchedKey:
    return name, tuple(map(id, patches))


def _apply(document: Node, patches: Sequence[Patch], problems: Problems) -> Node:
    for patch in patches:
        document = _patched(document, patch, problems)
    return document


def _patched(document: Node, patch: Patch, problems: Problems) -> Node:
    """The Compose document with one patch applied, or as it was, with a problem."""
    services = document.entries.get("services")
    target: Node | None = document
    if patch.service:
        target = services.entries.get(patch.service) if services else None
    if target is None:
        if not patch.optional:
            known = ", ".join(services.entries) if services else "none"
            advice = f"say `optional: true`, or name one of: {known}"
            problems.add(patch.place, f"`{patch.app}` has no service `{patch.service}`", advice, ProblemKind.PATCH)
        return document
    try:
        changed = apply_merge(target, patch.body) if patch.is_merge else apply_checked(target, patch.body)
    except PatchFailed as error:
        name = f"{patch.app}/{patch.service}" if patch.service else patch.app
        advice = "see what the layers before leave there with `fleet render`"
        problems.add(error.node.place, f"the patch does not apply to `{name}`: {error.why}", advice, ProblemKind.PATCH)
        return document
    if services is None or not patch.service:
        return changed
    merged = services._replace(value={**services.entries, patch.service: changed})
    return document._replace(value={**document.entries, "services": merged})
