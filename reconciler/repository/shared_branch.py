"""A branch of an operator's clone to which files are only ever added, by several people, without a worktree.

Because no file of it changes its content, what two people added at once is joined by adding both.
"""

from contextlib import suppress

from reconciler.errors import GitError, PushRejected, RemoteUnavailable, UnknownRevision
from reconciler.model.tree import Tree
from reconciler.repository.commits import commit_files
from reconciler.repository.desk import Desk
from reconciler.repository.git import Git
from reconciler.repository.objects import MAX_FILE_BYTES, files_of, read_files, resolve

_ATTEMPTS = 5


class SharedBranch:
    """One such branch, here and at the clone's remote."""

    def __init__(self, desk: Desk, name: str, most: int = MAX_FILE_BYTES) -> None:
        self.name = name
        self._desk, self._most = desk, most
        self._ref = f"refs/heads/{name}"

    @property
    def tip(self) -> str:
        """Where it is, here. Raises UnknownRevision when nobody has begun it."""
        return resolve(Git(self._desk.git_dir), self._ref)

    def fetch(self) -> None:
        """Take over what others added. Raises RemoteUnavailable, GitError."""
        theirs = self._fetched()
        if theirs and not self._has(theirs):
            self._join(theirs)

    def add(self, files: Tree, message: str, *, replaces: bool = False) -> None:
        """Add files here. Raises GitError when one is there with another content, unless it `replaces` that."""
        try:
            parent: str | None = self.tip
        except UnknownRevision:
            parent = None
        self._commit(parent, files, message, replaces=replaces)

    def publish(self, files: Tree, message: str, *, replaces: bool = False) -> None:
        """Add files here and at the remote, beside what others add meanwhile. Raises as `add`, RemoteUnavailable."""
        for _ in range(_ATTEMPTS):
            self.fetch()
            self.add(files, message, replaces=replaces)
            with suppress(PushRejected):
                return self._desk.push(self.name)
        raise RemoteUnavailable(f"lost the race for branch `{self.name}` {_ATTEMPTS} times", advice="say it again")

    def _fetched(self) -> str:
        try:
            return resolve(Git(self._desk.git_dir), self._desk.fetch(self.name))
        except UnknownRevision:
            return ""

    def _has(self, theirs: str) -> bool:
        """Is all of theirs below what is here?"""
        try:
            code, _, _ = Git(self._desk.git_dir).attempt("merge-base", "--is-ancestor", theirs, self.tip)
        except UnknownRevision:
            return False
        return code == 0

    def _join(self, theirs: str) -> None:
        """Put what only we have on top of theirs."""
        store = Git(self._desk.git_dir)
        try:
            ours = files_of(store, self.tip)
        except UnknownRevision:
            ours = []
        there = {file.path for file in files_of(store, theirs)}
        added = read_files(store, [file for file in ours if file.path not in there], self._most)
        if added:
            self._commit(theirs, added, "Join what was added at once")
        else:
            store.run("update-ref", self._ref, theirs)

    def _commit(self, parent: str | None, files: Tree, message: str, *, replaces: bool = False) -> None:
        store = Git(self._desk.git_dir)
        known = {file.path: file for file in files_of(store, parent)} if parent else {}
        there = read_files(store, [known[path] for path in files if path in known], self._most)
        new = {path: content for path, content in files.items() if there.get(path) != content}
        for path in new:
            if path in there and not replaces:
                raise GitError(f"{path} is there already, and says something else", advice="take the next number")
        if new or parent is None:
            parent = commit_files(store, parent, new, message, self._desk.author())
        store.run("update-ref", self._ref, parent)
