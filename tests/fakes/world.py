"""What is on an Engine in memory, and what people and time do to it; engine.py obeys steps on it."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from reconciler.model import Lock, ObservedNetwork, ObservedVolume, Service
from reconciler.model.image import listed_name
from tests.fakes.box import Box, refuse

# The Engine's own networks, which every list of networks holds.
BUILT_IN = ("bridge", "host", "none")


class World:
    """Containers, networks, volumes, images and configs, and the hands of somebody with the docker command."""

    def __init__(self, device: str = "press") -> None:
        self.device = device
        self.boxes: dict[str, Box] = {}
        self.networks: dict[str, ObservedNetwork] = {}
        self.volumes: dict[str, ObservedVolume] = {}
        self.images: dict[str, str] = {}
        self.configs: dict[str, bytes] = {}
        # So many images have room on its disk.
        self.room = 1000
        self.behaviours: dict[str, str] = {}
        # The last lines that containers of these images wrote, for who may read them.
        self.logs: dict[str, tuple[str, ...]] = {}
        # Files that change under containers, by place: their bytes, and the name of what containers were told of.
        self.live_content: dict[str, bytes] = {}
        self.live: dict[str, str] = {}
        self.locks: dict[str, Lock] = {}
        # Limits that the kernel of this device cannot keep to.
        self.unlimited: frozenset[str] = frozenset()
        self._made = 0
        for name in BUILT_IN:
            self._add_network(name)

    def box(self, reference: str) -> Box:
        """A container by id or name. Raises EngineError."""
        if reference in self.boxes:
            return self.boxes[reference]
        found = [box for box in self.boxes.values() if box.name == reference]
        return found[0] if found else refuse(f"No such container: {reference}")

    def has_network(self, name: str) -> bool:
        return any(network.name == name for network in self.networks.values())

    def foreign(self, name: str, networks: Iterable[str] = ()) -> Box:
        """A running container that is not ours."""
        box = self._add(Box(self.new_id(), name, state="running", networks=dict.fromkeys(networks, "")))
        box.service = Service(name, "foreign", name)
        return box

    def compose_made(self, app: str, service: str, image: str) -> Box:
        """A running container that Docker Compose made."""
        self.have(image)
        box = self.foreign(f"{app}-{service}-1")
        box.app, box.service = app, Service(service, image, box.name)
        box.image_id = self.images[listed_name(image)]
        return box

    def kill(self, name: str) -> None:
        self.box(name).end(137)

    def pause(self, name: str) -> None:
        box = self.box(name)
        if box.state != "running":
            refuse(f"Container {name} is not running")
        box.state = "paused"

    def forget(self, name: str) -> None:
        """docker rm -f"""
        del self.boxes[self.box(name).id]

    def adjust(self, name: str, restart: str | None = None, **limits: Any) -> None:
        """docker update"""
        box = self.box(name)
        box.limits = replace(box.limits, **limits)
        box.restart = restart or box.restart

    def rename(self, name: str, new: str) -> None:
        box = self.box(name)
        if any(other.name == new for other in self.boxes.values()):
            refuse(f"Conflict. The container name {new} is already in use")
        box.name = new

    def connect(self, name: str, network: str) -> None:
        box = self.box(name)
        found = self._network(network)
        if network in box.networks:
            refuse(f"endpoint with name {name} already exists in network {network}")
        box.networks[network] = found.id

    def disconnect(self, name: str, network: str) -> None:
        box = self.box(name)
        if network not in box.networks:
            refuse(f"container {name} is not connected to the network {network}")
        del box.networks[network]

    def add_network(self, name: str) -> None:
        """A network that is not ours."""
        self._add_network(name)

    def reads(self, name: str, path: str) -> bytes:
        """The config file that a container has at this path."""
        mount = next(mount for mount in self.box(name).service.mounts if mount.target == path)
        return self.live_content[mount.live] if mount.live else self.configs[mount.source]

    # What time and outages do

    def reboot(self) -> None:
        """The machine lost its power as well: what a restart policy brings back runs, the rest has exited."""
        for box in self.boxes.values():
            if box.is_up:
                box.end(255)
                if box.restart in ("always", "unless-stopped"):
                    box.run(self._behaviour(box))

    def settle(self) -> None:
        """Let so much time pass that every check has its result."""
        for box in self.boxes.values():
            box.grow(self._behaviour(box))

    def have(self, *images: str) -> None:
        """Make images local, as a pull does."""
        for image in images:
            self.images[listed_name(image)] = image_id(image)

    def move_tag(self, image: str, to: str = "moved") -> None:
        """Let a local tag mean another image."""
        self.images[listed_name(image)] = image_id(f"{image} {to}")

    # Inside

    def _behaviour(self, box: Box) -> str:
        return self.behaviours.get(box.service.image, "ok")

    def _network(self, reference: str) -> ObservedNetwork:
        found = [n for n in self.networks.values() if reference in (n.id, n.name)]
        return found[0] if found else refuse(f"network {reference} not found")

    def _add_network(self, name: str, app: str = "", fingerprint: str = "") -> None:
        made = ObservedNetwork(self.new_id(), name, app, fingerprint)
        self.networks[made.id] = made

    def _add(self, box: Box) -> Box:
        self.boxes[box.id] = box
        return box

    def new_id(self) -> str:
        self._made += 1
        return hashlib.sha256(f"{self._made}".encode()).hexdigest()


def image_id(image: str) -> str:
    """The id that an image has on every fake Engine."""
    return f"sha256:{hashlib.sha256(image.encode()).hexdigest()}"
