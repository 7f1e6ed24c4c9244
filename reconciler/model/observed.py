"""What was seen on an Engine at one moment. Only things that carry our label and this device's name, unless said."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model.service import Limits


@dataclass(frozen=True, slots=True)
class Container:
    """One seen container. `fingerprint` is our label; `state` and `health` are the Engine's own words."""

    id: str
    name: str
    app: str
    service: str
    fingerprint: str
    image: str
    image_id: str
    state: str
    health: str = ""
    exit_code: int | None = None
    networks: frozenset[str] = frozenset()
    # Those of them that were removed and made anew since: the container knows an id that is gone.
    stale_networks: frozenset[str] = frozenset()
    # The ids of the containers whose namespaces it was made in: in those of others, it reaches nobody.
    joined: frozenset[str] = frozenset()
    # What `docker update` can change; of limits, 0 is none.
    limits: Limits = field(default_factory=Limits)
    restart: str = "no"
    restart_attempts: int = 0
    # The names of the stored configs and secrets that it mounts.
    files: frozenset[str] = frozenset()
    # Volumes without a name of their own, by where they are mounted.
    anonymous_volumes: Mapping[str, str] = field(default_factory=dict)
    # Its last start, RFC 3339 in UTC, empty before the first; how often the Engine started it again by itself since
    # somebody did; and whether the kernel ended it for want of memory.
    started_at: str = ""
    restarts: int = 0
    out_of_memory: bool = False

    @property
    def is_running(self) -> bool:
        # "restarting" is the Engine's restart policy at work: running by intent, told by the report, not ours to start.
        return self.state in ("running", "restarting")


@dataclass(frozen=True, slots=True)
class ObservedNetwork:
    """A seen network; `app` and `fingerprint` are empty for one that is not ours."""

    id: str
    name: str
    app: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class ObservedVolume:
    """A seen volume; `app` is empty for one that is not ours."""

    name: str
    app: str = ""


@dataclass(frozen=True, slots=True)
class Lock:
    """An update lock that a container holds. `owner` is what it wrote there, `since` an RFC 3339 time in UTC."""

    owner: str
    since: str


@dataclass(frozen=True, slots=True)
class ObservedState:
    """One look at the Engine. `images` maps every local reference (name:tag, name@digest) to an image id."""

    device: str
    containers: tuple[Container, ...] = ()
    networks: tuple[ObservedNetwork, ...] = ()
    volumes: tuple[ObservedVolume, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    configs: frozenset[str] = frozenset()
    # Containers that carry no label of ours; `app` and `service` are what Docker Compose says of those that it made.
    foreign: tuple[Container, ...] = ()
    # Of files that change under a container, by place: the name of the ConfigFile that the container was told of. One
    # whose content is another by now is not here.
    live: Mapping[str, str] = field(default_factory=dict)
    # Update locks that are held, by APP/SERVICE.
    locks: Mapping[str, Lock] = field(default_factory=dict)
    # The fields of Limits that the device's kernel cannot keep to: the Engine drops them without an error.
    unlimited: frozenset[str] = frozenset()

    def of_app(self, app: str) -> tuple[Container, ...]:
        return tuple(container for container in self.containers if container.app == app)
