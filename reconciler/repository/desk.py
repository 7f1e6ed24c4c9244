"""An operator's clone: find it, read a revision or the folder as it lies there, fetch the reports.

It is the operator's own, so it is met with the operator's own settings, by GitPython; what is read out of commits takes
the same careful way as on a device.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import git

from reconciler.errors import GitError, PushRejected, RemoteUnavailable, UnknownRevision
from reconciler.model.tree import RECONCILERS, SECRETS, Tree
from reconciler.repository.blame import Blames
from reconciler.repository.commits import Author
from reconciler.repository.git import MAX_MEMORY, Git, went_elsewhere
from reconciler.repository.objects import MAX_FILE_BYTES, check_path, read_tree, resolve
from reconciler.repository.patience import OWN_SETTINGS, Patience, unavailable

# What git says of a push on top of something that is not the newest.
_BEHIND = ("non-fast-forward", "fetch first", "cannot lock ref", "failed to update ref")
# Refs that one call names.
_AT_ONCE = 200
_FOLDERS = ("apps", "layers", "devices", SECRETS, "trust", "rollouts", "requests", RECONCILERS)


PATIENCE = Patience()


class _Remote(NamedTuple):
    """A remote as git's commands name it, its address for people, and where the clone keeps its branches."""

    name: str
    url: str
    refs: str


