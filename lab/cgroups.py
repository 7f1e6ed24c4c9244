"""Room for containers where we are a container ourselves, with cgroup v2."""

import contextlib
import errno
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def make_room(root: Path = _ROOT) -> None:
    """Let child groups of our root group have controllers.

    cgroup v2 refuses that while processes sit in the group itself, so in a container they move one
    down, to `init`. On the machine's real root, and with cgroup v1, there is nothing to do.
    """
    wanted = root / "cgroup.subtree_control"
    if not wanted.exists():
        return
    try:
        _enable(root)
    except OSError as error:
        if error.errno != errno.EBUSY:
            return  # read-only, say: dockerd will tell it better than we can
        (root / "init").mkdir(exist_ok=True)
        for process in (root / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):  # it ended meanwhile
                (root / "init" / "cgroup.procs").write_text(process)
        with contextlib.suppress(OSError):
            _enable(root)


def _enable(root: Path) -> None:
    for controller in (root / "cgroup.controllers").read_text().split():
        (root / "cgroup.subtree_control").write_text(f"+{controller}")
