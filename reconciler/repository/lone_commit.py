"""A store that holds one commit on top of nothing, laid down in process, for a push and nothing else.

By programs of git's it would be `init`, `fast-import`, `rev-parse`, `update-ref` and `hash-object`, a process or two
each: on a small device, and for a thousand at once, they cost more than the push.
"""

import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path

from reconciler.errors import StateError
from reconciler.repository.commits import Author, Sign, commit_bytes
from reconciler.repository.raw_objects import RawObject, tree_objects

SHA1, SHA256 = "sha1", "sha256"
# gitrepository-layout(5): what makes a folder a bare repository. Without a version, git knows sha1 alone.
_CONFIG = {
    SHA1: "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
    SHA256: "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n",
}


def lay_commit(
    git_dir: Path, object_format: str, files: Mapping[str, bytes], message: str, author: Author, sign: Sign
) -> str:
    """Make the store anew, with a signed commit of these files alone; its id. Raises StateError.

    Nothing that was there is kept or believed, so nothing need be flushed: what a power cut left half written is gone
    at the next call, and what is to be sent stands in the journal until a server has it.
    """
    objects = list(tree_objects(object_format, files))
    raw = commit_bytes(objects[-1].id(object_format).hex(), None, message, author, sign)
    objects.append(RawObject(b"commit", raw))
    clear(git_dir)
    try:
        (git_dir / "refs").mkdir(parents=True, exist_ok=True)
        (git_dir / "HEAD").write_text("ref: refs/heads/main\n")
        (git_dir / "config").write_text(_CONFIG[object_format])
        for one in objects:
            _write_loose(git_dir / "objects", one.id(object_format).hex(), one)
    except OSError as error:
        advice = "check the disk, and whose folder it is"
        raise StateError(f"cannot be written: {error.strerror}", where=str(git_dir), advice=advice) from error
    return objects[-1].id(object_format).hex()


def format_before(git_dir: Path) -> str:
    """The format of what was laid there last; sha1, where nothing can be read."""
    try:
        return SHA256 if (git_dir / "config").read_text(errors="replace") == _CONFIG[SHA256] else SHA1
    except OSError:
        return SHA1


def clear(git_dir: Path) -> None:
    """Leave nothing on the disk."""
    shutil.rmtree(git_dir, ignore_errors=True)


def _write_loose(objects: Path, name: str, one: RawObject) -> None:
    folder = objects / name[:2]
    folder.mkdir(parents=True, exist_ok=True)
    # Fast rather than small: it is read once, by the push.
    (folder / name[2:]).write_bytes(zlib.compress(one.framed, 1))
