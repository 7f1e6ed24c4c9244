"""Every change we can make, one class and one Engine call each; a plan is their sequence, and prints itself.

Containers are addressed by id where one was seen, so that a step never meets another's container, and by name where the
plan itself creates them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.model import Attachment, ConfigFile, Network, Service, Volume


@dataclass(frozen=True, slots=True)
class _Change:
    """What every step has: the app it belongs to, its subject for people, and its cause."""

    app: str
    subject: str
    cause: str

    verb = "change"

    def __str__(self) -> str:
        return f"{self.verb:<10} {self.subject:<28} {self.cause}".rstrip()


@dataclass(frozen=True, slots=True)
class PullImage(_Change):
    """Make an image local (POST /images/create)."""

    image: str
    platform: str = ""
    verb = "pull"


@dataclass(frozen=True, slots=True)
class StoreConfig(_Change):
    """Store a config file on the device, under its digest."""

    config: ConfigFile
    verb = "store"


@dataclass(frozen=True, slots=True)
class RemoveImage(_Change):
    """DELETE /images/{name}; one that a container still needs stays."""

    image: str
    verb = "remove"


@dataclass(frozen=True, slots=True)
class WriteLive(_Change):
    """Write new content into a file that a container has mounted, at its place `live`.

    `is_told` says that no signal is needed: the container that reads it is yet to be started.
    """

    live: str
    config: ConfigFile
    is_told: bool
    verb = "write"


@dataclass(frozen=True, slots=True)
class SignalContainer(_Change):
    """POST /containers/{id}/kill with a signal that tells of new content; `told` is that content, by its place."""

    container: str
    signal: str
    told: tuple[tuple[str, str], ...]
    verb = "signal"


@dataclass(frozen=True, slots=True)
class HoldForLock(_Change):
    """Nothing of the app is changed while one of its containers holds its update lock. Performing it always fails."""

    verb = "hold"


@dataclass(frozen=True, slots=True)
class CreateNetwork(_Change):
    """POST /networks/create."""

    network: Network
    fingerprint: str
    verb = "create"


@dataclass(frozen=True, slots=True)
class RemoveNetwork(_Change):
    """DELETE /networks/{id}."""

    network_id: str
    verb = "remove"


@dataclass(frozen=True, slots=True)
class ConnectNetwork(_Change):
    """POST /networks/{name}/connect."""

    container: str
    service: Service
    attachment: Attachment
    verb = "connect"


@dataclass(frozen=True, slots=True)
class DisconnectNetwork(_Change):
    """POST /networks/{name}/disconnect."""

    container: str
    network: str
    verb = "disconnect"


@dataclass(frozen=True, slots=True)
class CreateVolume(_Change):
    """POST /volumes/create."""

    volume: Volume
    verb = "create"


@dataclass(frozen=True, slots=True)
class CreateContainer(_Change):
    """POST /containers/create, under this name.

    `carried` are the anonymous volumes of the container that it replaces, as (target, volume): data outlives a change.
    """

    service: Service
    name: str
    fingerprint: str
    carried: tuple[tuple[str, str], ...] = ()
    verb = "create"


@dataclass(frozen=True, slots=True)
class StartContainer(_Change):
    """POST /containers/{id}/start."""

    container: str
    verb = "start"


@dataclass(frozen=True, slots=True)
class RestartContainer(_Change):
    """POST /containers/{id}/restart, with the grace period that the container was created with."""

    container: str
    verb = "restart"


@dataclass(frozen=True, slots=True)
class UnpauseContainer(_Change):
    """POST /containers/{id}/unpause."""

    container: str
    verb = "unpause"


@dataclass(frozen=True, slots=True)
class UpdateContainer(_Change):
    """POST /containers/{id}/update, with the limits and the restart policy of the service."""

    container: str
    service: Service
    verb = "update"


@dataclass(frozen=True, slots=True)
class StopContainer(_Change):
    """POST /containers/{id}/stop, with the grace period that the container was created with."""

    container: str
    verb = "stop"


@dataclass(frozen=True, slots=True)
class RenameContainer(_Change):
    """POST /containers/{id}/rename."""

    container: str
    name: str
    verb = "rename"


@dataclass(frozen=True, slots=True)
class RemoveContainer(_Change):
    """DELETE /containers/{id}, with its anonymous volumes."""

    container: str
    verb = "remove"


@dataclass(frozen=True, slots=True)
class AwaitHealthy(_Change):
    """Wait until the container is healthy, or has run for `monitor` seconds; looks only (GET /containers/{id}/json).

    When it is not `required`, going on without it is right (depends_on, `required: false`). One that `was_well` before,
    and was told of something new, must stay so for `monitor` seconds.
    """

    container: str
    service: Service
    required: bool = True
    was_well: bool = False
    verb = "wait"


@dataclass(frozen=True, slots=True)
class AwaitCompleted(_Change):
    """Wait until the container has exited with 0; looks only."""

    container: str
    service: Service
    required: bool = True
    verb = "wait"


Step = (
    PullImage
    | RemoveImage
    | StoreConfig
    | WriteLive
    | SignalContainer
    | HoldForLock
    | CreateNetwork
    | RemoveNetwork
    | ConnectNetwork
    | DisconnectNetwork
    | CreateVolume
    | CreateContainer
    | StartContainer
    | RestartContainer
    | UnpauseContainer
    | UpdateContainer
    | StopContainer
    | RenameContainer
    | RemoveContainer
    | AwaitHealthy
    | AwaitCompleted
)

# Steps that only bring an app back to what it was: nothing is created, stopped or removed.
HEALING = (
    StartContainer,
    RestartContainer,
    UnpauseContainer,
    UpdateContainer,
    RenameContainer,
    ConnectNetwork,
    DisconnectNetwork,
    AwaitHealthy,
    AwaitCompleted,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in order. An empty plan says that the device is what it shall be."""

    steps: tuple[Step, ...] = ()

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __bool__(self) -> bool:
        return bool(self.steps)

    def __str__(self) -> str:
        return "\n".join(map(str, self.steps)) if self.steps else "nothing to do"
