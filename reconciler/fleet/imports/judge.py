"""Would `fleet validate` accept what an import makes? Asked before anything is written."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.admission import Admission
from reconciler.errors import ManifestError, Problem, ReconcilerError
from reconciler.fleet.validate import validate
from reconciler.manifests import FleetFiles
from reconciler.model.tree import Tree
from reconciler.reading import plain

# A device that every layer without a selector selects, for fleets that have no devices yet.
_DEVICE = "a-device-that-is-not-there"
_REFERENCE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class NewApp:
    """An app that an import makes, and the layer that brings it."""

    name: str
    layer: str


def first_tier(tree: Tree) -> str:
    """The tier of the layers that an import makes. Raises ManifestError without a usable fleet.yaml."""
    return FleetFiles(tree).fleet.tiers[0]


def check_devices(tree: Tree, names: Iterable[str]) -> None:
    """Raises ReconcilerError when the fleet has one of these devices."""
    known = FleetFiles(tree).device_paths
    for name in names:
        if name in known:
            raise ReconcilerError(
                f"the device `{name}` exists already", where=known[name], advice="leave out `--config`"
            )


def findings(tree: Tree, files: Mapping[str, bytes], apps: Iterable[NewApp]) -> list[Problem]:
    """Every problem that the new files have, or bring to what is there: as `fleet validate` will tell it."""
    alone = [problem for app in apps for problem in _alone(tree, files, app)]
    before = set(_problems(tree))
    brought = [problem for problem in _problems({**tree, **files}) if problem not in before]
    return list(dict.fromkeys([*alone, *brought]))


def _problems(tree: Tree) -> list[Problem]:
    probe = {f"devices/{_DEVICE}.yaml": _document("Device", _DEVICE, {})}
    return [finding.problem for finding in validate({**tree, **probe}).findings]


def _alone(tree: Tree, files: Mapping[str, bytes], app: NewApp) -> list[Problem]:
    """The app on a device of its own, whatever its layer selects; with the variables that the fleet sets somewhere.

    A variable that is not set ends the reading of an app. So it is read again with every variable set, for the rest;
    lines with a variable do not count there, because nobody knows what their variable will hold.
    """
    files = {path: content for path, content in files.items() if path.startswith(("apps/", "layers/"))}
    known = _variables(FleetFiles(tree)) | _variables(FleetFiles({"fleet.yaml": tree["fleet.yaml"], **files}))
    found = _rendered(tree, files, app, known)
    named = _REFERENCE.findall(files[f"apps/{app.name}/compose.yaml"].decode("utf-8", "replace"))
    rest = _rendered(tree, files, app, dict.fromkeys(named, "1") | known)
    return found + [problem for problem in rest if problem not in found and not _has_variable(problem, files)]


def _rendered(tree: Tree, files: Mapping[str, bytes], app: NewApp, variables: Mapping[str, str]) -> list[Problem]:
    path = f"layers/{first_tier(tree)}/probe.yaml"
    probe = {
        "fleet.yaml": tree["fleet.yaml"],
        path: _document("Layer", "probe", {"apps": [app.name], "variables": variables}),
        f"devices/{_DEVICE}.yaml": _document("Device", _DEVICE, {}),
        **{name: content for name, content in files.items() if name.startswith("apps/")},
    }
    fleet = FleetFiles(probe)
    # As a device judges it whose own settings allow nothing.
    found = fleet.admit(fleet.render(_DEVICE), Admission()).problems
    return [Problem(app.layer, p.what, p.advice, p.kind) if p.where.startswith(path) else p for p in found]


def _has_variable(problem: Problem, files: Mapping[str, bytes]) -> bool:
    file, _, position = problem.where.partition(":")
    lines = files.get(file, b"").splitlines()
    line = int(position.partition(":")[0]) if position else 0
    return line == 0 or line > len(lines) or b"$" in lines[line - 1]


def _variables(files: FleetFiles) -> dict[str, str]:
    try:
        nodes = [layer.source.variables for layer in files.layers]
        nodes += [files.device(name).source.variables for name in files.device_paths]
    except ManifestError:
        return {}
    return {name: str(plain(node)) for variables in nodes for name, node in variables.items()}


def _document(kind: str, name: str, spec: object) -> bytes:
    return json.dumps({"apiVersion": "fleet/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}).encode()
