"""One app of one device: its Compose file, patched, interpolated, read. What many devices share is done once.

Two devices share a patched document when the same layers patch it, and an app when its variables have the same values,
too; a device's own patches are its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from reconciler.errors import ManifestError, Problem, ProblemKind
from reconciler.manifests.compose import parse_app
from reconciler.manifests.compose_forms import normalise
from reconciler.manifests.documents import Patch
from reconciler.manifests.explain import Stage
from reconciler.manifests.interpolate import interpolate, names_in
from reconciler.manifests.merge import PatchFailed, apply_checked, apply_merge
from reconciler.manifests.node import Node, walk
from reconciler.manifests.parse import parse
from reconciler.manifests.problems import Problems
from reconciler.manifests.tree import Tree
from reconciler.model import App, Place

# Each remembered app holds some 20 KiB; a fleet of 10,000 devices with values of their own must not hold them all.
MAX_REMEMBERED = 1_000

Key = TypeVar("Key")
Value = TypeVar("Value")

# The app, and the identities of the layers' patches: the layers live as long as this does.
PatchedKey = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class _Patched:
    """A patched document, and the variables that it may use."""

    document: Node
    variables: tuple[str, ...]


class Apps:
    """The apps of one revision."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._documents: dict[str, Node] = {}
        self._patched: dict[PatchedKey, _Patched] = {}
        self._rendered: dict[tuple[PatchedKey, tuple[str | None, ...]], App] = {}

    def render(
        self, name: str, asked_at: Place, patches: Sequence[Patch], variables: dict[str, str], problems: Problems
    ) -> App | None:
        """The app with these patches and variables; None, with problems, when it is wrong."""
        try:
            document = self._document(name, asked_at)
        except ManifestError as error:
            problems.extend(error.problems)
            return None
        if not all(patch.is_shared for patch in patches):
            return self._read(name, _apply(document, patches, problems), variables, problems)
        key = (name, tuple(map(id, patches)))
        patched = self._patched.get(key)
        if patched is None:
            changed = _apply(document, patches, problems)
            patched = _Patched(changed, _variables_in(changed))
            if not problems:
                _remember(self._patched, key, patched)
        values = (key, tuple(map(variables.get, patched.variables)))
        app = self._rendered.get(values)
        if app is None:
            app = self._read(name, patched.document, variables, problems)
            if app is not None:
                _remember(self._rendered, values, app)
        return app

    def stages(self, name: str, asked_at: Place, patches: Sequence[tuple[str, Patch]]) -> list[Stage]:
        """The document as it is in the file, and after each patch. Raises ManifestError."""
        problems = Problems()
        stages = [Stage("the Compose file", self._document(name, asked_at))]
        for by, patch in patches:
            changed = normalise(_patched(stages[-1].document, patch, problems), problems)
            stages.append(Stage(by, changed))
        problems.raise_if_any()
        return stages

    def _read(self, name: str, document: Node, variables: dict[str, str], problems: Problems) -> App | None:
        if problems:
            return None
        document = interpolated(document, variables, problems)
        app = None if problems else parse_app(name, document, self._tree, problems)
        return None if problems else app

    def _document(self, name: str, asked_at: Place) -> Node:
        if name not in self._documents:
            path = f"apps/{name}/compose.yaml"
            if path not in self._tree:
                raise ManifestError([Problem(str(asked_at), f"there is no app `{name}`", f"add {path}")])
            problems = Problems()
            document = normalise(parse(self._tree[path], path), problems)
            problems.raise_if_any()
            self._documents[name] = document
        return self._documents[name]


def interpolated(document: Node, variables: Mapping[str, str], problems: Problems) -> Node:
    """The document with its variables replaced. Patches may have brought list forms of their own, and variables."""
    return interpolate(_without_unset(normalise(document, problems), variables), variables, problems)


def _remember(cache: dict[Key, Value], key: Key, value: Value) -> None:
    if len(cache) >= MAX_REMEMBERED:
        del cache[next(iter(cache))]
    cache[key] = value


def _apply(document: Node, patches: Sequence[Patch], problems: Problems) -> Node:
    for patch in patches:
        document = _patched(document, patch, problems)
    return document


def _variables_in(document: Node) -> tuple[str, ...]:
    """Every name that could be a variable: behind a dollar, or an environment entry that takes its value from one."""
    found = {name for _, node in walk(document) if isinstance(node.value, str) for name in names_in(node.value)}
    services = document.entries.get("services")
    for service in services.entries.values() if services else ():
        environment = service.entries.get("environment")
        # Not in map form yet, where a patch brought a list: then every text may be a name.
        for _, node in walk(environment) if environment else ():
            found |= {key for key, child in node.entries.items() if child.value is None}
            found |= {child.value for child in node.elements if isinstance(child.value, str)}
    return tuple(sorted(found))


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


def _without_unset(document: Node, variables: Mapping[str, str]) -> Node:
    """An environment entry without a value takes the variable's, and is left out when there is none (as in Compose)."""
    services = document.entries.get("services")
    if services is None or not services.is_mapping:
        return document
    changed = dict(services.entries)
    for name, service in services.entries.items():
        environment = service.entries.get("environment")
        if environment is not None and environment.is_mapping:
            kept = {
                # `$` is doubled because the text is interpolated once more.
                key: node._replace(value=variables[key].replace("$", "$$")) if node.value is None else node
                for key, node in environment.entries.items()
                if node.value is not None or key in variables
            }
            changed[name] = service._replace(value={**service.entries, "environment": environment._replace(value=kept)})
    return document._replace(value={**document.entries, "services": services._replace(value=changed)})
