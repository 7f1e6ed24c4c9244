"""Where the content of configs and secrets lies on the device: one file for each content, owner and mode."""

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from reconciler.agent.state.files import write_atomically
from reconciler.model import ConfigFile


def store_file(folder: Path, file: ConfigFile) -> None:
    """Write it under its name, which no other content has. Raises PermissionDenied or StateError."""
    owner = (file.uid, file.gid) if (file.uid, file.gid) != (0, 0) else None
    write_atomically(folder / file.name, file.content, mode=file.mode, owner=owner)


def discard_files(folder: Path, names: Iterable[str]) -> None:
    """Remove these. What cannot be removed does no harm, and is tried again."""
    for name in names:
        with contextlib.suppress(OSError):
            (folder / name).unlink(missing_ok=True)


def stored_files(folder: Path) -> frozenset[str]:
    """The names of the files whose content, owner and mode are what their name says."""
    found = folder.glob("[0-9a-f]*") if folder.is_dir() else ()
    return frozenset(path.name for path in found if name_of(path, path.name) == path.name)


def name_of(path: Path, name: str) -> str:
    """The name that these bytes, owner and mode deserve, in the form of `name`; nothing for what is no plain file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            content = file.read()
    except OSError:
        return ""
    digest = hashlib.sha256(content).hexdigest()
    if "-" not in name:
        return digest
    return ConfigFile(digest, content, status.st_uid, status.st_gid, status.st_mode & 0o777).name
