"""Writes files so that a power cut leaves the old or the new one, whole, and never something between."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.errors import PermissionDenied, StateError


@contextmanager
def failing_clearly(path: Path) -> Iterator[None]:
    """What the disk says no to, as PermissionDenied or StateError."""
    try:
        yield
    except PermissionError as error:
        raise PermissionDenied(
            "may not be written", where=str(path), advice="run as root, or chown the folder"
        ) from error
    except OSError as error:
        raise StateError(f"cannot be written: {error.strerror}", where=str(path), advice="check the disk") from error


def write_atomically(path: Path, content: bytes, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Write beside, flush to the disk, rename, flush the folder. Raises PermissionDenied or StateError."""
    beside = path.with_name(f".{path.name}.new")
    with failing_clearly(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Never into a file that is there: somebody may have it open.
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as file:
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
