"""A bare repository as files (gitrepository-layout(5)): made, swept, and set aside when it is of no use."""

import shutil
from pathlib import Path

from reconciler.errors import StateError
from reconciler.repository.git import Git


def init_bare(git_dir: Path, object_format: str = "sha1") -> None:
    """Make a bare repository, or leave the one that is there, without the locks that a power cut left.

    Only for a store that nobody else uses at the moment; the agent's lock on its state sees to that.
    """
    try:
        if (git_dir / "HEAD").exists():
            for lock in (*git_dir.glob("*.lock"), *git_dir.glob("refs/**/*.lock")):
                lock.unlink(missing_ok=True)
            return
        if git_dir.is_dir():  # what a power cut left while it was made; its locks would be in the way
            shutil.rmtree(git_dir)
        git_dir.mkdir(parents=True)
    except OSError as error:
        advice = "check the disk, and whose folder it is"
        raise StateError(f"cannot be written: {error.strerror}", where=str(git_dir), advice=advice) from error
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
        left.unlink(missing_ok=True)


def set_aside(git_dir: Path) -> None:
    """Move a damaged store away: it is a cache of the server's, and is fetched anew. The last damaged one is kept."""
    damaged = git_dir.with_name(f"{git_dir.name}.damaged")
    shutil.rmtree(damaged, ignore_errors=True)
    if git_dir.exists():
        git_dir.rename(damaged)
