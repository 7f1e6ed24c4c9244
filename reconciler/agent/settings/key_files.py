"""Where the device's keys lie: the one that counts, the next one, and the one before."""

from pathlib import Path

_NEXT, _BEFORE = ".next", ".old"


def next_key(path: Path) -> Path:
    """Where the key lies that is to come."""
    return path.with_name(f"{path.name}{_NEXT}")


def before_key(path: Path) -> Path:
    """Where the key lies that was before."""
    return path.with_name(f"{path.name}{_BEFORE}")
