"""A fleet on a server, and a machine that asks to join it."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

import pytest
from fleet_desk import SMALL, Answer, FleetDesk, device

from lab.git_server import GitServer
from reconciler.agent.cli import main as reconciler
from signing import load_signer

ENGINE = "28.5.2"


class Site:
    """A fleet on a server, and a machine that nobody has set up."""

    def __init__(self, desk: FleetDesk, server: GitServer, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.desk, self.server, self._capsys = desk, server, capsys
        self.url = server.create("fleet")
        self.etc = folder / "etc"
        self.config = self.etc / "config.yaml"
        self.signers = folder / "people"
        self.signers.write_text(f"{desk.owner.allowed_signers_line}\n")
        desk.lay(SMALL)
        desk.git("remote", "add", "origin", self.url)
        desk.git("config", "user.name", "Ann")
        desk.git("config", "user.email", "ann@acme.example")
        desk.owner.commit("The fleet")
        desk.owner.push()

    def reconciler(self, *arguments: str) -> Answer:
        # Whatever this machine has.
        with patch("reconciler.agent.commands.enroll._engine_version", lambda _: ENGINE):
            code = reconciler([*arguments, "--config", str(self.config)])
        said = self._capsys.readouterr()
        return Answer(code, said.out, said.err)

    def enroll(self, name: str = "press-9", *more: str) -> str:
        """The fingerprint that the device shows."""
        state = str(self.etc / "state")
        settings = ("--name", name, "--remote", self.url, "--signers", str(self.signers), "--state", state)
        answer = self.reconciler("enroll", "-o", "json", *settings, *more)
        assert (answer.code, answer.err) == (0, "")
        return str(answer.json["fingerprint"])

    def file_of(self, branch: str, path: str) -> str:
        command = ["git", "--git-dir", str(self.server.path("fleet")), "show", f"{branch}:{path}"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def refs(self, repository: str = "fleet") -> list[str]:
        command = ["git", "--git-dir", str(self.server.path(repository)), "for-each-ref", "--format=%(refname)"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    def member(self) -> str:
        """The device is in the fleet, with the key that it has; its fingerprint."""
        fingerprint = self.enroll()
        line = load_signer(self.etc / "identity").public.line
        self.push({"devices/press-9.yaml": device("press-9", f"identity: {line}")})
        return fingerprint

    def push(self, files: Mapping[str, str]) -> None:
        """What devices obey from now on."""
        self.desk.lay(files)
        self.desk.owner.commit("A change")
        self.desk.owner.push()
