"""One service: which of the containers seen is the one wanted, and the steps that leave only it, running.

Three names tell every state in which power may have failed:

    NAME            the container that serves
    NAME.next       created to replace it, not started yet
    NAME.previous   the one that served before, stopped, kept until the whole app is well again

So going back is no special case: when the wanted service is the earlier one again, `NAME.previous` is the container
that matches it, and takes its name back.

A container that we stop may exit with 0, as a finished job does. Only its name tells the two apart: it is called
`NAME.previous` before it is stopped, and until it has been started again.
"""

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.model import App, Container, ObservedState, Service
from reconciler.model.image import listed_name
from reconciler.planning.fingerprint import changed_fields, fingerprint
from reconciler.planning.steps import (
    ConnectNetwork,
    CreateContainer,
    DisconnectNetwork,
    RemoveContainer,
    RenameContainer,
    RestartContainer,
    StartContainer,
    Step,
    StopContainer,
    UnpauseContainer,
)

# What the Engine could not remove, or is removing: it can never run again.
_LOST = ("dead", "removing")
NEXT, PREVIOUS = ".next", ".previous"


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """The steps for one service; `cleanup` comes when the whole app is well. `address` is the serving container."""

    address: str
    steps: tuple[Step, ...] = ()
    cleanup: tuple[Step, ...] = ()
    starts: bool = False
    replaces: bool = False
    wakes: bool = False


@dataclass(frozen=True, slots=True)
class Around:
    """What the plans of other services of the app mean for this one.

    `homes` are the containers that it must live in, by id; None when one of them is yet to be made. `restarts_for`
    names the service that starts anew, and this one with it.
    """

    homes: frozenset[str] | None = frozenset()
    restarts_for: str = ""


def plan_service(
    app: App, service: Service, containers: tuple[Container, ...], observed: ObservedState, around: Around = Around()
) -> ServicePlan:
    """Decide for one service, from the containers seen that carry its label."""
    kept = _kept(service, containers, observed, around)
    others = [container for container in containers if container is not kept]
    if kept is None and not others:
        return _fresh(app, service)
    draft = _Draft(app.name, service, why_replaced(service, containers, observed) if kept is None else "")
    fallback = _fallback(service, kept, others)
    draft.make_room(kept, others, fallback)
    draft.install(kept, fallback)
    if kept is not None:
        draft.heal(kept)
    starts = kept is None or not (must_stop(kept) or (has_finished(service, kept) and not draft.comes_back(kept)))
    if starts:
        draft.add(StartContainer, draft.address, cause=_why_start(kept, draft.why))
    elif around.restarts_for and kept is not None and kept.is_running:
        draft.add(RestartContainer, kept.id, cause=f"{around.restarts_for} starts anew")
        starts = True
    draft.settle(kept)
    cleanup = (_change(RemoveContainer, app.name, service, fallback.id, cause="replaced"),) if fallback else ()
    wakes = kept is not None and kept.state == "paused"
    return ServicePlan(draft.address, tuple(draft.steps), cleanup, starts, fallback is not None, wakes)


def has_finished(service: Service, container: Container) -> bool:
    """Is this a job that exited with 0? It is done for its fingerprint, and not started again."""
    return service.may_finish and container.state == "exited" and container.exit_code == 0


def must_stop(container: Container) -> bool:
    """Is there a process in it, running or paused? The Engine refuses to remove it before it is stopped."""
    return container.is_running or container.state == "paused"


def why_replaced(service: Service, containers: tuple[Container, ...], observed: ObservedState) -> str:
    """What differs between the container that serves and the one wanted, for people."""
    serving = _best(service, containers)
    if serving.state in _LOST:
        return f"was {serving.state}"
    fields = changed_fields(serving.fingerprint, fingerprint(service))
    told = [f"image {serving.image} -> {service.image}"] if "image" in fields else []
    rest = ", ".join(field for field in fields if field != "image")
    if fields:
        return "; ".join([*told, f"{rest} changed"] if rest else told)
    if observed.images.get(listed_name(service.image)) in (None, serving.image_id):
        return f"{', '.join(service.lives_in)} is another container now"
    return f"image {service.image} moved to {observed.images.get(listed_name(service.image), '')[:19]}"


def matches(service: Service, container: Container, observed: ObservedState) -> bool:
    """Is this container what the service asks for, of the image that its reference means today?"""
    local = observed.images.get(listed_name(service.image))
    return container.fingerprint == fingerprint(service) and local in (None, container.image_id)


def _kept(
    service: Service, containers: tuple[Container, ...], observed: ObservedState, around: Around
) -> Container | None:
    able = (c for c in containers if c.joined == around.homes and c.state not in _LOST)
    alike = tuple(container for container in able if matches(service, container, observed))
    return _best(service, alike) if alike else None


def _best(service: Service, containers: tuple[Container, ...]) -> Container:
    """Running under its own name, else running, else under its own name, else the first by name."""
    return min(containers, key=lambda c: (not c.is_running, c.name != service.container_name, c.name, c.id))


def _fallback(service: Service, kept: Container | None, others: list[Container]) -> Container | None:
    """The container to keep until the new one is well: the one that served before, if anything is being replaced."""
    able = [c for c in others if c.state not in _LOST]
    previous = next((c for c in able if is_set_aside(c, service.container_name)), None)
    if previous is not None:
        return previous
    if kept is not None and not kept.name.endswith(NEXT):
        return None
    serving = tuple(c for c in able if not c.name.endswith(NEXT))
    return _best(service, serving) if serving else None


