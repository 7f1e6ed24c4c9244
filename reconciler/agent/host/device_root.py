"""In a container: is what we look at really the disk of the device, whole, and are our folders those of the device?

Where not, nothing is judged at all: by the wrong links, binds would be let in that nobody allowed.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.agent.host.disk import unescaped
from reconciler.agent.host.links import place
from reconciler.errors import ConfigError

# Written by the image (packaging/Dockerfile): where the disk of the device is mounted.
VARIABLE = "RECONCILER_ROOT"
TOP = Path("/")
_OF_DEVICE, _OURS = "proc/1/mountinfo", Path("/proc/self/mountinfo")
_UNIX = "unix://"


def root_of(environ: Mapping[str, str]) -> Path:
    """Where the disk of the device is; `/`, unless we are told to be in a container. Raises ConfigError."""
    told = environ.get(VARIABLE, str(TOP))
    if not told.startswith("/"):
        what = f"{VARIABLE} is {told!r}, and no absolute path"
        raise ConfigError(what, advice="leave it as the image has it, or out of what is no container")
    return Path(os.path.normpath(told))


def reached(engine: str, root: Path) -> str:
    """The address of the Engine, by a path of ours; mounted by itself, its socket would go stale when it restarts."""
    socket = engine.removeprefix(_UNIX)
    return engine if root == TOP or socket == engine else f"{_UNIX}{place(socket, root)}"


def check_root(root: Path, folders: Iterable[Path]) -> None:
    """Raises ConfigError for what is not as it must be; `folders` are those that containers get files from."""
    if root == TOP:
        return
    try:
        why = complaint(str(root), _text(_OURS), _text(root / _OF_DEVICE))
    except OSError:
        why = "the disk of the device is not mounted there"
    if why:
        raise ConfigError(why, where=str(root), advice=f"start the container with `--volume /:{root}:ro,rslave`")
    for folder in folders:
        if not _is_same(folder, root):
            what = "it is not the folder that the device has there, and containers would get nothing of it"
            raise ConfigError(what, where=str(folder), advice="mount the same path of the device there")


@dataclass(frozen=True, slots=True)
class _Mount:
    """One line of mountinfo (proc_pid_mountinfo(5)): what is mounted is `part` of the file system `device`."""

    device: str
    part: str
    hears_of_others: bool


def complaint(root: str, ours: str, of_device: str) -> str:
    """What is wrong with `root`, by our mounts and those of the device's first process; nothing where all is well."""
    mounted, top = _mount(root, ours), _mount("/", of_device)
    if mounted is None or top is None:
        return "the disk of the device is not mounted there"
    if (mounted.device, mounted.part) != (top.device, top.part):
        return "what is mounted there is not the whole disk of the device"
    return "" if mounted.hears_of_others else "what the device mounts later would not be seen there"


def _text(path: Path) -> str:
    # Places are bytes, of any language.
    return path.read_text(errors="surrogateescape")


def _mount(point: str, text: str) -> _Mount | None:
    """What is mounted at a place; of several, the last one lies on top."""
    for line in reversed(text.splitlines()):
        fields = line.split(" ")
        if len(fields) > 6 and unescaped(fields[4]) == point:
            return _Mount(fields[2], fields[3], any(one.startswith(("master:", "shared:")) for one in fields[6:]))
    return None


def _is_same(folder: Path, root: Path) -> bool:
    """Has the device the same folder there? One that is yet to be made will lie in the nearest one that is there."""
    near = next(one for one in (folder, *folder.parents) if one.exists())
    theirs = place(str(near), root)
    return theirs.exists() and near.samefile(theirs)
