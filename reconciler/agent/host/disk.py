"""Is there room on the disk of the images? A full one stops more than the pull that filled it."""

import os
import re
from pathlib import Path


def complaint(folder: Path, keep_free: int, more: int = 0) -> str:
    """Why there is no room for so many bytes more, for people; nothing where there is, or nobody can tell."""
    free = free_bytes(folder)
    if free is None or free - more >= keep_free:
        return ""
    need = f"{_megabytes(more)} more are needed, " if more else ""
    return f"no room on the disk: {need}{_megabytes(free)} are free, {_megabytes(keep_free)} are kept free"


def free_bytes(folder: Path) -> int | None:
    """What may still be written there; None where the folder is not to be seen."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def free_inodes(folder: Path) -> int | None:
    """How many files more may be made; None where nobody counts them."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_favail if found.f_files else None


def is_volatile(folder: Path) -> bool:
    """Is it on a file system that lies in memory (proc(5), `mounts`)?"""
    real = os.path.realpath(folder)
    # Of several at one place, the last one lies on top.
    mounts = [line.split(" ")[1:3] for line in reversed(Path("/proc/self/mounts").read_text().splitlines())]
    named = [(unescaped(point), kind) for point, kind in mounts]
    above = [(point, kind) for point, kind in named if real == point or real.startswith(f"{point.rstrip('/')}/")]
    return max(above, key=lambda one: len(one[0]), default=("", ""))[1] in ("tmpfs", "ramfs")


def unescaped(point: str) -> str:
    """A space, a tab, a line end and a backslash are told in octal (proc(5))."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"
