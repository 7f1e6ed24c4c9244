"""Versions of the reconciler itself that came by Git: each unpacked in a folder of the state.

A wheel is a ZIP archive (PEP 427); that of a pure program is ready when it is unpacked. Who could write it was asked
before: it lies in a commit that is trusted.
"""

import compileall
import hashlib
import io
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from reconciler.errors import UpdateRefused
from reconciler.model.tree import wheel_path

FOLDER = "versions"
# What the program is made of; nothing else is unpacked.
_PACKAGES = ("reconciler", "signing")
_METADATA = "git_edge_reconciler-{}.dist-info"
# Some ten times what it has today.
MAX_FILES, MAX_BYTES = 3000, 20 * 1024 * 1024
_ENTRY = "reconciler/agent/__main__.py"


class Versions:
    """The folder of versions."""

    def __init__(self, state: Path) -> None:
        self._folder = state / FOLDER

    def home(self, name: str) -> Path:
        """Where Python imports this one from."""
        return self._folder / name

    def name_of(self, home: str) -> str:
        """Which of them is imported from there; empty for what was installed by other means."""
        path = Path(home)
        return path.name if path.parent == Path(os.path.realpath(self._folder)) else ""

    def has(self, name: str) -> bool:
        """Is it there? Half of one never is: it is unpacked beside."""
        return (self.home(name) / _ENTRY).is_file()

    def store(self, version: str, wheel: bytes) -> str:
        """Unpack it, if it is not there, and give its name. Raises UpdateRefused."""
        name = f"{version}-{hashlib.sha256(wheel).hexdigest()[:16]}"
        if self.has(name):
            return name
        beside = self._folder / f".{name}.new"
        try:
            for left in (beside, self.home(name)):
                shutil.rmtree(left, ignore_errors=True)
            beside.mkdir(parents=True, mode=0o700)
            _unpack(version, wheel, beside)
            # Whoever starts it may not write there, and would compile it each time anew.
            compileall.compile_dir(beside, quiet=2, stripdir=str(beside), prependdir=str(self.home(name)))
            # Else a power cut leaves its names, and nothing in the files.
            os.sync()
            beside.rename(self.home(name))
            os.sync()
        except OSError as error:
            raise UpdateRefused(f"cannot be unpacked: {error.strerror}", where=str(beside)) from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return name

    def remove(self, name: str) -> None:
        """So that it is unpacked anew: one that did not prove itself may be damaged here alone."""
        shutil.rmtree(self.home(name), ignore_errors=True)

    def sweep(self, kept: Collection[str]) -> None:
        """Remove all but these."""
        for path in self._folder.glob("*"):
            if path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)


def _unpack(version: str, wheel: bytes, folder: Path) -> None:
    where = wheel_path(version)
    try:
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MAX_FILES or sum(entry.file_size for entry in entries) > MAX_BYTES:
                raise UpdateRefused("it holds more than a reconciler does", where=where)
            for entry in entries:
                _check(entry, version, where)
            if _ENTRY not in {entry.filename for entry in entries}:
                raise UpdateRefused(f"it holds no {_ENTRY}", where=where, advice="put the wheel of a reconciler there")
            for entry in entries:
                path = folder / entry.filename
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(entry))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise UpdateRefused(f"it is no wheel: {error}", where=where, advice="make it by `pip wheel`") from error


def _check(entry: zipfile.ZipInfo, version: str, where: str) -> None:
    """A plain file of the program, inside of its folders. Raises UpdateRefused."""
    path = PurePosixPath(entry.filename)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    is_read = entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    is_plain = kind in (0, stat.S_IFREG) and ".." not in path.parts and "\\" not in entry.filename
    if (
        not (is_read and is_plain)
        or str(path) != entry.filename
        or path.parts[0] not in (*_PACKAGES, _METADATA.format(version))
    ):
        told = f"it holds {entry.filename[:100]!r}, which is nothing of reconciler {version}"
        raise UpdateRefused(told, where=where, advice="put the wheel of that version there")
