"""Which devices use which sealed secret, and what is missing, too old or too much below `secrets/`. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from reconciler.errors import ManifestError, Problem, ProblemKind
from reconciler.manifests import AGE_STARTS, FleetFiles, path_of
from reconciler.model.tree import SECRETS, Tree, files_under
from reconciler.reading import parse
from reconciler.sealing import seals_for

# Nobody's device: no name of one begins so. Operators who may seal anew without knowing the value can open it.
OPERATORS = "_operators"
# The public keys of these operators, one a line.
RECIPIENTS = f"{SECRETS}/operators"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret by its name: the devices that use it, with their keys, and those that it is sealed for as they are."""

    name: str
    users: Mapping[str, str]
    sealed: frozenset[str]
    paths: tuple[str, ...]
    # Devices of which nobody can tell: something of them does not render. What is sealed for them stays.
    unsure: Mapping[str, str]

    @property
    def missing(self) -> tuple[str, ...]:
        """The devices that use it and cannot unseal it."""
        return tuple(device for device in self.users if device not in self.sealed)

    def stray(self) -> tuple[str, ...]:
        """The files for devices that do not use it."""
        keep = {path_of(self.name, device) for device in (*self.users, *self.unsure, OPERATORS)}
        return tuple(path for path in self.paths if path not in keep)

    def heirs(self) -> dict[str, str]:
        """Who gets a new value: its users, and who has the old one and may be one."""
        held = {device: key for device, key in self.unsure.items() if path_of(self.name, device) in self.paths}
        return {**self.users, **held}


class _AllSealed(dict[str, bytes]):
    """The files of a fleet as if each secret were sealed for everybody: who has one then is who uses it."""

    def get(self, path: str, default: object = None) -> object:  # type: ignore[override]
        if path.startswith(f"{SECRETS}/") and path.endswith(".age"):
            # Of another content each, as they are: files of one content are one file.
            return AGE_STARTS[0] + path.encode()
        return super().get(path, default)


def secrets_of(tree: Tree, named: Collection[str] = ()) -> dict[str, Secret]:
    """Each secret that is used or sealed, and those that are named. Raises ManifestError when no device can be told.

    Of a device that does not render whole, nobody can tell: `fleet validate` tells why.
    """
    files, users = FleetFiles(_AllSealed(tree)), dict[str, dict[str, str]]()
    _ = files.fleet, files.layers
    unsure: dict[str, str] = {}
    for device in sorted(files.device_paths):
        try:
            rendering = files.render(device)
        except ManifestError:
            unsure[device] = _identity(files, device)
            continue
        if rendering.desired.untouched:
            unsure[device] = rendering.device.identity
        for file in (file for app in rendering.desired.apps for file in app.configs):
            if file.secret and "/" not in file.secret:
                users.setdefault(file.secret, {})[device] = rendering.device.identity
    sealed = {path.split("/")[1] for path in files_under(tree, SECRETS) if path.endswith(".age")}
    return {name: _secret(tree, name, users.get(name, {}), unsure) for name in sorted({*users, *sealed, *named})}


def _identity(files: FleetFiles, device: str) -> str:
    try:
        return files.device(device).identity
    except ManifestError:
        return ""


def _secret(tree: Tree, name: str, users: Mapping[str, str], unsure: Mapping[str, str]) -> Secret:
    unsure = {device: key for device, key in unsure.items() if device not in users}
    sealed = frozenset(device for device, key in users.items() if _is_sealed(tree.get(path_of(name, device)), key))
    paths = tuple(path for path in files_under(tree, f"{SECRETS}/{name}") if path.endswith(".age"))
    return Secret(name, users, sealed, paths, unsure)


def findings(tree: Tree) -> Iterator[tuple[Problem, str]]:
    """What lies below `secrets/` and does nobody any good, each with the device that it concerns."""
    files = FleetFiles(tree)
    for path in files_under(tree, SECRETS):
        if path == RECIPIENTS or path.rpartition("/")[2] in ("README.md", ".gitkeep", f"{OPERATORS}.age"):
            continue
        parts = path.split("/")
        if len(parts) == 2 and path.endswith(".apps"):
            continue
        if len(parts) == 2 and path.endswith(".yaml"):
            yield from ((problem, "") for problem in _sops(tree[path], path))
            continue
        if len(parts) != 3 or not path.endswith(".age"):
            advice = f"write {SECRETS}/NAME/DEVICE.age, {SECRETS}/NAME.yaml for a file of SOPS, or {SECRETS}/NAME.apps"
            yield Problem(path, "no sealed secret", advice), ""
            continue
        device = parts[2].removesuffix(".age")
        if device not in files.device_paths:
            advice = f"`fleet secret seal {parts[1]}` removes it"
            yield Problem(path, f"sealed for `{device}`, which is no device", advice, ProblemKind.NOTE), ""
            continue
        if not _is_sealed(tree[path], _identity(files, device)):
            what = f"SEAL_NO_KEY: it is not sealed for the `identity` of `{device}`, and for nobody else"
            yield Problem(path, what, f"`fleet secret seal {parts[1]}` seals it for the key in its file"), device


def _sops(content: bytes, path: str) -> Iterator[Problem]:
    try:
        if not parse(content, path).entries.get("sops"):
            yield Problem(path, "SOPS_PLAIN: no file of SOPS", "encrypt it with `sops`, and change what it held")
    except ManifestError as error:
        yield from error.problems


def _is_sealed(content: bytes | None, key: str) -> bool:
    """For this key and no other, as far as can be told."""
    return content is not None and content.startswith(AGE_STARTS) and seals_for(content, key) is not False
