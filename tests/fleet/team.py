"""Two people at their desks, each with a clone, and one remote."""

import subprocess
from pathlib import Path

import pytest
from fleet_desk import SMALL, Answer, FleetDesk

from lab.operator import Operator
from reconciler.fleet.policy_file import new_policy_file

NAMESPACES = '"git,policy.v1@fleet,release.v1@fleet,freshness.v1@fleet,approve.v1@fleet"'


class Team:
    """Ann, who writes, and Ben, who has to agree."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.bare = folder / "remote.git"
        subprocess.run(["git", "init", "--quiet", "--bare", str(self.bare)], check=True)
        people = [Operator.create(folder / name, name.title(), f"{name}@acme.example") for name in ("ann", "ben")]
        self.ann, self.ben = (FleetDesk(one, capsys) for one in people)
        lines = [one.allowed_signers_line.replace('"git"', NAMESPACES) for one in people]
        policy = new_policy_file("small", [one.email for one in people])
        self.ann.lay({**SMALL, "trust/allowed_signers": "\n".join(lines) + "\n", "trust/policy.yaml": policy})
        for desk in (self.ann, self.ben):
            desk.git("remote", "add", "origin", str(self.bare))
        self.push("The fleet")

    def as_(self, desk: FleetDesk, *arguments: str) -> Answer:
        """A command in somebody's clone, with that person's settings of git."""
        for key, value in desk.owner.env().items():
            if key.startswith("GIT_"):
                self.monkeypatch.setenv(key, value)
        return desk.fleet(*arguments)

    def push(self, message: str) -> None:
        self.ann.owner.commit(message, sign=False)
        self.ann.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
        self.ben.git("fetch", "--quiet", "origin", "main")
        self.ben.git("reset", "--quiet", "--hard", "FETCH_HEAD")

    def agree(self, *command: str) -> Answer:
        for desk in (self.ann, self.ben):
            answer = self.as_(desk, *command, "sign", "--yes")
            assert answer.code == 0, answer.err
        return answer

    def begin(self) -> None:
        assert self.as_(self.ann, "policy", "propose").code == 0
        self.agree("policy")

    def release(self, image: str) -> Answer:
        self.ann.edit("apps/web/compose.yaml", "LEVEL: ", f"# {image}\n      LEVEL: ")
        self.push(f"Change to {image}")
        assert self.as_(self.ann, "release", "prepare").code == 0
        return self.agree("release")
