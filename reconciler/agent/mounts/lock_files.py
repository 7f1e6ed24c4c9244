"""Update locks: a folder for each service that asks for one, in which its container makes a file named `lock`.

What lies there was written by a container, so nothing of it is followed or believed beyond a line of text.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from reconciler.agent.state.files import failing_clearly
from reconciler.agent.state.moment import rfc3339
from reconciler.model import Lock

_FOLDER, _LOCK = "locks", "lock"
_LONGEST_OWNER = 100


def lock_folder(files: Path, service: str) -> Path:
    """Where APP/SERVICE locks; it is mounted into its container."""
    return files / _FOLDER / service


def make_lock_folder(files: Path, service: str) -> None:
    """Make it so that every user of the container may write there. Raises PermissionDenied or StateError."""
    path = lock_folder(files, service)
    with failing_clearly(path):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o1777)


def held_locks(files: Path, boot: Callable[[], float]) -> dict[str, Lock]:
    """The locks that are held, by APP/SERVICE. One from before this boot (in seconds since 1970) is held by nobody."""
    root, found = files / _FOLDER, {}
    for path in root.glob(f"*/*/{_LOCK}") if root.is_dir() else ():
        lock = _read(path, boot)
        if lock is not None:
            found[str(path.parent.relative_to(root))] = lock
    return found


def boot_time() -> float:
    """When this machine started, in seconds since 1970 (proc(5), `btime`)."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0


def _read(path: Path, boot: Callable[[], float]) -> Lock | None:
    try:
        status = path.lstat()
        if status.st_mtime < boot():
            return None
        owner = ""
        if stat.S_ISREG(status.st_mode):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                owner = file.read(_LONGEST_OWNER).decode(errors="replace").partition("\n")[0]
    except OSError:
        return None
    shown = "".join(letter for letter in owner if letter.isprintable())
    return Lock(shown, rfc3339(status.st_mtime))
