"""Where a device of a test keeps the files of its services."""

from pathlib import Path

from reconciler.agent.service_files import ServiceFiles
from reconciler.agent.vault import Vault


def service_files(folder: Path) -> ServiceFiles:
    """In one folder; it unseals nothing."""
    return ServiceFiles(folder, Vault(folder / "vault"))
