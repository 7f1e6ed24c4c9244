"""An object store as those see it who judge commits: raw objects, chains, and what git makes of a merge."""

from collections.abc import Iterable
from pathlib import Path

from reconciler.errors import GitError
from reconciler.model.tree import Tree
from reconciler.repository.git import Git
from reconciler.repository.objects import (
    MAX_FILE_BYTES,
    File,
    brought_in,
    changed,
    digests,
    files_of,
    first_parents,
    named_under,
    plain_paths,
    read_files,
    read_objects,
    resolve,
    small_objects,
)

# More new commits at once than this are not read one by one (security model, 2.6); 10,000 take about 3 s to verify.
MAX_CHAIN = 10_000
# Merging what somebody hostile pushed must not hold up a device.
MERGE_SECONDS = 10.0
# Whom renames interest must merge by hand (signing/merges.py); looking for them among thousands of files takes long.
_MERGING = {"merge.renameLimit": "50", "merge.directoryRenames": "false"}
# Commits of a branch that a merge may build on: some ten years of an eager team.
MAX_OWN = 200_000
# Where a device's tags lie, and how many are looked at; a server with more is not one of a fleet.
FETCHED_TAGS, MAX_TAGS = "refs/reconciler-tags", 10_000


class Store:
    """A repository's objects. Nothing of its configuration, hooks or attributes counts."""

    def __init__(self, git_dir: Path) -> None:
        self._git_dir = git_dir

    def resolve(self, name: str) -> str:
        """The commit id that a revision name means. Raises UnknownRevision."""
        return resolve(Git(self._git_dir), name)

    def chain(self, new: str, old: str | None) -> list[tuple[str, bytes]]:
        """The commits that lead from `old` to `new` by first parents, oldest first, as (id, raw object)."""
        git = Git(self._git_dir)
        ids = first_parents(git, new, old, MAX_CHAIN)
        return list(zip(ids, read_objects(git, ids, "commit"), strict=True))

    def newest(self, commit: str, most: int) -> list[tuple[str, bytes]]:
        """This commit and those before it by first parents, at most so many, oldest first, as (id, raw object)."""
        git = Git(self._git_dir)
        ids = first_parents(git, commit, None, most - 1)
        return list(zip(ids, read_objects(git, ids, "commit"), strict=True))

    def commit(self, commit: str) -> bytes:
        """One raw commit object."""
        return read_objects(Git(self._git_dir), [commit], "commit")[0]

    def brought_in(self, first: str, second: str, limit: int) -> list[tuple[str, bytes]]:
        """The commits of `second` that `first` has not, each behind its parents; at most `limit` + 1 of them."""
        git = Git(self._git_dir)
        ids = brought_in(git, first, second, limit)
        return list(zip(ids, read_objects(git, ids, "commit"), strict=True))

    def own(self, commit: str) -> frozenset[str]:
        """The commits of a branch itself: from this one, by first parents. Raises GitError."""
        return frozenset(first_parents(Git(self._git_dir), commit, None, MAX_OWN))

    def plain_paths(self, commit: str) -> frozenset[str]:
        """The paths of the plain files of a commit; neither folders nor links. Raises GitError."""
        return plain_paths(Git(self._git_dir), commit)

    def bases(self, first: str, second: str) -> list[str]:
        """The best common ancestors of two commits. Raises GitError."""
        code, out, _ = Git(self._git_dir).attempt("merge-base", "--all", first, second)
        return out.decode().split() if code == 0 else []

    def merged_tree(self, first: str, second: str) -> str:
        """The id of the tree that git makes of both; empty when they conflict, or it cannot (git-merge-tree, 2.38).

        A merge that takes too long is not made either: it must not keep a device from what was said before it.
        """
        flags = ("--write-tree", "--no-messages", "--end-of-options")
        try:
            git = Git(self._git_dir, _MERGING)
            code, out, _ = git.attempt("merge-tree", *flags, first, second, timeout=MERGE_SECONDS)
        except GitError:
            return ""
        return out.decode().strip() if code == 0 else ""

    def changed(self, before: str, after: str) -> list[str]:
        """The paths of the files that differ between two commits. Raises GitError for more than a tree may have."""
        return changed(Git(self._git_dir), before, after)

    def named(self, commit: str, paths: Iterable[str]) -> Tree:
        """Some files of a commit by path; empty, what is missing or too big. Raises GitError."""
        wanted = list(paths)
        names = [f"{commit}:{path}" for path in wanted]
        return dict(zip(wanted, small_objects(Git(self._git_dir), names, MAX_FILE_BYTES), strict=True))

    def files_of(self, commit: str) -> list[File]:
        """All files of a commit, unread. Raises TreeRefused."""
        return files_of(Git(self._git_dir), commit)

    def read_files(self, files: Iterable[File], most: int = MAX_FILE_BYTES) -> Tree:
        """The contents of some of them, none of over `most` bytes. Raises TreeRefused."""
        return read_files(Git(self._git_dir), files, most)

    def digests(self, commit: str) -> list[tuple[File, str]]:
        """Every file of a commit with the SHA-256 of its content, in hex. Raises TreeRefused."""
        git = Git(self._git_dir)
        return list(digests(git, files_of(git, commit)))

    def tags(self, folder: str = FETCHED_TAGS) -> dict[str, tuple[str, str]]:
        """The tags in this folder of refs, by name: the id of what each names, and that object's type."""
        return named_under(Git(self._git_dir), folder, MAX_TAGS)

    def refs(self) -> list[str]:
        """All refs, as `ID NAME`. Raises GitError."""
        out = Git(self._git_dir).run("for-each-ref", "--format=%(objectname) %(refname)", f"--count={MAX_TAGS}")
        return out.decode("utf-8", "replace").splitlines()

    def tag(self, tag_id: str) -> bytes:
        """One raw tag object."""
        return read_objects(Git(self._git_dir), [tag_id], "tag")[0]
