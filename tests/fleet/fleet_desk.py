"""A desk at which somebody works on a fleet: a folder, a person with a key, and the command as a user calls it."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.operator import Operator
from reconciler.fleet.cli import main

EXAMPLE = Path(__file__).parents[2] / "fleet-repo-example"
DEVICES = ("press-0041", "press-0042", "press-0107")

HEAD = "apiVersion: fleet/v1\nkind: {kind}\nmetadata: {{name: {name}{labels}}}\nspec:\n"
WEB = "services:\n  web:\n    image: busybox:1.36\n    environment:\n      TITLE: ${TITLE:-none}\n      LEVEL: low\n"


def layer(name: str, spec: str) -> str:
    return HEAD.format(kind="Layer", name=name, labels="") + indented(spec)


def device(name: str, spec: str = "variables: {}", labels: str = "site: north") -> str:
    return HEAD.format(kind="Device", name=name, labels=f", labels: {{{labels}}}") + indented(spec)


def indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())


# Three devices that run one app; two of them at one site.
SMALL: Mapping[str, str] = {
    "fleet.yaml": "apiVersion: fleet/v1\nkind: Fleet\nmetadata: {name: small}\nspec: {tiers: [base, site]}\n",
    "apps/web/compose.yaml": WEB,
    "layers/base/all.yaml": layer("all", "apps: [web]"),
    "layers/site/south.yaml": layer("south", "selector: {matchLabels: {site: south}}\nvariables: {TITLE: South}"),
    "devices/d1.yaml": device("d1"),
    "devices/d2.yaml": device("d2"),
    "devices/d3.yaml": device("d3", labels="site: south"),
}


@dataclass(frozen=True)
class Answer:
    """What the command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class FleetDesk:
    """A clone, at first without a commit."""

    def __init__(self, owner: Operator, capsys: pytest.CaptureFixture[str]) -> None:
        self.owner, self.folder, self._capsys = owner, owner.work, capsys
        self.folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet")

    def git(self, *arguments: str) -> str:
        return self.owner.git(*arguments)

    def lay(self, files: Mapping[str, str]) -> None:
        for path, text in files.items():
            self.owner.write(path, text)

    def lay_example(self) -> None:
        shutil.copytree(EXAMPLE, self.folder, dirs_exist_ok=True)

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.folder / path).read_text()
        assert old in text, f"{path} has no {old!r}"
        self.owner.write(path, text.replace(old, new))

    def remove(self, path: str) -> None:
        (self.folder / path).unlink()

    def commit(self, files: Mapping[str, str] | None = None) -> str:
        self.lay(files or {})
        return self.owner.commit("a change")

    def fleet(self, *arguments: str) -> Answer:
        """Run `fleet -C FOLDER ...`."""
        return run_fleet(self._capsys, "-C", str(self.folder), *arguments)


def run_fleet(capsys: pytest.CaptureFixture[str], *arguments: str) -> Answer:
    capsys.readouterr()
    try:
        code = main(arguments)
    except SystemExit as left:
        code = int(str(left.code))
    captured = capsys.readouterr()
    return Answer(code, captured.out, captured.err)
