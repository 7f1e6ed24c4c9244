"""Sealed secrets on the device: unsealed when a service needs them, and only ever written where memory is."""

import contextlib
import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reconciler.agent.disk import is_volatile
from reconciler.errors import ConfigError, ManifestError, PermissionDenied, SealRefused
from reconciler.model import ConfigFile


class Vault:
    """The keys that unseal, read anew each time, and the folder in memory for what they give. Spare ones may lack."""

    def __init__(self, folder: Path, keys: Sequence[Path] = (), spare: Sequence[Path] = ()) -> None:
        self.folder, self._keys, self._spare = folder, keys, spare

    def open(self, file: ConfigFile) -> ConfigFile:
        """The file with what was sealed, to be written into the folder. Raises SealRefused, PermissionDenied,
        ConfigError; none tells content.
        """
        self._check_folder()
        content = self.look(file)
        return replace(file, digest=hashlib.sha256(content).hexdigest(), content=content, secret="")

    def look(self, file: ConfigFile) -> bytes:
        """What was sealed. Raises as `open`."""
        # Not before the first secret: it takes memory that a device without any has better use for.
        from reconciler.sealing import Keys, unseal, unseal_value  # noqa: PLC0415

        where = f"secret {file.secret}"
        try:
            keys = Keys.parse(*map(_read, self._keys))
            for path in filter(Path.exists, self._spare):
                # Of another kind, or torn: what is sealed for the key that counts is unsealed all the same.
                with contextlib.suppress(SealRefused):
                    keys = Keys((*keys.identities, *Keys.parse(_read(path)).identities))
            _, slash, pointer = file.secret.partition("/")
            return unseal_value(file.content, keys, pointer, where) if slash else unseal(file.content, keys)
        except SealRefused as error:
            error.where = error.where or where
            raise
        except ManifestError as error:
            raise SealRefused("SOPS_FORMAT", error.what, where=error.where) from error

    def _check_folder(self) -> None:
        """It lies in memory, and nobody else may look into it or put anything there."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            found = self.folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
                told = "it is no folder of the user who runs this"
                raise SealRefused("SEAL_FOLDER", told, where=str(self.folder), advice="remove it, or name another one")
            self.folder.chmod(0o700)
        except PermissionError as error:
            raise PermissionDenied("may not be written", where=str(self.folder), advice="run as root") from error
        except OSError as error:
            raise SealRefused("SEAL_FOLDER", f"cannot be made: {error.strerror}", where=str(self.folder)) from error
        if not is_volatile(self.folder):
            advice = "set `secrets.folder` to a folder on a tmpfs, such as /run/reconciler/secrets"
            raise SealRefused("SEAL_ON_DISK", "secrets would lie on a disk", where=str(self.folder), advice=advice)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except PermissionError as error:
        raise PermissionDenied("a key may not be read", where=str(path), advice="run as root, or chown it") from error
    except OSError as error:
        raise ConfigError(f"a key cannot be read: {error.strerror}", where=str(path)) from error
