"""Where a device of a test keeps the files of its services."""

from pathlib import Path

from reconciler.agent.mounts.service_files import ServiceFiles
from reconciler.agent.mounts.vault import Vault
from reconciler.errors import SealRefused
from reconciler.model import ConfigFile


def service_files(folder: Path) -> ServiceFiles:
    """In one folder; it unseals nothing."""
    return ServiceFiles(folder, Vault(folder / "vault", refuse))


def refuse(file: ConfigFile) -> bytes:
    """There is no key."""
    raise SealRefused("SEAL_NO_KEY", "no key unseals it", where=f"secret {file.secret}")
