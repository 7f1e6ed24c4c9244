"""Every report that was ever written to a status branch, not yet believed."""

from collections.abc import Iterator
from pathlib import Path

from reconciler.model import MAX_REPORT_BYTES
from reconciler.repository.git import Git
from reconciler.repository.objects import resolve, small_objects
from reconciler.repository.status_branch import FoundReport, device_of, report_path

# Contents that are held in memory at once.
_AT_ONCE = 500


def read_history(git_dir: Path, revision: str, device: str = "") -> Iterator[FoundReport]:
    """All reports, or those of one device, oldest first, each with the commit that wrote it.

    An oversized one, or one that is gone, has no content. Raises UnknownRevision, GitError.
    """
    git = Git(git_dir)
    written = list(_written(git, resolve(git, revision), device))
    for start in range(0, len(written), _AT_ONCE):
        part = written[start : start + _AT_ONCE]
        raws = small_objects(git, [commit for _, commit, _ in part], MAX_REPORT_BYTES)
        names = [f"{commit}:{report_path(name)}" for name, commit, _ in part]
        contents = small_objects(git, names, MAX_REPORT_BYTES)
        for (name, commit, touched), raw, content in zip(part, raws, contents, strict=True):
            yield FoundReport(name, content, commit, raw, touched)


def _written(git: Git, tip: str, device: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Device, commit, and all paths that the commit touches."""
    flags = ("--first-parent", "-m", "--no-renames", "--reverse", "--format=%x01%H", "--name-only")
    out = git.run("log", *flags, tip, "--")
    for block in out.decode("utf-8", "replace").split("\x01")[1:]:
        commit, *paths = block.split("\n")
        touched = tuple(path for path in paths if path)
        for name in filter(None, map(device_of, touched)):
            if not device or name == device:
                yield name, commit, touched
