"""Files that change under a container, written in place: a container that has one mounted keeps to the file itself.

Beside each lies a note of what the container was told of. It is written after the signal, so that a power cut between
the two leads to another signal, and never to a container that does not know.
"""

import contextlib
import os
from pathlib import Path

from reconciler.agent.mounts.config_files import name_of
from reconciler.agent.state.files import failing_clearly, write_atomically
from reconciler.model import SEALED, ConfigFile

_FOLDER, _NOTES = "live", "told"


def live_path(files: Path, live: str) -> Path:
    """Where the file lies that is mounted."""
    return files / _FOLDER / live


def write_live(files: Path, live: str, file: ConfigFile) -> None:
    """Write the content into the file that is there. Raises PermissionDenied or StateError."""
    path = live_path(files, live)
    _note(files, live).unlink(missing_ok=True)
    with failing_clearly(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Not cut off first: who reads it in the middle sees new content and then old, and not an empty file.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, file.mode)
        with os.fdopen(descriptor, "wb") as opened:
            os.fchown(opened.fileno(), file.uid, file.gid)
            os.fchmod(opened.fileno(), file.mode)
            opened.write(file.content)
            opened.truncate()
            opened.flush()
            os.fsync(opened.fileno())


def note_told(files: Path, live: str, name: str) -> None:
    """The container was told of this content, by the name of its ConfigFile.

    A sealed one's name says nothing of what it holds unsealed, so that is written behind it.
    """
    known = f"{name} {name_of(live_path(files, live), '-')}" if name.startswith(SEALED) else name
    write_atomically(_note(files, live), known.encode())


def told_files(files: Path) -> dict[str, str]:
    """What containers were told of, by place; without what holds something else by now."""
    root, found = files / _FOLDER, {}
    for path in root.glob("*/*/*") if root.is_dir() else ():
        live = str(path.relative_to(root))
        with contextlib.suppress(OSError, UnicodeDecodeError):
            name, _, holds = _note(files, live).read_text().partition(" ")
            if name_of(path, holds or name) == (holds or name):
                found[live] = name
    return found


def _note(files: Path, live: str) -> Path:
    return files / _NOTES / live
