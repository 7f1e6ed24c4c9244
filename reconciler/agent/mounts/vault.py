"""Sealed secrets on the device: unsealed when a service needs them, and only ever written where memory is."""

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reconciler.agent.host.disk import is_volatile
from reconciler.errors import PermissionDenied, SealRefused
from reconciler.model import ConfigFile

# What was sealed, as it is; here, or by an errand. Raises SealRefused, PermissionDenied, ConfigError.
Unseal = Callable[[ConfigFile], bytes]


class Vault:
    """The folder in memory for what is unsealed, and who unseals it."""

    def __init__(self, folder: Path, unseal: Unseal) -> None:
        self.folder, self._unseal = folder, unseal

    def open(self, file: ConfigFile) -> ConfigFile:
        """The file with what was sealed, to be written into the folder. Raises as Unseal; none tells content."""
        self._check_folder()
        content = self._unseal(file)
        return replace(file, digest=hashlib.sha256(content).hexdigest(), content=content, secret="")

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
