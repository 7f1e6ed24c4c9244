"""The Engine that the settings name, by whoever unseals."""

import time
from collections.abc import Callable
from pathlib import Path

from reconciler.agent.docker_engine import DockerEngine
from reconciler.agent.mounts.service_files import ServiceFiles
from reconciler.agent.mounts.vault import Unseal, Vault
from reconciler.agent.settings.config import Config


def file_folders(config: Config) -> tuple[Path, Path]:
    """Where the files lie that services are given: their configs, and their secrets."""
    return config.state / "configs", config.secrets.folder


def docker_engine(config: Config, unseal: Unseal, sleep: Callable[[float], None] = time.sleep) -> DockerEngine:
    """The Engine that the settings name, and the files of its services."""
    configs, secrets = file_folders(config)
    files = ServiceFiles(configs, Vault(secrets, unseal))
    lines = config.status.log_lines
    return DockerEngine(
        config.engine, config.device, files, config.keep_free, config.root, log_lines=lines, sleep=sleep
    )
