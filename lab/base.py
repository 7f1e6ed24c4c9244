"""The base of all images: Debian's static BusyBox with a name for each of its programs."""

import hashlib
import io
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import docker
from docker.errors import ImageNotFound

BASE = "lab/busybox:latest"
USER = 1000  # `app`; programs that need no root do not run as root

_FILES = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/tmp:/bin/sh\n",
    "etc/group": b"root:x:0:\napp:x:1000:\n",
    "etc/nsswitch.conf": b"hosts: files dns\n",
}
_FOLDERS = {  # name -> (mode, owner); a new volume takes both from the folder that it covers
    "dev": (0o755, 0), "proc": (0o555, 0), "sys": (0o555, 0), "root": (0o700, 0), "tmp": (0o1777, 0),
    "var": (0o755, 0), "var/tmp": (0o1777, 0), "run": (0o755, 0), "data": (0o755, USER), "bin": (0o755, 0),
    "etc": (0o755, 0), "www": (0o755, 0),
}  # fmt: skip


class NoBusyboxError(Exception):
    """The machine lacks Debian's `busybox-static`; `lab/packages.sh` installs it."""


def ensure_base(client: docker.APIClient) -> None:
    """Import the base image, unless the Engine has this very one."""
    layer = _layer()
    # Imported anew it would get another id, and everything built on it would be built anew.
    exact = f"lab/busybox:{hashlib.sha256(layer).hexdigest()[:16]}"
    try:
        client.inspect_image(exact)
    except ImageNotFound:
        name, tag = exact.split(":")
        client.import_image_from_data(layer, repository=name, tag=tag, changes=['CMD ["sh"]', "ENV PATH=/bin"])
    client.tag(exact, *BASE.split(":"), force=True)


def tar_of(files: Mapping[str, bytes]) -> io.BytesIO:
    """A build context whose bytes depend on names and contents alone."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in sorted(files.items()):
            _add(archive, name, content, mode=0o755)
    buffer.seek(0)
    return buffer


def _layer() -> bytes:
    found = shutil.which("busybox") or "/bin/busybox"
    if not Path(found).exists():
        raise NoBusyboxError(f"no `{found}`; run `lab/packages.sh`")
    applets = subprocess.run([found, "--list"], capture_output=True, text=True, check=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, (mode, owner) in _FOLDERS.items():
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, mode, owner, owner
            archive.addfile(folder)
        _add(archive, "bin/busybox", Path(found).read_bytes(), mode=0o755)
        for applet in sorted(set(applets) - {"busybox"}):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        for name, content in _FILES.items():
            _add(archive, name, content, mode=0o644)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))