def set_aside(container: Container, rename: Step | None, stop: Step) -> list[Step]:
    """Rename before stopping, so that its exit is known for ours; but between two starts the Engine renames nothing."""
    stopping = [stop] if must_stop(container) else []
    renaming = [rename] if rename is not None else []
    return [*stopping, *renaming] if container.state == "restarting" else [*renaming, *stopping]


def is_set_aside(container: Container, final: str) -> bool:
    """Did we put it aside for one that was to take over, perhaps under another name?"""
    return container.name != final and container.name.endswith(PREVIOUS)


def _fresh(app: App, service: Service) -> ServicePlan:
    draft = _Draft(app.name, service, "not on the device")
    draft.create(service.container_name)
    draft.add(StartContainer, service.container_name, cause="created")
    return ServicePlan(service.container_name, tuple(draft.steps), starts=True)


def _change(make: Callable[..., Step], app: str, service: Service, *arguments: object, cause: str) -> Step:
    return make(app, f"{app}/{service.name}", cause, *arguments)


class _Draft:
    """Steps in the making, for one service."""

    def __init__(self, app: str, service: Service, why: str) -> None:
        self.app, self.service, self.why = app, service, why
        self.final = service.container_name
        self.next, self.previous = self.final + NEXT, self.final + PREVIOUS
        self.address = self.final
        self.steps: list[Step] = []

    def add(self, make: Callable[..., Step], *arguments: object, cause: str) -> None:
        self.steps.append(_change(make, self.app, self.service, *arguments, cause=cause))

    def create(self, name: str, replaced: Container | None = None) -> None:
        """Create under this name, on the first network; Engines before 25 take only one at that call."""
        carried = tuple(sorted(replaced.anonymous_volumes.items())) if replaced else ()
        self.add(CreateContainer, self.service, name, fingerprint(self.service), carried, cause=self.why)
        for attachment in self.service.networks[1:]:
            self.add(ConnectNetwork, name, self.service, attachment, cause=f"joins {attachment.network}")

    def make_room(self, kept: Container | None, others: list[Container], fallback: Container | None) -> None:
        """Create the new one first, then stop what runs beside it and remove what nobody needs."""
        discarded = [container for container in others if container is not fallback]
        in_the_way = [c for c in discarded if c.state in _LOST or (kept is None and c.name == self.next)]
        for container in in_the_way:
            lost = f"was {container.state}"
            self._discard(container, lost if container.state in _LOST else "left over from an interrupted update")
        if kept is None:
            self.create(self.next, fallback or _best(self.service, tuple(others)))
        if fallback is not None:
            self._set_aside(fallback)
        for container in discarded:
            if container not in in_the_way:
                self._discard(container, self.why or "not the wanted one")

    def _set_aside(self, fallback: Container) -> None:
        rename = _change(
            RenameContainer,
            self.app,
            self.service,
            fallback.id,
            self.previous,
            cause="kept until the new one is healthy",
        )
        stop = _change(StopContainer, self.app, self.service, fallback.id, cause="replaced")
        self.steps += set_aside(fallback, rename if fallback.name != self.previous else None, stop)

    def _discard(self, container: Container, cause: str) -> None:
        if must_stop(container):
            self.add(StopContainer, container.id, cause=cause)
        self.add(RemoveContainer, container.id, cause=cause)

    def install(self, kept: Container | None, fallback: Container | None) -> None:
        """Give the wanted container its name, which nobody has by now."""
        if kept is None:
            self.add(RenameContainer, self.next, self.final, cause="takes over")
        elif kept.name != self.final and not self.comes_back(kept):
            cause = "takes over" if kept.name.endswith(NEXT) else f"was renamed to {kept.name}"
            self.add(RenameContainer, kept.id, self.final, cause=cause)
        if kept is not None:
            self.address = kept.id

    def comes_back(self, kept: Container) -> bool:
        return is_set_aside(kept, self.final)

    def settle(self, kept: Container | None) -> None:
        """One that comes back takes its name at last."""
        if kept is not None and self.comes_back(kept):
            self.add(RenameContainer, kept.id, self.final, cause="comes back")

    def heal(self, kept: Container) -> None:
        """Undo what was done to the container by hand."""
        wanted = {attachment.network: attachment for attachment in self.service.networks}
        for network in sorted(kept.networks - wanted.keys()):
            if not (self.service.network_mode and network == self.service.network_mode):
                self.add(DisconnectNetwork, kept.id, network, cause=f"network {network} was connected by hand")
        for network in sorted(kept.stale_networks & wanted.keys()):
            self.add(DisconnectNetwork, kept.id, network, cause=f"network {network} was made anew")
        for network in sorted(wanted.keys() - (kept.networks - kept.stale_networks)):
            cause = f"network {network} was {'made anew' if network in kept.stale_networks else 'disconnected'}"
            self.add(ConnectNetwork, kept.id, self.service, wanted[network], cause=cause)
        if kept.state == "paused":
            self.add(UnpauseContainer, kept.id, cause="was paused")


def _why_start(kept: Container | None, why: str) -> str:
    if kept is None:
        return why
    if kept.state == "exited" and kept.exit_code is None:
        return "was stopped"
    if kept.state == "exited":
        return f"had exited with {kept.exit_code}"
    return f"was {kept.state}"
