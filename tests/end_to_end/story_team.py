"""Two people who have to agree, each with a clone, and the buttons of a forge."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from story import Story

from lab.operator import Operator

NAMESPACES = 'namespaces="git,approve.v1@fleet,policy.v1@fleet,release.v1@fleet"'


@dataclass
class Team:
    """Ann, who writes, and Ben, who has to agree; each with a clone."""

    story: Story
    ben: Operator

    def fleet(self, who: Operator, *arguments: str, code: int = 0) -> str:
        """A `fleet` command in somebody's clone."""
        command = [sys.executable, "-m", "reconciler.fleet", "-C", str(who.work), *arguments]
        env = {**who.env(), "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def pull(self) -> None:
        for one in (self.story.ann, self.ben):
            one.git("fetch", "--quiet", "origin", "main")
            one.git("reset", "--quiet", "--hard", "origin/main")

    def release(self) -> str:
        """Both sign what is on main; gives what the last one was told."""
        self.pull()
        self.fleet(self.story.ann, "release", "prepare")
        self.fleet(self.story.ann, "release", "sign", "--yes")
        return self.fleet(self.ben, "release", "sign", "--yes")

    def policy(self, text: str) -> str:
        """Ann proposes what stands in the file, and both sign it; gives what the first was told."""
        self.story.write("trust/policy.yaml", text)
        lines = [one.allowed_signers_line.replace('namespaces="git"', NAMESPACES) for one in (self.story.ann, self.ben)]
        self.story.write("trust/allowed_signers", "".join(f"{line}\n" for line in lines))
        self.story.push("The policy", sign=False)
        self.pull()
        told = self.fleet(self.story.ann, "policy", "propose")
        self.fleet(self.story.ann, "policy", "sign", "--yes")
        self.fleet(self.ben, "policy", "sign", "--yes")
        return told


def forge(story: Story, how: str) -> None:
    """What a button does on the server with the branch `work`; no person signs any of it."""
    who = ("-c", "user.name=forge", "-c", "user.email=forge@git.example")
    tree = story.git("rev-parse", "refs/heads/work^{tree}")
    parents = ["-p", "main", *(["-p", "work"] if how == "merge" else [])]
    made = story.git(*who, "commit-tree", tree, *parents, "-m", f"A {how} by a button")
    if how == "rebase":
        tree = story.git("rev-parse", "refs/heads/work^{tree}")
        made = story.git(*who, "commit-tree", tree, "-p", made, "-m", "The second of the branch")
    story.git("update-ref", "refs/heads/main", made)
