"""Puts the parts of a device together, all in one process."""

from reconciler.agent.commit_source import CommitSource, UnsafeSource
from reconciler.agent.config import Config
from reconciler.agent.delivery import DirectDelivery
from reconciler.agent.device_root import check_root
from reconciler.agent.docker_engine import DockerEngine
from reconciler.agent.docker_engine.registry import Registries
from reconciler.agent.engine import Engine
from reconciler.agent.identity import Identity
from reconciler.agent.image_signatures import ImageSignatures
from reconciler.agent.journal import Journal
from reconciler.agent.key_files import before_key, next_key
from reconciler.agent.keyring import Keyring
from reconciler.agent.machine import look_at_machine
from reconciler.agent.orders import DirectOrders
from reconciler.agent.parts import docker_engine, make_mirror
from reconciler.agent.publish import Publisher
from reconciler.agent.reconcile import Reconciler
from reconciler.agent.release_source import ReleaseSource
from reconciler.agent.source import Source
from reconciler.agent.tag_source import TagSource
from reconciler.repository import Mirror, ReportRef, StatusBranch


def build(config: Config, journal: Journal, engine: Engine) -> Reconciler:
    """One device, on this Engine. Raises ConfigError or PermissionDenied when its key cannot be used."""
    identity = Identity(config.identity)
    publisher = Publisher(make_delivery(config, identity), journal, config.status.heartbeat)
    orders = make_orders(config, journal, identity)
    return Reconciler(config, orders, engine, journal, publisher, machine=look_at_machine(config.root))


def make_orders(config: Config, journal: Journal, identity: Identity) -> DirectOrders:
    """What Git says to this device, worked out in this process. Raises ConfigError when its disk cannot be seen."""
    check_root(config.root, (config.state, config.secrets.folder))
    mirror = make_mirror(config)
    source, signatures = make_source(config, mirror, journal), ImageSignatures(journal, Registries())
    return DirectOrders(config, source, mirror, journal, signatures=signatures, identity=identity)


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


def make_delivery(config: Config, identity: Identity) -> DirectDelivery:
    """How reports leave the device, signed in this process."""
    status = config.status
    if status.transport == "ref":
        return DirectDelivery(ReportRef(config.state / "report.git", status.remote, status.branch), identity)
    # The branch is fetched into the store that is there, but for another server, which may have another format.
    store = "repository.git" if status.remote == config.remote else "reports.git"
    return DirectDelivery(StatusBranch(config.state / store, status.remote, status.branch), identity)


def make_engine(config: Config) -> DockerEngine:
    """The Engine that the settings name; what is sealed is unsealed in this process."""
    return docker_engine(config, make_keyring(config).unseal)


def make_keyring(config: Config) -> Keyring:
    """What unseals: the device's identity, the one before and the next, and keys of age."""
    spare = (before_key(config.identity), next_key(config.identity))
    return Keyring((config.identity, *config.secrets.keys), spare)
