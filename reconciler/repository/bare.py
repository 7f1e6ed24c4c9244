"""A bare repository as files (gitrepository-layout(5)): made, swept, and set aside when it is of no use."""

import hashlib
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reconciler.errors import StateError
from reconciler.repository.git import Git

_LOOSE, _SHA1 = re.compile("[0-9a-f]{40}([0-9a-f]{24})?"), 40
_PART = 1024 * 1024


def init_bare(git_dir: Path, object_format: str = "sha1") -> None:
    """Make a bare repository, or leave the one that is there, without the locks that a power cut left.

    Only for a store that nobody else uses at the moment; the agent's lock on its state sees to that. Raises StateError.
    """
    with _writing(git_dir):
        if (git_dir / "HEAD").exists():
            for lock in (*git_dir.glob("*.lock"), *git_dir.glob("refs/**/*.lock")):
                lock.unlink(missing_ok=True)
            return
        if git_dir.is_dir():  # what a power cut left while it was made; its locks would be in the way
            shutil.rmtree(git_dir)
        git_dir.mkdir(parents=True)
    flags = ("--bare", "--quiet", "--template=", "--initial-branch=main", f"--object-format={object_format}")
    Git(git_dir).run("init", *flags, str(git_dir))


def loose_ref(git_dir: Path, ref: str) -> str:
    """What stands in the file of a ref (gitrepository-layout(5)); nothing, where git keeps it in another way."""
    try:
        return (git_dir / ref).read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def sweep(git_dir: Path) -> None:
    """Remove what a git that was ended left half written."""
    for left in (*git_dir.glob("objects/pack/tmp_*"), *git_dir.glob("objects/*/tmp_obj_*")):
        with suppress(OSError):  # where the disk takes nothing, something else tells it
            left.unlink(missing_ok=True)


def set_aside(git_dir: Path) -> None:
    """Move a damaged store away: it is a cache of the server's, and is fetched anew. The last damaged one is kept.

    Raises StateError.
    """
    damaged = git_dir.with_name(f"{git_dir.name}.damaged")
    shutil.rmtree(damaged, ignore_errors=True)
    with _writing(git_dir), suppress(FileNotFoundError):
        git_dir.rename(damaged)


def is_whole(loose: Path) -> bool:
    """Is what is in the file of a loose object that of its name?"""
    name = loose.parent.name + loose.name
    if not _LOOSE.fullmatch(name):  # of a git that was ended
        return True
    found = hashlib.new("sha1" if len(name) == _SHA1 else "sha256", usedforsecurity=False)
    unpacking = zlib.decompressobj()
    try:
        with loose.open("rb") as file:
            while not unpacking.eof:
                packed = unpacking.unconsumed_tail or file.read(_PART)
                # A few bytes can be packed gigabytes.
                part = unpacking.decompress(packed, _PART)
                if not packed and not part:
                    return False
                found.update(part)
    except (OSError, zlib.error):
        return False
    return found.hexdigest() == name


@contextmanager
def _writing(git_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        advice = "check the disk, and whose folder it is"
        raise StateError(f"cannot be written: {error.strerror}", where=str(git_dir), advice=advice) from error
