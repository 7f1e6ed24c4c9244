"""Writes files so that a power cut leaves the old or the new one, whole, and never something between."""

import os
from pathlib import Path

from reconciler.errors import PermissionDenied, StateError


def write_atomically(path: Path, content: bytes, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Write beside, flush to the disk, rename, flush the folder. Raises PermissionDenied or StateError."""
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as file:
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _flush_folder(path.parent)
    except PermissionError as error:
        raise PermissionDenied(
            "may not be written", where=str(path), advice="run as root, or chown the folder"
        ) from error
    except OSError as error:
        raise StateError(f"cannot be written: {error.strerror}", where=str(path), advice="check the disk") from error


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
