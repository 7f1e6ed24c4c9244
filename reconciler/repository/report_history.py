"""Every report that was ever written to a status branch, not yet believed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from reconciler.model import MAX_REPORT_BYTES
from reconciler.repository.git import Git
from reconciler.repository.objects import resolve
from reconciler.repository.status_branch import FoundReport, device_of

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
        raws = _objects(git, [commit for _, commit, _ in part])
        contents = _objects(git, [f"{commit}:devices/{name}/status.json" for name, commit, _ in part])
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


def _objects(git: Git, names: Sequence[str]) -> list[bytes]:
    """Each object; nothing, for one that is too big or missing: no writer may hide all others."""
    asked = "".join(f"{name}\n" for name in names).encode()
    sizes = git.run("cat-file", "--batch-check", stdin=asked).decode("utf-8", "replace").splitlines()
    small = [name for name, told in zip(names, sizes, strict=True) if _is_small(told)]
    out = git.run("cat-file", "--batch", stdin="".join(f"{name}\n" for name in small).encode())
    found: dict[str, bytes] = {}
    position = 0
    for name in small:
        end = out.index(b"\n", position)
        size = int(out[position:end].split()[-1])
        found[name] = out[end + 1 : end + 1 + size]
        position = end + 1 + size + 1
    return [found.get(name, b"") for name in names]


def _is_small(told: str) -> bool:
    parts = told.split(" ")
    return len(parts) == 3 and parts[2].isdigit() and int(parts[2]) <= MAX_REPORT_BYTES
