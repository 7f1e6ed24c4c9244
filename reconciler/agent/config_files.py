"""Where the content of configs and secrets lies on the device: one file for each content, owner and mode."""

import hashlib
import os
from pathlib import Path

from reconciler.agent.files import write_atomically
from reconciler.model import ConfigFile


def store_file(folder: Path, file: ConfigFile) -> None:
    """Write it under its name, which no other content has. Raises PermissionDenied or StateError."""
    owner = (file.uid, file.gid) if (file.uid, file.gid) != (0, 0) else None
    write_atomically(folder / file.name, file.content, mode=file.mode, owner=owner)


def stored_files(folder: Path) -> frozenset[str]:
    """The names of the files whose content, owner and mode are what their name says."""
    found = folder.glob("[0-9a-f]*") if folder.is_dir() else ()
    return frozenset(path.name for path in found if _name_of(path) == path.name)


def _name_of(path: Path) -> str:
    """The name that these bytes, owner and mode deserve; nothing for what was not put there by us, such as a link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            content = file.read()
    except OSError:
        return ""
    digest = hashlib.sha256(content).hexdigest()
    if "-" not in path.name:
        return digest
    return ConfigFile(digest, content, status.st_uid, status.st_gid, status.st_mode & 0o777).name
