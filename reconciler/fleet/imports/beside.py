"""The files that a Compose file names, copied beside it: configs, env files, what it includes and extends."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.errors import ManifestError
from reconciler.fleet.imports.account import Account
from reconciler.fleet.imports.secret_values import secret_part
from reconciler.fleet.imports.source_files import read_source
from reconciler.manifests.compose.files import MAX_FILES
from reconciler.manifests.compose.sealed import MAX_CONFIG_BYTES
from reconciler.manifests.dotenv import read_lines
from reconciler.model.tree import inside
from reconciler.reading import Node, parse

_EXPOSED = "it looks like a secret, and configs are readable by everybody who has the repository"


@dataclass(frozen=True, slots=True)
class _Named:
    """A file that a Compose file names: what it is to it, and the path as written."""

    what: str
    kind: str
    path: str


@dataclass(frozen=True, slots=True)
class Beside:
    """Collects the files of one app, by where they go."""

    app: str
    account: Account
    found: dict[str, bytes] = field(default_factory=dict)

    def collect(self, document: Node, path: Path, folder: str = "") -> dict[str, bytes]:
        """What this Compose file names, and what those files name. What is missing, the validator tells."""
        for named in _named(document):
            target = inside(f"apps/{self.app}", f"{folder}{named.path}")
            source = path.parent / named.path
            if target is None or target in self.found or "$" in named.path or len(self.found) >= MAX_FILES:
                continue
            if source.is_file() and source.resolve().is_relative_to(path.parent.resolve()):
                self._take(named, source, target)
        return self.found

    def _take(self, named: _Named, source: Path, target: str) -> None:
        if named.kind == "secret":
            self.account.left(named.what, str(source), "secrets do not belong into Git: put it on the device yourself")
            return
        content = read_source(source, MAX_CONFIG_BYTES)
        if _holds_secret(named.kind, content):
            self.account.left(named.what, str(source), _EXPOSED)
            return
        self.found[target] = content
        self.account.carried(named.what, str(source), f"copied to {target}")
        if named.kind == "compose":
            folder = target.removeprefix(f"apps/{self.app}/").rpartition("/")[0]
            self.collect(parse(content, str(source)), source, f"{folder}/" if folder else "")


def _holds_secret(kind: str, content: bytes) -> bool:
    if kind == "env":
        try:
            lines = read_lines(content, "")
        except ManifestError:
            return True
        return any(secret_part(line.name, (line.template or "").replace("$$", "$")) for line in lines)
    return kind == "config" and bool(secret_part("", content.decode("utf-8", "replace")))


def _named(document: Node) -> Iterator[_Named]:
    for kind in ("config", "secret"):
        for name, node in _entries(document, f"{kind}s"):
            if "file" in node.entries:
                yield from _paths(f"the {kind} `{name}`", kind, node.entries["file"])
    for name, service in _entries(document, "services"):
        if "env_file" in service.entries:
            yield from _paths(f"an env file of `{name}`", "env", service.entries["env_file"])
        extended = service.entries.get("extends")
        if extended and "file" in extended.entries:
            yield from _paths(f"the file that `{name}` extends", "compose", extended.entries["file"])
    if "include" in document.entries:
        yield from _paths("an included file", "compose", document.entries["include"])


def _entries(document: Node, section: str) -> list[tuple[str, Node]]:
    return list(document.entries[section].entries.items()) if section in document.entries else []


def _paths(what: str, kind: str, node: Node) -> Iterator[_Named]:
    """The paths in a text, in a list of them, or behind `path`."""
    for element in node.elements or (node,):
        if isinstance(element.value, str):
            yield _Named(what, kind, element.value)
        elif "path" in element.entries:
            yield from _paths(what, kind, element.entries["path"])
