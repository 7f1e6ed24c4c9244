"""Puts the parts of a device together, all in one process."""

from reconciler.agent.docker_engine import DockerEngine
from reconciler.agent.docker_engine.parts import docker_engine
from reconciler.agent.engine.seam import Engine
from reconciler.agent.errands.delivery import make_delivery
from reconciler.agent.host.machine import look_at_machine
from reconciler.agent.mounts.keyring import make_keyring
from reconciler.agent.orders.build_orders import make_orders
from reconciler.agent.passes.publish import Publisher
from reconciler.agent.passes.reconcile import Reconciler
from reconciler.agent.settings.config import Config
from reconciler.agent.settings.identity import Identity
from reconciler.agent.state.journal import Journal


def build(config: Config, journal: Journal, engine: Engine) -> Reconciler:
    """One device, on this Engine. Raises ConfigError or PermissionDenied when its key cannot be used."""
    identity = Identity(config.identity)
    publisher = Publisher(make_delivery(config, identity), journal, config.status.heartbeat)
    orders = make_orders(config, journal, identity)
    return Reconciler(config, orders, engine, journal, publisher, machine=look_at_machine(config.root))


def make_engine(config: Config) -> DockerEngine:
    """The Engine that the settings name; what is sealed is unsealed in this process."""
    return docker_engine(config, make_keyring(config).unseal)
