"""Reads the cases of `tests/cases/import`: what is given to `fleet import`, and what it makes and says.

A file is a list of cases; its name and the case's are one sentence. A case has

    case        its name
    fleet       files of the fleet repository beside fleet.yaml (tiers base and site), path -> text
    inputs      files beside it, path -> text, or a mapping that becomes JSON
    arguments   behind `fleet import`; if not given, `iotedge deployment.json`
    modules     instead of inputs: `$edgeAgent`'s modules of a deployment.json
    options     instead of inputs: the create options of one module `web`

and one or more of

    exit        the exit code; 0 if not given
    files       path -> its whole text, or a mapping that it parses to, or null when it must not be there
    service     what the service `web` of the app `imported` says, beside its image and `restart: always`
    told        every part that was not carried, in order: `outcome | what | reason | where`; `...` is any text
    carried     every part that was carried: `what | reason`
    error       the whole line on stderr, and nothing is written
    hidden      texts that must be nowhere in what was printed or written
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "cases" / "import"
FLEET = "apiVersion: fleet/v1\nkind: Fleet\nmetadata: {name: acme}\nspec: {tiers: [base, site]}\n"
GIVEN = {"case", "fleet", "inputs", "arguments", "modules", "options"}
WANTED = {"exit", "files", "service", "told", "carried", "error", "hidden"}


@dataclass(frozen=True)
class Case:
    """One case."""

    name: str
    fields: dict[str, Any]

    @property
    def fleet(self) -> dict[str, str]:
        return {"fleet.yaml": FLEET, **self.fields.get("fleet", {})}

    @property
    def inputs(self) -> dict[str, str]:
        given = self.fields.get("inputs", {})
        if "options" in self.fields:
            given = {"deployment.json": manifest({"web": module(self.fields["options"])})}
        elif "modules" in self.fields:
            given = {"deployment.json": manifest(self.fields["modules"])}
        return {path: text if isinstance(text, str) else json.dumps(text, indent=1) for path, text in given.items()}

    @property
    def arguments(self) -> list[str]:
        return list(self.fields.get("arguments", ["iotedge", "deployment.json"]))


def module(options: Any) -> dict[str, Any]:
    """A module with create options."""
    return {"type": "docker", "restartPolicy": "always", "settings": {"image": "web:1", "createOptions": options}}


def manifest(modules: Any) -> dict[str, Any]:
    """A deployment with nothing but modules."""
    return {"modulesContent": {"$edgeAgent": {"properties.desired": {"modules": modules}}}}


def read_cases() -> list[Case]:
    """Every case of the folder."""
    return [
        _case(path.stem, fields)
        for path in sorted(FOLDER.glob("*.yaml"))
        for fields in yaml.safe_load(path.read_text())
    ]


def _case(stem: str, fields: dict[str, Any]) -> Case:
    assert fields.keys() <= GIVEN | WANTED, f"{stem}: {fields.keys() - GIVEN - WANTED}"
    assert fields.keys() & WANTED, f"{stem}: a case must expect something"
    return Case(f"{stem.replace('-', ' ')}: {fields['case']}", fields)
