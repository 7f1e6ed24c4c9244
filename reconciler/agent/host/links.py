"""Where a path of this device leads when its links are followed, also where the device's disk is mounted elsewhere.

The Engine follows the links of the device. An agent in a container would meet those of the container, and judge a bind
by a place to which it does not lead.
"""

import errno
import os
import posixpath
import stat
from pathlib import Path

# The kernel follows 40 links of a path, and Go's filepath.EvalSymlinks, which the Engine uses for devices, 255: what
# neither can follow is mounted by nobody.
MOST_LINKS = 255
# What cannot be looked at may lead anywhere, so it needs the grant of all paths.
ANYWHERE = "/"
_MISSING = (errno.ENOENT, errno.ENOTDIR)


def follow(path: str, root: str = "/") -> str:
    """An absolute path without its links, as they lead after chroot(2) into `root`; what is missing stays as it is.

    A loop stays as well, since nobody can follow it.
    """
    at, rest = "/", _names(path)
    # Where links lead, by place; nothing yet for those that are being followed.
    known: dict[str, str] = {}
    while rest:
        name = rest.pop()
        if name.startswith("/"):
            # No name but a place: that of a link whose own names are all behind us.
            known[name] = at
            continue
        if name == "..":
            at = posixpath.dirname(at)
            continue
        here = posixpath.join(at, name)
        try:
            target = _target(f"{root.rstrip('/')}{here}")
        except (OSError, ValueError):
            return ANYWHERE
        if not target:
            at = here
        elif known.get(here):
            at = known[here]
        elif here in known or len(known) == MOST_LINKS:
            return posixpath.normpath("/".join([here, *(one for one in reversed(rest) if one[0] != "/")]))
        else:
            known[here] = ""
            rest += [here, *_names(target)]
            at = "/" if target.startswith("/") else at
    return at


def place(path: str, root: Path) -> Path:
    """Where we reach what the device has at an absolute path."""
    return Path(f"{str(root).rstrip('/')}{follow(path, str(root))}")


def _names(path: str) -> list[str]:
    """What stands between the slashes, the last one first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _target(place: str) -> str:
    """What a link says; nothing for what is none, or not there. Raises OSError when that cannot be found out."""
    try:
        return str(Path(place).readlink()) if stat.S_ISLNK(os.lstat(place).st_mode) else ""
    except OSError as error:
        if error.errno in _MISSING:
            return ""
        raise
