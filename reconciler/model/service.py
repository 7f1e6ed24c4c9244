"""What one container shall be, with every name resolved. See the Compose Specification for each field.

Durations are seconds, sizes are bytes, ports are numbers. Mappings are never changed after they are built.
A field at its default means "the file does not say"; fingerprints leave it out, so a new field changes no container.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

# What of a namespace or a network mode makes a container live in that of another service.
OF_SERVICE = "service:"


class Condition(StrEnum):
    """What a dependency must have reached (Compose Specification, depends_on.condition)."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


@dataclass(frozen=True, slots=True)
class Dependency:
    """A service of the same app that must come first; when it is not `required`, its failure is no obstacle.

    `restart` says that this service starts anew whenever a change made the other one do so.
    """

    service: str
    condition: Condition = Condition.STARTED
    required: bool = True
    restart: bool = False


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """How the Engine finds out whether a container works; unset fields fall back to the image's."""

    test: tuple[str, ...] = ()
    interval: float | None = None
    timeout: float | None = None
    start_period: float | None = None
    retries: int | None = None
    start_interval: float | None = None

    @property
    def is_disabled(self) -> bool:
        return self.test == ("NONE",)


@dataclass(frozen=True, slots=True)
class Port:
    """A published port, or an exposed one when `published` is "-". `published` may be a range, as Compose allows."""

    target: int
    protocol: str = "tcp"
    published: str = ""
    host_ip: str = ""


@dataclass(frozen=True, slots=True)
class Mount:
    """Something of the device in a container. `kind` is volume, bind, tmpfs, config or secret.

    `source` is the Engine's name of a volume, a path of the device, or the name of a ConfigFile.
    """

    kind: str
    target: str
    source: str = ""
    read_only: bool = False
    tmpfs_size: int | None = None
    tmpfs_mode: int | None = None
    # Of a bind: make the path if it is missing; how mounts below travel; `z` or `Z`, the SELinux label.
    create_host_path: bool = False
    propagation: str = ""
    selinux: str = ""
    # Of a volume: do not fill it with what the image has there; mount only this path of it.
    no_copy: bool = False
    subpath: str = ""
    # Of a config or secret of a service that is told of changes: where its copy lies that changes under the container.
    live: str = ""

    @property
    def is_file(self) -> bool:
        """Is it a config or a secret, so a file that the device has written?"""
        return self.kind in ("config", "secret")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A service on a network, by the network's Engine name. The one of the highest priority is joined first."""

    network: str
    aliases: tuple[str, ...] = ()
    ipv4_address: str = ""
    ipv6_address: str = ""
    link_local_ips: tuple[str, ...] = ()
    mac_address: str = ""
    interface_name: str = ""
    priority: int = 0
    gw_priority: int = 0
    driver_opts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """Another service of the app, under a name of its own inside of this one."""

    service: str
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a container may use. `cpus` is in CPUs, memory in bytes (`memory_swap`: memory and swap together, -1: all).

    `cpu_quota` and `cpu_period` are microseconds, `cpu_shares` a weight, `memory_swappiness` 0 to 100.
    """

    cpus: float | None = None
    memory: int | None = None
    memory_reservation: int | None = None
    pids: int | None = None
    memory_swap: int | None = None
    memory_swappiness: int | None = None
    cpu_shares: int | None = None
    cpu_quota: int | None = None
    cpu_period: int | None = None
    cpuset: str = ""


@dataclass(frozen=True, slots=True)
class DeviceMapping:
    """A device file of the device's, where the container sees it and what it may do: r(ead), w(rite), m(knod)."""

    source: str
    target: str
    permissions: str = "rwm"


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """Devices that a driver hands out, GPUs most of all; so many of them (-1: all), or those with these ids."""

    driver: str = ""
    count: int = 0
    device_ids: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


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
    """How a service is replaced (Compose Deploy Specification, update_config), or told of what changed.

    Changing any of it changes no container.
    """

    # Seconds that a service without a health check must run before it counts as well.
    # Swarm's default; smaller misses programs that fail after reading their configuration.
    monitor: float = 5.0
    # `start-first` runs both until the new one is well; `stop-first` stops the old one first, and keeps it.
    order: str = "stop-first"
    # `rollback` brings the app back to its last good state, `pause` leaves it as it is, `continue` goes on without it.
    failure_action: str = "rollback"
    # When it goes back, the other apps that changed with it and say the same go back as well.
    together: bool = False
    # When the image is pulled: `first`, or `after-stop` or `after-remove` of the old container, for small disks.
    pull: str = "first"
    # The signal by which a container is told of new content of its configs and secrets; empty: it is replaced for it.
    reload: str = ""
    # The folder in which the container puts its lock, while nothing may stop it; overridden, it holds nothing up.
    lock: str = ""
    lock_is_overridden: bool = False

    @property
    def starts_first(self) -> bool:
        return self.order == "start-first"


# What of drift a service may ask to be left alone.
DRIFTS = ("stopped", "paused", "renamed", "networks", "limits")


@dataclass(frozen=True, slots=True)
class Ignored:
    """Drift of a service that is left alone for a while: what of DRIFTS, who answers for it, until when, and why.

    `until` is an RFC 3339 time in UTC, such as 2026-12-01T06:00:00Z.
    """

    what: tuple[str, ...]
    owner: str
    until: str
    reason: str = ""


@dataclass(frozen=True, slots=True, weakref_slot=True)
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
    mac_address: str = ""
    links: tuple[Link, ...] = ()
    # The container names of the services that it is linked to, or shares a namespace with.
    peers: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
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
    runtime: str = ""
    shm_size: int | None = None
    read_only: bool = False
    init: bool | None = None
    tty: bool = False
    stdin_open: bool = False
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    devices: tuple[DeviceMapping, ...] = ()
    device_cgroup_rules: tuple[str, ...] = ()
    device_requests: tuple[DeviceRequest, ...] = ()
    ipc: str = ""
    pid: str = ""
    uts: str = ""
    userns_mode: str = ""
    cgroup: str = ""
    cgroup_parent: str = ""
    oom_kill_disable: bool = False
    oom_score_adj: int | None = None
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_opt: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    ulimits: Mapping[str, Ulimit] = field(default_factory=dict)
    storage_opt: Mapping[str, str] = field(default_factory=dict)
    depends_on: tuple[Dependency, ...] = ()
    pull_policy: str = "missing"
    update: Update = Update()
    ignored: tuple[Ignored, ...] = ()

    def ignores(self, what: str) -> bool:
        """Is this kind of drift left alone? Of what has expired, the agent has rid the service before."""
        return any(what in one.what for one in self.ignored)

    @property
    def may_finish(self) -> bool:
        """Is this a job, so that exit code 0 is success? Nothing starts it again, and nobody asks it anything.

        `restart: "no"` is Compose's default, so it alone does not make a job of a server that somebody stopped.
        """
        return self.restart in ("no", "on-failure") and not self.ports and self.healthcheck is None

    @property
    def lives_in(self) -> tuple[str, ...]:
        """The services whose namespaces this one shares: it must be made anew whenever one of them is."""
        shared = (self.network_mode, self.ipc, self.pid)
        return tuple(dict.fromkeys(mode.removeprefix(OF_SERVICE) for mode in shared if mode.startswith(OF_SERVICE)))
