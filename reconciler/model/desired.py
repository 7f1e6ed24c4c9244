"""What a device shall be: apps of services, with every name resolved. See the Compose Specification for each field.

A field at its default means "the file does not say"; fingerprints leave it out, so a new field changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model.service import Service

# Compose calls this the project's default network.
DEFAULT_NETWORK = "default"


@dataclass(frozen=True, slots=True)
class Pool:
    """Addresses of a network (Compose Specification, networks.ipam.config)."""

    subnet: str = ""
    gateway: str = ""
    ip_range: str = ""
    aux_addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Network:
    """A network, by its Engine name; an `external` one must be there already and is never changed."""

    key: str
    name: str
    external: bool = False
    driver: str = ""
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    internal: bool = False
    attachable: bool = False
    enable_ipv4: bool | None = None
    enable_ipv6: bool = False
    ipam_driver: str = ""
    ipam_options: Mapping[str, str] = field(default_factory=dict)
    pools: tuple[Pool, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Volume:
    """A named volume, by its Engine name. Volumes are never removed."""

    key: str
    name: str
    external: bool = False
    driver: str = ""
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


# What names of files begin with whose content the device unseals: they lie in memory, never on a disk.
SEALED = "~"


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file that services mount: its content's SHA-256, owner and mode. `key` is what the Compose file says.

    With a `secret`, the content is sealed: the name of the fleet's secret, and behind a slash the value of it that is
    meant. The digest is of what is sealed then, and the same for as long as the value need not be unsealed anew.
    """

    digest: str
    content: bytes
    uid: int = 0
    gid: int = 0
    mode: int = 0o444
    key: str = ""
    secret: str = ""

    @property
    def name(self) -> str:
        """What it is called where the device stores it: two files of one name are one file."""
        is_plain = (self.uid, self.gid, self.mode) == (0, 0, 0o444)
        name = self.digest if is_plain else f"{self.digest}-{self.uid}-{self.gid}-{self.mode:03o}"
        return f"{SEALED}{name}" if self.secret else name


@dataclass(frozen=True, slots=True)
class App:
    """One Compose project."""

    name: str
    services: tuple[Service, ...] = ()
    networks: tuple[Network, ...] = ()
    volumes: tuple[Volume, ...] = ()
    configs: tuple[ConfigFile, ...] = ()
    # Take over the containers that Docker Compose made of a project of this name.
    adopt: bool = False

    def service(self, name: str) -> Service | None:
        return next((service for service in self.services if service.name == name), None)


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What one device shall run. Apps named in `untouched` stay as they are, because they failed to render.

    Unless it `is_whole`, nothing is removed that it does not name.
    """

    device: str
    apps: tuple[App, ...] = ()
    untouched: frozenset[str] = frozenset()
    allow_empty: bool = False
    is_whole: bool = True
    # The device goes: it runs nothing, and says so.
    is_retired: bool = False
    # The version that the reconciler itself shall have; empty, when nobody says.
    reconciler: str = ""

    def app(self, name: str) -> App | None:
        return next((app for app in self.apps if app.name == name), None)
