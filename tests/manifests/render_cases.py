"""Reads the cases of `tests/cases/render`: what is in a fleet repository, and what a device shall be, or why not.

A file is a list of cases; its name and the case's are one sentence. A case has

    case        its name
    files       path -> text. A layer or device that starts with `spec` gets the three lines of head that its path
                implies, so its text starts in line 4; one that starts with `metadata` gets two of them. `null` removes
                one of the standard files.
    compose     apps/shop/compose.yaml
    service     instead of it: the lines of one service `web`, which start in line 4, column 5
    device      `press` if not given
    allow       what the device grants: then it also admits, or does not, what it rendered

and one or more of

    state       "app/service" or "app" -> fields, in the plain form of the codec; `null` is a field at its default
    apps        the apps that are rendered
    untouched   the apps that keep what they have
    errors      each problem that kept an app out, in order, as one line
    refused     each problem that kept the whole device out
    unknown     the message of UnknownDevice
    explain     JSON pointer into the app `shop` -> the place that set it last, and who
    kind        of the problems: `rule` if not given, else `syntax` or `patch`
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reconciler.admission import Admission
from reconciler.manifests import FleetFiles, Rendering

FOLDER = Path(__file__).parent.parent / "cases" / "render"
STANDARD = {
    "fleet.yaml": "apiVersion: fleet/v1\nkind: Fleet\nmetadata: {name: acme}\nspec: {tiers: [base, site]}\n",
    "layers/base/all.yaml": "spec: {apps: [shop]}\n",
    "devices/press.yaml": "spec: {}\n",
    "apps/shop/compose.yaml": "services:\n  web: {image: web}\n",
}
KEYS = {"case", "files", "compose", "service", "device", "kind", "allow"} | {
    "state",
    "apps",
    "untouched",
    "errors",
    "refused",
    "unknown",
    "explain",
}


@dataclass(frozen=True)
class Case:
    """One case, with its tree of files."""

    name: str
    tree: dict[str, bytes]
    fields: dict[str, Any]

    @property
    def device(self) -> str:
        return str(self.fields.get("device", "press"))


def read_cases() -> list[Case]:
    """Every case of the folder."""
    return [
        _case(path.stem, fields)
        for path in sorted(FOLDER.glob("*.yaml"))
        for fields in yaml.safe_load(path.read_text())
    ]


def _case(stem: str, fields: dict[str, Any]) -> Case:
    assert fields.keys() <= KEYS, f"{stem}: {fields.keys() - KEYS}"
    files = {**STANDARD, **fields.get("files", {})}
    if "compose" in fields:
        files["apps/shop/compose.yaml"] = fields["compose"]
    if "service" in fields:
        lines = "".join(f"    {line}\n" for line in fields["service"].splitlines())
        files["apps/shop/compose.yaml"] = f"services:\n  web:\n    image: web\n{lines}"
    return Case(f"{stem.replace('-', ' ')}: {fields['case']}", tree_of(files), fields)


def tree_of(files: Mapping[str, str | None]) -> dict[str, bytes]:
    """The files as bytes, layers and devices with the head that their path implies."""
    return {path: _text(path, text).encode() for path, text in files.items() if text is not None}


def rendering_of(case: Case) -> Rendering:
    """What the device would run: with grants, as the device admits it."""
    files = FleetFiles(case.tree)
    rendering = files.render(case.device)
    return files.admit(rendering, Admission(frozenset(case.fields["allow"]))) if "allow" in case.fields else rendering


def _text(path: str, text: str) -> str:
    kind = {"layers": "Layer", "devices": "Device"}.get(path.partition("/")[0])
    if kind is None or not text.startswith(("spec:", "metadata:")):
        return text
    name = f"metadata: {{name: {Path(path).stem}}}\n" if text.startswith("spec:") else ""
    return f"apiVersion: fleet/v1\nkind: {kind}\n{name}{text}"
