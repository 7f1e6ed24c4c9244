"""Puts the parts of a device together."""

import time
from collections.abc import Callable

from reconciler.agent.commit_source import CommitSource, UnsafeSource
from reconciler.agent.config import Config
from reconciler.agent.docker_engine import DockerEngine, Registries
from reconciler.agent.engine import Engine
from reconciler.agent.identity import Identity, before_key, next_key
from reconciler.agent.image_signatures import ImageSignatures
from reconciler.agent.journal import Journal
from reconciler.agent.machine import look_at_machine
from reconciler.agent.publish import Publisher
from reconciler.agent.reconcile import Reconciler
from reconciler.agent.release_source import ReleaseSource
from reconciler.agent.service_files import ServiceFiles
from reconciler.agent.source import Source
from reconciler.agent.tag_source import TagSource
from reconciler.agent.vault import Vault
from reconciler.repository import Mirror, ReportRef, StatusBranch


def build(config: Config, journal: Journal, engine: Engine) -> Reconciler:
    """One device, on this Engine. Raises ConfigError or PermissionDenied when its key cannot be used."""
    identity = Identity(config.identity)
    mirror = Mirror(config.state / "repository.git", config.remote, config.branch, others=config.mirrors)
    return Reconciler(
        config,
        make_source(config, mirror, journal),
        mirror,
        engine,
        journal,
        Publisher(_way(config), journal, identity, config.status.heartbeat),
        machine=look_at_machine(),
        signatures=ImageSignatures(journal, Registries()),
        identity=identity,
    )


def _way(config: Config) -> StatusBranch | ReportRef:
    """How reports leave the device."""
    status = config.status
    if status.transport == "ref":
        return ReportRef(config.state / "report.git", status.remote, status.branch)
    # The branch is fetched into the store that is there, but for another server, which may have another format.
    store = "repository.git" if status.remote == config.remote else "reports.git"
    return StatusBranch(config.state / store, status.remote, status.branch)


def make_source(config: Config, mirror: Mirror, journal: Journal) -> Source:
    """Where this device's orders come from, by its mode of trust."""
    trust = config.trust
    match trust.mode:
        case "release":
            return ReleaseSource(mirror, journal, trust.anchor, trust.channel, trust.releases)
        case "tag":
            return TagSource(mirror, journal, trust)
        case "unsafe-head":
            return UnsafeSource(mirror, journal)
        case _:
            return CommitSource(mirror, journal, trust, config.branch)


def docker_engine(config: Config, sleep: Callable[[float], None] = time.sleep) -> DockerEngine:
    """The Engine that the settings name."""
    files = ServiceFiles(config.state / "configs", make_vault(config))
    return DockerEngine(config.engine, config.device, files, config.keep_free, sleep=sleep)


def make_vault(config: Config) -> Vault:
    """What unseals: by the device's identity, the one before and the next, and by keys of age."""
    spare = (before_key(config.identity), next_key(config.identity))
    return Vault(config.secrets.folder, (config.identity, *config.secrets.keys), spare)
