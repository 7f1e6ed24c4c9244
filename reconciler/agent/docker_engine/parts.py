"""The Engine that the settings name, by whoever unseals."""

import time
from collections.abc import Callable

from reconciler.agent.docker_engine import DockerEngine
from reconciler.agent.mounts.service_files import ServiceFiles
from reconciler.agent.mounts.vault import Unseal, Vault
from reconciler.agent.settings.config import Config


def docker_engine(config: Config, unseal: Unseal, sleep: Callable[[float], None] = time.sleep) -> DockerEngine:
    """The Engine that the settings name, and the files of its services."""
    files = ServiceFiles(config.state / "configs", Vault(config.secrets.folder, unseal))
    lines = config.status.log_lines
    return DockerEngine(
        config.engine, config.device, files, config.keep_free, config.root, log_lines=lines, sleep=sleep
    )
