"""Files of a branch as they ever were: each version of them, out of one `git log`."""

from dataclasses import dataclass
from pathlib import Path

from reconciler.repository.git import Git
from reconciler.repository.objects import first_parents, small_objects
from reconciler.repository.store import MAX_OWN

# A line for each file that a commit changed; a hundred thousand of them have some 20 MB.
_MAX_CHANGES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Version:
    """A file as a commit of the branch left it; without content, where the commit removed it, or it is too big."""

    path: str
    commit: str
    content: bytes


def read_versions(git_dir: Path, tip: str, folder: str, ending: str, most: int) -> list[Version]:
    """Every version of the files below a folder whose paths end so, by first parents, oldest first.

    None of over `most` bytes is read. Raises GitError, also for more changes than any fleet has.
    """
    git = Git(git_dir)
    flags = ("--reverse", "--first-parent", "-m", "--raw", "--no-abbrev", "--no-renames", "--format=%x01%H")
    out = git.run_limited("log", *flags, tip, "--", folder, most=_MAX_CHANGES)
    found = []
    for block in out.decode("utf-8", "replace").split("\x01")[1:]:
        commit, *lines = block.split("\n")
        found += [(commit, *_changed(line)) for line in lines if line.startswith(":") and line.endswith(ending)]
    blobs = sorted({blob for _, _, blob in found if blob})
    contents = dict(zip(blobs, small_objects(git, blobs, most), strict=True))
    return [Version(path, commit, contents.get(blob, b"")) for commit, path, blob in found]


def _changed(line: str) -> tuple[str, str]:
    """Path and blob of `:100644 100644 OLD NEW M<tab>PATH` (git-diff-tree); NEW is zeros where there is none."""
    head, _, path = line.partition("\t")
    blob = head.split(" ")[3]
    return path, blob if blob.strip("0") else ""


def read_positions(git_dir: Path, tip: str) -> dict[str, int]:
    """Where each commit of a branch stands on it, by first parents, counted from its beginning. Raises GitError."""
    return {commit: number for number, commit in enumerate(first_parents(Git(git_dir), tip, None, MAX_OWN))}


def newest_merge(git_dir: Path, tip: str) -> str:
    """The newest commit of a branch, by first parents, that has more than one parent; empty without one."""
    return Git(git_dir).run("rev-list", "--first-parent", "--merges", "--max-count=1", tip, "--").decode().strip()
