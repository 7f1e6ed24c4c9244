"""Puts together what works out a device's orders. Nothing of the Engine is needed for that."""

from collections.abc import Sequence
from functools import cached_property

from reconciler.agent.host.device_root import check_root
from reconciler.agent.orders.commit_source import CommitSource, UnsafeSource
from reconciler.agent.orders.fetching import make_mirror
from reconciler.agent.orders.image_signatures import ImageSignatures, Registries
from reconciler.agent.orders.orders import DirectOrders
from reconciler.agent.orders.release_source import ReleaseSource
from reconciler.agent.orders.source import Source
from reconciler.agent.orders.tag_source import TagSource
from reconciler.agent.settings.config import Config
from reconciler.agent.settings.identity import Identity
from reconciler.agent.state.journal import Journal
from reconciler.repository import Mirror
from signing import ImageSignature


def make_orders(config: Config, journal: Journal, identity: Identity) -> DirectOrders:
    """What Git says to this device, worked out in this process. Raises ConfigError when its disk cannot be seen."""
    check_root(config.root, (config.state, config.secrets.folder))
    mirror = make_mirror(config)
    source, signatures = make_source(config, mirror, journal), ImageSignatures(journal, _LateRegistries())
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


class _LateRegistries:
    """The registries; what talks to them is loaded when a policy first asks for signatures of images."""

    def signatures(self, image: str) -> Sequence[ImageSignature]:
        return self._registries.signatures(image)

    @cached_property
    def _registries(self) -> Registries:
        from reconciler.agent.docker_engine.registry import Registries  # noqa: PLC0415 - see the class

        return Registries()
