"""What a device shall be: apps of services, with every name resolved. See the Compose Specification for each field.

Durations are seconds, sizes are bytes, ports are numbers. Mappings are never changed after they are built.
A field at its default means "the file does not say"; fingerprints leave it out, so a new field changes no container.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

# Compose calls this the project's default network.
DEFAULT_NETWORK = "default"


class Condition(StrEnum):
    """What a dependency must have reached (Compose Specification, depends_on.condition)."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


@dataclass(frozen=True, slots=True)
class Dependency:
    """A service of the same app that must come first; when it is not `required`, its failure is no obstacle."""

    service: str
    condition: Condition = Condition.STARTED
    required: bool = True


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """How the Engine finds out whether a container works; unset fields fall back to the image's."""

    test: tuple[str, ...] = ()
    interval: float | None = None
    timeout: float | None = None
    start_period: float | None = None
    retries: int | None = None

    @property
    def is_disabled(self) -> bool:
        return self.test == ("NONE",)


@dataclass(frozen=True, slots=True)
class Port:
    """A published port, or an exposed one when `published` is empty. `published` may be a range, as Compose allows."""

    target: int
    protocol: str = "tcp"
    published: str = ""
    host_ip: str = ""


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume, a tmpfs or a config file in a container. `source` is an Engine name, or a config's digest."""

    kind: str
    target: str
    source: str = ""
    read_only: bool = False
    tmpfs_size: int | None = None
    tmpfs_mode: int | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A service on a network, by the network's Engine name."""

    network: str
    aliases: tuple[str, ...] = ()
    ipv4_address: str = ""
    ipv6_address: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a container may use. `cpus` is in CPUs, memory in bytes."""

    cpus: float | None = None
    memory: int | None = None
    memory_reservation: int | None = None
    pids: int | None = None


@dataclass(frozen=True, slots=True)
class Logging:
    """A logging driver and its options."""

    driver: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ulimit:
    """Soft and hard limit of one kind."""

    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Update:
    """How a service is replaced (Compose Deploy Specification, update_config)."""

    # Seconds that a service without a health check must run before it counts as well.
    # Swarm's default; smaller misses programs that fail after reading their configuration.
    monitor: float = 5.0


@dataclass(frozen=True, slots=True)
class Service:
    """One wanted container of an app. Its seen counterpart is `Container`."""

    name: str
    image: str
    container_name: str
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[str, ...] = ()
    networks: tuple[Attachment, ...] = ()
    network_mode: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    restart: str = "no"
    restart_attempts: int = 0
    healthcheck: Healthcheck | None = None
    limits: Limits = Limits()
    logging: Logging = Logging()
    hostname: str = ""
    domainname: str = ""
    user: str = ""
    working_dir: str = ""
    stop_signal: str = ""
    stop_grace_period: float | None = None
    platform: str = ""
    shm_size: int | None = None
    read_only: bool = False
    init: bool | None = None
    tty: bool = False
    stdin_open: bool = False
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_opt: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    ulimits: Mapping[str, Ulimit] = field(default_factory=dict)
    depends_on: tuple[Dependency, ...] = ()
    pull_policy: str = "missing"
    update: Update = Update()

    @property
    def may_finish(self) -> bool:
        """Is this a job, so that exit code 0 is success? Nothing starts it again, and nobody asks it anything.

        `restart: "no"` is Compose's default, so it alone does not make a job of a server that somebody stopped.
        """
        return self.restart in ("no", "on-failure") and not self.ports and self.healthcheck is None


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
    enable_ipv6: bool = False
    subnets: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Volume:
    """A named volume, by its Engine name. Volumes are never removed."""

    key: str
    name: str
    external: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file that services mount, stored on the device under the SHA-256 of its content."""

    digest: str
    content: bytes


@dataclass(frozen=True, slots=True)
class App:
    """One Compose project."""

    name: str
    services: tuple[Service, ...] = ()
    networks: tuple[Network, ...] = ()
    volumes: tuple[Volume, ...] = ()
    configs: tuple[ConfigFile, ...] = ()

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

    def app(self, name: str) -> App | None:
        return next((app for app in self.apps if app.name == name), None)
