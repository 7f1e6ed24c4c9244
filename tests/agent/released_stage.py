"""A real Git repository with a fleet's commits and its documents, and a device's way of looking at both."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from lab.released import DAY, FILES, NOW, Fleet, policy_bytes, signers_file
from reconciler.agent.orders.known import Obtained
from reconciler.agent.orders.release_source import ReleaseSource
from reconciler.agent.state.journal import Journal
from reconciler.agent.state.release_memory import release_trust
from reconciler.repository import Mirror, Remote
from reconciler.repository.bare import init_bare
from reconciler.repository.git import Git
from signing.documents import Entry, Listing, moment_text

_SECONDS = int(NOW.timestamp())


NEWER = {**FILES, "apps/web/compose.yaml": "newer"}


class Stage:
    """One repository to fetch from, by git's own protocol, and one device whose state lies in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git = Git(folder / "fleet.git")
        init_bare(self.git.git_dir)
        self.fleet = Fleet()
        self.fleet.policy(policy_bytes(), signers_file(), ("alice", "bob"))
        self.anchor = hashlib.sha256(policy_bytes()).hexdigest()

    def commit(self, files: Mapping[str, str] = FILES) -> str:
        """An unsigned commit of these files on main."""
        self._import("main", {path: text.encode() for path, text in files.items()})
        return self.tip("main")

    def release(
        self,
        seq: int,
        files: Mapping[str, str] = FILES,
        people: Iterable[str] = ("alice", "bob"),
        commit: str = "",
        **changed: Any,
    ) -> str:
        """A release of a new commit, put onto the branch; gives the commit."""
        own = commit or self.commit(files)
        tree = self.git.run("rev-parse", f"{own}^{{tree}}").decode().strip()
        self.fleet.release(seq, people, files, **{"commit": own, "tree": tree, **changed})
        return own

    def publish(self) -> None:
        """What lies in `fleet.paths` is the branch of documents from now on, whatever was there."""
        self._import("releases", self.fleet.paths)

    def _import(self, branch: str, files: Mapping[str, bytes]) -> None:
        """A commit with just these files on top of a branch (git-fast-import(1))."""
        tip = self.tip(branch)
        head = f"commit refs/heads/{branch}\ncommitter Forge <forge@git.example> {_SECONDS} +0000\ndata 1\n.\n"
        lines = [head.encode(), f"from {tip}\n".encode() if tip else b"", b"deleteall\n"]
        for path, content in files.items():
            lines.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(content), content))
        self.git.run("fast-import", "--quiet", "--force", stdin=b"".join(lines))

    def tip(self, branch: str) -> str:
        code, out, _ = self.git.attempt("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}")
        return out.decode().strip() if code == 0 else ""

    def listing_by_hand(self, commit: str) -> Listing:
        """As an auditor makes it: `git ls-tree -r` and a digest of each file."""
        lines = self.git.run("ls-tree", "-r", commit).decode().splitlines()
        files = {}
        for line in lines:
            mode, _, blob = line.split("\t")[0].split(" ")
            content = self.git.run("cat-file", "blob", blob)
            files[line.split("\t")[1]] = Entry(mode, hashlib.sha256(content).hexdigest(), len(content))
        return Listing(files)

    # The device

    @property
    def journal(self) -> Journal:
        """Its state, read anew as by a reconciler that has just started."""
        return Journal(self.folder / "state")

    def source(self, channel: str = "main") -> ReleaseSource:
        mirror = Mirror(self.folder / "state" / "repository.git", Remote(f"file://{self.git.git_dir}"), "main")
        return ReleaseSource(mirror, self.journal, self.anchor, channel, "releases")

    def obtain(self, now: datetime = NOW, channel: str = "main") -> Obtained:
        return self.source(channel).obtain(now)


def code(obtained: Obtained, kind: str = "Trusted") -> str:
    """The reason of a condition."""
    (fact,) = (fact for fact in obtained.facts if fact.type == kind)
    return fact.reason


def seq(stage: Stage) -> int:
    state = release_trust(stage.journal)
    return state.accepted["main"].seq if state and "main" in state.accepted else 0


def version(stage: Stage) -> int:
    state = release_trust(stage.journal)
    return int(json.loads(state.policy)["version"]) if state else 0


def drop(stage: Stage, folder: str) -> None:
    for path in [path for path in stage.fleet.paths if path.startswith(folder)]:
        del stage.fleet.paths[path]


def version_2(stage: Stage, people: tuple[str, ...] = ("alice", "bob"), **changed: object) -> None:
    raw = policy_bytes(version=2, issued=moment_text(NOW - DAY), **changed)
    stage.fleet.policy(raw, signers_file(), people)
