"""The steps for one service in the making, and the three names that tell every state in which power may fail."""

from collections.abc import Callable

from reconciler.model import Container, Service
from reconciler.planning.fingerprint import fingerprint
from reconciler.planning.in_place import differences, told
from reconciler.planning.steps import (
    ConnectNetwork,
    CreateContainer,
    DisconnectNetwork,
    PullImage,
    RemoveContainer,
    RemoveImage,
    RenameContainer,
    Step,
    StopContainer,
    UnpauseContainer,
    UpdateContainer,
)

# What the Engine could not remove, or is removing: it can never run again.
LOST = ("dead", "removing")
NEXT, PREVIOUS = ".next", ".previous"


def must_stop(container: Container) -> bool:
    """Is there a process in it, running or paused? The Engine refuses to remove it before it is stopped."""
    return container.is_running or container.state == "paused"


def best(service: Service, containers: tuple[Container, ...]) -> Container:
    """Running under its own name, else running, else under its own name, else the first by name."""
    return min(containers, key=lambda c: (not c.is_running, c.name != service.container_name, c.name, c.id))


def set_aside(container: Container, rename: Step | None, stop: Step) -> list[Step]:
    """Rename before stopping, so that its exit is known for ours; but between two starts the Engine renames nothing."""
    stopping = [stop] if must_stop(container) else []
    renaming = [rename] if rename is not None else []
    return [*stopping, *renaming] if container.state == "restarting" else [*renaming, *stopping]


def is_set_aside(container: Container, final: str) -> bool:
    """Did we put it aside for one that was to take over, perhaps under another name?"""
    return container.name != final and container.name.endswith(PREVIOUS)


def change(make: Callable[..., Step], app: str, service: Service, *arguments: object, cause: str) -> Step:
    return make(app, f"{app}/{service.name}", cause, *arguments)


class Draft:
    """Steps in the making, for one service."""

    def __init__(self, app: str, service: Service, why: str) -> None:
        self.app, self.service, self.why = app, service, why
        self.final = service.container_name
        self.next, self.previous = self.final + NEXT, self.final + PREVIOUS
        self.address = self.final
        self.steps: list[Step] = []

    def add(self, make: Callable[..., Step], *arguments: object, cause: str) -> None:
        self.steps.append(change(make, self.app, self.service, *arguments, cause=cause))

    def create(self, name: str, replaced: Container | None = None) -> None:
        """Create under this name, on the first network; Engines before 25 take only one at that call."""
        carried = tuple(sorted(replaced.anonymous_volumes.items())) if replaced else ()
        self.add(CreateContainer, self.service, name, fingerprint(self.service), carried, cause=self.why)
        for attachment in self.service.networks[1:]:
            self.add(ConnectNetwork, name, self.service, attachment, cause=f"joins {attachment.network}")

    def make_room(self, kept: Container | None, others: list[Container], fallback: Container | None) -> None:
        """Create the new one first, then stop what runs beside it and remove what nobody needs."""
        discarded = [container for container in others if container is not fallback]
        self.clear_the_way(kept, discarded)
        if kept is None:
            self.create(self.next, fallback or best(self.service, tuple(others)))
        if fallback is not None:
            self.retire(fallback)
        self.discard_rest(kept, discarded)

    def make_room_for_image(self, others: list[Container], fallback: Container) -> Container | None:
        """Stop what runs, on a small disk remove it as well, and only then pull; what is left to come back to."""
        discarded = [container for container in others if container is not fallback]
        self.clear_the_way(None, discarded)
        self.retire(fallback)
        self.discard_rest(None, discarded)
        is_removed = self.service.update.pull == "after-remove"
        if is_removed:
            self.add(RemoveContainer, fallback.id, cause="makes room for the new image")
            self.add(RemoveImage, fallback.image, cause="makes room for the new image")
        image, platform = self.service.image, self.service.platform
        self.add(PullImage, image, platform, cause=f"{image} is not on the device")
        self.create(self.next, fallback)
        return None if is_removed else fallback

    def clear_the_way(self, kept: Container | None, discarded: list[Container]) -> None:
        """Remove what can never run again, and what has the name that the new one needs."""
        for container in discarded:
            if self._is_in_the_way(kept, container):
                lost = f"was {container.state}"
                self._discard(container, lost if container.state in LOST else "left over from an interrupted update")

    def discard_rest(self, kept: Container | None, discarded: list[Container]) -> None:
        for container in discarded:
            if not self._is_in_the_way(kept, container):
                self._discard(container, self.why or "not the wanted one")

    def _is_in_the_way(self, kept: Container | None, container: Container) -> bool:
        return container.state in LOST or (kept is None and container.name == self.next)

    def retire(self, fallback: Container) -> None:
        """Put the old one aside, and stop it."""
        rename = change(
            RenameContainer,
            self.app,
            self.service,
            fallback.id,
            self.previous,
            cause="kept until the new one is healthy",
        )
        stop = change(StopContainer, self.app, self.service, fallback.id, cause="replaced")
        self.steps += set_aside(fallback, rename if fallback.name != self.previous else None, stop)

    def _discard(self, container: Container, cause: str) -> None:
        if must_stop(container):
            self.add(StopContainer, container.id, cause=cause)
        self.add(RemoveContainer, container.id, cause=cause)

    def install(self, kept: Container | None, fallback: Container | None) -> None:
        """Give the wanted container its name, which nobody has by now."""
        if kept is None:
            self.add(RenameContainer, self.next, self.final, cause="takes over")
        elif kept.name != self.final and not self.comes_back(kept) and not self._may_be_called(kept.name):
            cause = "takes over" if kept.name.endswith(NEXT) else f"was renamed to {kept.name}"
            self.add(RenameContainer, kept.id, self.final, cause=cause)
        if kept is not None:
            self.address = kept.id

    def _may_be_called(self, name: str) -> bool:
        return self.service.ignores("renamed") and not name.endswith((NEXT, PREVIOUS))

    def comes_back(self, kept: Container) -> bool:
        return is_set_aside(kept, self.final)

    def settle(self, kept: Container | None) -> None:
        """One that comes back takes its name at last."""
        if kept is not None and self.comes_back(kept):
            self.add(RenameContainer, kept.id, self.final, cause="comes back")

    def heal(self, kept: Container, unlimited: frozenset[str]) -> None:
        """Change what can be changed in place, and undo what was done to the container by hand."""
        if differing := differences(self.service, kept, unlimited):
            self.add(UpdateContainer, kept.id, self.service, cause=told(differing))
        if not self.service.ignores("networks"):
            self._rejoin(kept)
        if kept.state == "paused" and not self.service.ignores("paused"):
            self.add(UnpauseContainer, kept.id, cause="was paused")

    def _rejoin(self, kept: Container) -> None:
        """Bring it back to its networks, and to no other."""
        wanted = {attachment.network: attachment for attachment in self.service.networks}
        for network in sorted(kept.networks - wanted.keys()):
            if not (self.service.network_mode and network == self.service.network_mode):
                self.add(DisconnectNetwork, kept.id, network, cause=f"network {network} was connected by hand")
        for network in sorted(kept.stale_networks & wanted.keys()):
            self.add(DisconnectNetwork, kept.id, network, cause=f"network {network} was made anew")
        for network in sorted(wanted.keys() - (kept.networks - kept.stale_networks)):
            cause = f"network {network} was {'made anew' if network in kept.stale_networks else 'disconnected'}"
            self.add(ConnectNetwork, kept.id, self.service, wanted[network], cause=cause)
