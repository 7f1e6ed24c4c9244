"""A desk to import at: a fleet repository in one folder, inputs in another, and the command as a user calls it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler.fleet.imports.command import configure
from reconciler.fleet.validate import validate
from reconciler.repository.desk import Desk
from reconciler.terminal import new_parser, run_command


@dataclass(frozen=True)
class Answer:
    """What the command did."""

    code: int
    out: str
    err: str
    files: Mapping[str, bytes]
    parts: Sequence[Mapping[str, str]] = field(default=())

    @property
    def not_carried(self) -> list[str]:
        """`outcome | what | reason | where`."""
        return [
            " | ".join(part[key] for key in ("outcome", "what", "reason", "where"))
            for part in self.parts
            if part["outcome"] != "carried"
        ]


class ImportDesk:
    """The two folders."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.repository, self.inputs = folder / "fleet", folder / "in"
        self._capsys = capsys
        self.inputs.mkdir(parents=True)
        self.repository.mkdir()
        monkeypatch.chdir(self.inputs)

    def lay(self, fleet: Mapping[str, str], inputs: Mapping[str, str]) -> None:
        for folder, files in ((self.repository, fleet), (self.inputs, inputs)):
            for path, text in files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text, encoding="utf-8", newline="")

    def run(self, arguments: Sequence[str], json_too: bool = False) -> Answer:
        """Run `fleet -C FLEET import ...`; only new files are in the answer."""
        before = self._files()
        parser = new_parser("fleet", "")
        parser.add_argument("-C", dest="folder", type=Path)
        configure(parser.add_subparsers(required=True).add_parser("import"))
        more = ["-o", "json"] if json_too else []
        options = parser.parse_args(["-C", str(self.repository), "import", *arguments, *more])
        code = run_command("fleet", lambda: int(options.run(options)))
        out, err = self._capsys.readouterr()
        parts: Any = json.loads(out)["parts"] if json_too and out else ()
        after = {path: content for path, content in self._files().items() if before.get(path) != content}
        return Answer(code, out, err, after, parts)

    def findings(self) -> list[str]:
        """What `fleet validate` says now."""
        return [str(finding.problem) for finding in validate(Desk(self.repository).worktree()).findings]

    def _files(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.repository).as_posix(): path.read_bytes()
            for path in self.repository.rglob("*")
            if path.is_file()
        }
