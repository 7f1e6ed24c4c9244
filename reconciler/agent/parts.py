"""Parts of a device that the settings name, and that need little memory."""

import time
from collections.abc import Callable

from reconciler.agent.config import Config
from reconciler.agent.docker_engine import DockerEngine
from reconciler.agent.service_files import ServiceFiles
from reconciler.agent.vault import Unseal, Vault
from reconciler.repository import Mirror


def docker_engine(config: Config, unseal: Unseal, sleep: Callable[[float], None] = time.sleep) -> DockerEngine:
    """The Engine that the settings name, and the files of its services."""
    files = ServiceFiles(config.state / "configs", Vault(config.secrets.folder, unseal))
    return DockerEngine(config.engine, config.device, files, config.keep_free, config.root, sleep=sleep)


def make_mirror(config: Config) -> Mirror:
    """The device's copy of the fleet repository."""
    return Mirror(config.state / "repository.git", config.remote, config.branch, others=config.mirrors)
