"""Which commit wrote each line of a file: `git blame`, once a file, of a revision or of what lies in the folder."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reconciler.model.tree import Tree
from reconciler.repository.git import Git
from reconciler.repository.objects import check_path, read_objects

# So git names the lines that no commit has.
_NOT_COMMITTED = re.compile(r"0+")
_ENTRY = re.compile(rb"([0-9a-f]{40}(?:[0-9a-f]{24})?) \d+ \d+(?: \d+)?")
# A setting of the clone must not hide who wrote a line.
_OPTIONS = {"blame.ignoreRevsFile": "", "blame.coloring": "none"}


@dataclass(frozen=True, slots=True)
class Blame:
    """The commit of each line, from line 1; empty for what is not committed."""

    commits: tuple[str, ...]

    def commit(self, line: int) -> str:
        """Who wrote this line; nobody, for one that the file has not."""
        return self.commits[line - 1] if 0 < line <= len(self.commits) else ""


class Blames:
    """The blames of one commit; or, with the folder's files, of those, against the commit that is checked out."""

    def __init__(self, git_dir: Path, prefix: str = "", revision: str = "", folder: Tree | None = None) -> None:
        self._git = Git(git_dir, _OPTIONS)
        self._prefix, self._revision, self._folder = prefix, revision, folder
        self._known: dict[str, Blame] = {}

    def of(self, path: str) -> Blame:
        """The blame of one file. Raises GitError."""
        if path not in self._known:
            self._known[path] = self._read(path)
        return self._known[path]

    def raw_commits(self, ids: Iterable[str]) -> dict[str, bytes]:
        """The content of each of these commits."""
        wanted = list(ids)
        return dict(zip(wanted, read_objects(self._git, wanted, "commit"), strict=True)) if wanted else {}

    def history_begins(self) -> frozenset[str]:
        """The commits before which a shallow clone knows nothing: older lines seem to be theirs."""
        file = self._git.git_dir / "shallow"
        return frozenset(file.read_text().split()) if file.exists() else frozenset()

    def _read(self, path: str) -> Blame:
        check_path(path)
        name = f"{self._prefix}{path}"
        if self._folder is None:
            return _parse(self._git.run("blame", "--porcelain", self._revision, "--", name))
        content = self._folder[path]
        code, _, _ = self._git.attempt("cat-file", "-e", f"HEAD:{name}")
        if code != 0:
            return Blame(("",) * (content.count(b"\n") + 1))
        # The content goes in by a pipe, so that git looks at no working tree and applies no filter.
        return _parse(self._git.run("blame", "--porcelain", "--contents", "-", "--", name, stdin=content))


def _parse(out: bytes) -> Blame:
    """Porcelain: the commit, headers where the commit is told for the first time, then a tab and the line itself."""
    found: list[str] = []
    commit = ""
    # Not splitlines(): it would also split inside of a line.
    for line in out.split(b"\n"):
        if line.startswith(b"\t"):
            found.append("" if _NOT_COMMITTED.fullmatch(commit) else commit)
        elif entry := _ENTRY.fullmatch(line):
            commit = entry[1].decode()
    return Blame(tuple(found))