class Desk:
    """A fleet repository on the operator's machine. `remote` is the address of another one than the clone's own."""

    def __init__(self, folder: Path, remote: str = "", patience: Patience | None = None) -> None:
        self.folder, self._given = folder.resolve(), remote
        self.patience = patience or PATIENCE

    def at(self, remote: str) -> "Desk":
        """The same clone, which talks to this address; to its own remote, if there is none."""
        return Desk(self.folder, remote, self.patience)

    @property
    def git_dir(self) -> Path:
        """The clone's object store. Raises GitError outside of a repository."""
        return Path(self._repository.common_dir).resolve()

    @property
    def _repository(self) -> git.Repo:
        advice = "clone the fleet repository, or use -C"
        try:
            repository = git.Repo(self.folder, search_parent_directories=True)
        except (git.InvalidGitRepositoryError, git.NoSuchPathError) as error:
            raise GitError("not inside a Git repository", where=str(self.folder), advice=advice) from error
        if repository.working_tree_dir is None:
            raise GitError("a bare repository", where=str(self.folder), advice=advice)
        return repository

    def prefix(self) -> str:
        """Where in the repository the folder lies, with a slash behind, or nothing at its root."""
        repository = self._repository
        relative = self.folder.resolve().relative_to(Path(str(repository.working_tree_dir)).resolve())
        return "" if relative == Path() else f"{relative}/"

    def revision(self, name: str) -> tuple[str, Tree]:
        """The commit that a name means, and its files below the folder. Raises UnknownRevision, TreeRefused."""
        commit = self.resolve(name)
        return commit, self.files(commit)

    def files(self, tree: str) -> Tree:
        """The files below the folder of a commit or a tree, by its id. Raises TreeRefused."""
        store, prefix = Git(self.git_dir), self.prefix()
        files = read_tree(store, tree, lambda path: _is_ours(path.removeprefix(prefix)) and path.startswith(prefix))
        return {path.removeprefix(prefix): content for path, content in files.items()}

    def resolve(self, name: str) -> str:
        """The commit that a name means in this working tree, whose HEAD is its own. Raises UnknownRevision."""
        return resolve(Git(Path(self._repository.git_dir).resolve()), name)

    def blames(self, name: str | None) -> Blames:
        """Who wrote each line, of a revision or of the folder. Raises UnknownRevision."""
        git_dir = self.git_dir
        if name:
            return Blames(git_dir, self.prefix(), self.resolve(name))
        return Blames(git_dir, self.prefix(), folder=self.worktree())

    def worktree(self) -> Tree:
        """The files as they lie in the folder, committed or not."""
        tree: dict[str, bytes] = {}
        for name in self._names():
            check_path(name)
            path = self.folder / name
            if not _is_ours(name):
                continue
            if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
                raise GitError("a link, no file, or one too big for a fleet repository", where=name, advice="remove it")
            tree[name] = path.read_bytes()
        return tree

    def _names(self) -> list[str]:
        """The files that a commit of the folder would hold; outside of a repository, all that lie there."""
        try:
            listed = self._repository.git.ls_files("-z", "--cached", "--others", "--exclude-standard", str(self.folder))
        except GitError:
            found = (p for p in self.folder.rglob("*") if p.is_symlink() or not p.is_dir())
            return sorted(p.relative_to(self.folder).as_posix() for p in found)
        prefix = self.prefix()
        names = (name.removeprefix(prefix) for name in listed.split("\0") if name.startswith(prefix) and name)
        return sorted(name for name in set(names) if (self.folder / name).is_symlink() or (self.folder / name).exists())

    def remote_ref(self, branch: str) -> str:
        """Where the clone keeps a branch of its remote; its own branch, where there is no remote."""
        remote = self._remote_or_none
        return f"{remote.refs}/{branch}" if remote else f"refs/heads/{branch}"

    def fetch(self, branch: str) -> str:
        """Fetch a branch from the clone's remote; the name of where it is.

        Raises RemoteUnavailable, or UnknownRevision when the remote has no such branch.
        """
        remote, name = self._remote_or_none, self.remote_ref(branch)
        if remote is None:
            return name
        try:
            self._ask("fetch", "--quiet", "--no-tags", remote.name, f"+refs/heads/{branch}:{name}")
        except git.GitCommandError as error:
            if "couldn't find remote ref" in str(error.stderr):
                raise UnknownRevision(f"no branch `{branch}` yet", where=remote.url) from error
            raise _unavailable(f"cannot fetch `{branch}`", error, remote) from error
        return name

    def list_refs(self, under: str) -> dict[str, str]:
        """What each ref of the remote below a folder names, by the rest of its name. Raises RemoteUnavailable."""
        remote = self._remote
        try:
            told = self._ask("ls-remote", "--quiet", remote.name, f"{under}/*")
        except git.GitCommandError as error:
            raise _unavailable("no answer", error, remote) from error
        # Other characters that end a line may be part of a name, and the pattern means the ends of names.
        lines = (line.split("\t", 1) for line in told.split("\n") if "\t" in line)
        return {
            name.removeprefix(f"{under}/"): object_id
            for object_id, name in lines
            if name.startswith(f"{under}/") and not name.endswith("^{}")
        }

    def fetch_into(self, store: Path, refspecs: Sequence[str], most: int) -> None:
        """Fetch into another store by the settings of the clone, the newest commits alone, `most` bytes at once.

        So nothing that a stranger pushed gets into the clone. Raises RemoteUnavailable.
        """
        remote = self._remote
        options = {"include.path": self.git_dir / "config", "fetch.fsckObjects": "true", "core.bigFileThreshold": "1m"}
        settings = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        flags = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--depth=1", "--no-filter")
        limited = ("/bin/sh", "-c", f'ulimit -d {MAX_MEMORY // 1024} && ulimit -f {most // 512} && exec "$@"', "sh")
        arguments = (f"--git-dir={store}", *settings, "fetch", *flags, remote.name, *refspecs)
        try:
            self._ask(*arguments, within=limited)
        except git.GitCommandError as error:
            raise _unavailable("cannot fetch", error, remote) from error

    def _ask(self, *arguments: str, within: Sequence[str] = ()) -> str:
        """Let git talk to a server, for as long as there is patience. Raises git.GitCommandError."""
        repository = self._repository
        try:
            own = str(repository.git.config("--name-only", "--get-regexp", OWN_SETTINGS)).splitlines()
        except git.GitCommandError:
            own = []  # none is set
        added = self.patience.environment(own, os.environ)
        command = [*within, git.Git.GIT_PYTHON_GIT_EXECUTABLE or "git", *arguments]
        # Not by GitPython's own deadline: it goes on after Ctrl-C, and holds up the end of the program.
        return str(repository.git.execute(command, env=added))

    @property
    def _remote_or_none(self) -> _Remote | None:
        if self._given:
            return _Remote(self._given, self._given, "refs/fleet/other")
        found = next(iter(self._repository.remotes), None)
        return _Remote(found.name, found.url, f"refs/remotes/{found.name}") if found is not None else None

    @property
    def _remote(self) -> _Remote:
        """Raises GitError, where the clone has none."""
        remote = self._remote_or_none
        if remote is None:
            advice = "say `git remote add origin URL`"
            raise GitError("the clone has no remote", where=str(self.folder), advice=advice)
        return remote

    def push(self, branch: str, commit: str = "") -> None:
        """Push a branch of the clone, or a commit as that branch, to the remote; without one, the branch is here.

        Raises PushRejected, RemoteUnavailable.
        """
        remote = self._remote_or_none
        if remote is None:
            if commit:
                Git(self.git_dir).run("update-ref", f"refs/heads/{branch}", commit)
            return
        try:
            refspec = f"{commit or f'refs/heads/{branch}'}:refs/heads/{branch}"
            told = self._ask("push", "--porcelain", "--no-progress", remote.name, refspec)
        except git.GitCommandError as error:
            told = f"{error.stdout}\n{error.stderr}"
            if any(word in told for word in _BEHIND):
                raise PushRejected("somebody else pushed first", where=remote.url) from error
            raise _unavailable(f"cannot push `{branch}`", error, remote) from error
        if other := went_elsewhere(told, f"refs/heads/{branch}"):
            what = f"somebody made `{other}`, which stands in the way of `refs/heads/{branch}`"
            raise RemoteUnavailable(what, where=remote.url, advice="remove it on the server")

    def remove_refs(self, names: Sequence[str]) -> None:
        """Remove refs of the remote. Raises RemoteUnavailable."""
        remote = self._remote
        try:
            for start in range(0, len(names), _AT_ONCE):
                part = names[start : start + _AT_ONCE]
                self._ask("push", "--quiet", remote.name, *(f":{name}" for name in part))
        except git.GitCommandError as error:
            raise _unavailable("cannot remove refs", error, remote) from error

    def is_pushed(self, commit: str) -> bool:
        """Has the remote this commit, as far as the clone knows? Yes, where there is no remote."""
        repository = self._repository
        return not repository.remotes or bool(repository.git.branch("-r", "--contains", commit).strip())

    def author(self) -> Author:
        """Who works here, by the clone's settings, now. Raises GitError when nobody told git."""
        try:
            ident = self._repository.git.var("GIT_COMMITTER_IDENT")
        except git.GitCommandError as error:
            advice = "say `git config user.name` and `user.email`"
            raise GitError("git does not know who you are", advice=advice) from error
        name, _, rest = ident.rpartition(" <")
        email, seconds, _ = rest.replace(">", "").rsplit(" ", 2)
        return Author(name, email, int(seconds))

    def setting(self, name: str) -> str:
        """A setting of git's, such as `user.signingKey`; empty when it is not set."""
        try:
            return str(self._repository.git.config("--get", name)).strip()
        except git.GitCommandError:
            return ""


def new_repository(folder: Path, branch: str = "main") -> None:
    """`git init` in a folder."""
    git.Repo.init(folder, initial_branch=branch)


def _is_ours(path: str) -> bool:
    return path == "fleet.yaml" or path.partition("/")[0] in _FOLDERS


def _unavailable(what: str, error: git.GitCommandError, remote: _Remote) -> RemoteUnavailable:
    return unavailable(what, (str(error.stdout), str(error.stderr)), remote.url)
