"""An Engine in memory: it obeys each step, refuses what Docker refuses, and can lose its power at any step.

tests/contracts holds it to what the real one does. Time passes in waits only: until one looks, a check is `starting`.
"""

from collections.abc import Iterable

from reconciler.agent.engine.health import Verdict, judge, judge_job
from reconciler.errors import EngineUnavailable, ImageUnavailable, ServiceFailed
from reconciler.model import (
    OF_SERVICE,
    Container,
    Mount,
    ObservedNetwork,
    ObservedState,
    ObservedVolume,
    Service,
)
from reconciler.model.image import listed_name
from reconciler.planning import (
    AwaitCompleted,
    AwaitHealthy,
    ConnectNetwork,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    DisconnectNetwork,
    PullImage,
    RemoveContainer,
    RemoveImage,
    RemoveNetwork,
    RenameContainer,
    RestartContainer,
    SignalContainer,
    StartContainer,
    Step,
    StopContainer,
    StoreConfig,
    UnpauseContainer,
    UpdateContainer,
    WriteLive,
)
from tests.fakes.box import Box, refuse
from tests.fakes.world import BUILT_IN, World


class PowerCut(BaseException):
    """The power failed. No code of ours may catch it."""


class FakeEngine(World):
    """Keeps reconciler.agent.engine.seam.Engine. `behaviours` says what images do, in words of lab.images.build_probe.

    An image that it does not name is `ok`; one that is `missing` cannot be pulled.
    """

    # In the order of the plan, so that a test can say at which step the power failed.
    at_once = 1

    def __init__(self, device: str = "press") -> None:
        super().__init__(device)
        self.is_available = True
        self.writes: list[Step] = []
        self._cut: tuple[int, bool] | None = None

    # The Protocol

    def version(self) -> str:
        self._reach()
        return "20.10-fake"

    def observe(self, device: str) -> ObservedState:
        self._reach()
        mine = sorted((b for b in self.boxes.values() if b.device == device), key=lambda b: (b.app, _name(b), b.name))
        return ObservedState(
            device,
            tuple(map(self._shown, mine)),
            tuple(n if device == self.device else ObservedNetwork(n.id, n.name) for n in self.networks.values()),
            tuple(v if device == self.device else ObservedVolume(v.name) for v in self.volumes.values()),
            dict(self.images),
            frozenset(self.configs),
            foreign=tuple(self._shown(box) for box in self.boxes.values() if not box.device),
            live=dict(self.live),
            locks=dict(self.locks),
            unlimited=self.unlimited,
        )

    def perform(self, step: Step) -> None:
        self._reach()
        if self._cut == (len(self.writes), False):
            raise PowerCut
        if isinstance(step, AwaitHealthy | AwaitCompleted):
            self._await(step)
        else:
            self._change(step)
        self.writes.append(step)
        if self._cut == (len(self.writes) - 1, True):
            raise PowerCut

    def end_pass(self) -> tuple[Step, ...]:
        return ()

    def lack_of_room(self) -> str:
        return "no room on the disk" if len(self.images) > self.room else ""

    def discard_files(self, names: Iterable[str]) -> None:
        for name in names:
            self.configs.pop(name, None)

    # Knobs

    def fail_at(self, step: int | None, *, after: bool = False) -> None:
        """Cut the power before or after the n-th step from now, counted from 0; None takes the knife away."""
        self._cut = None if step is None else (len(self.writes) + step, after)

    # Inside

    def _reach(self) -> None:
        if not self.is_available:
            raise EngineUnavailable("no Docker Engine answers", where="fake")

    def _change(self, step: Step) -> None:  # noqa: C901, PLR0912  # one case for each class of step
        match step:
            case PullImage():
                if self.behaviours.get(step.image) == "missing":
                    raise ImageUnavailable(f"cannot pull {step.image}: manifest unknown")
                self.have(step.image)
            case RemoveImage():
                self._remove_image(step.image)
            case WriteLive():
                self.live_content[step.live] = step.config.content
                self.live.pop(step.live, None)
                if step.is_told:
                    self.live[step.live] = step.config.name
            case SignalContainer():
                self._signal(self.box(step.container))
                self.live |= dict(step.told)
            case StoreConfig():
                self.configs[step.config.name] = step.config.content
            case CreateNetwork():
                if any(network.name == step.network.name for network in self.networks.values()):
                    refuse(f"network with name {step.network.name} already exists")
                self._add_network(step.network.name, step.app, step.fingerprint)
            case RemoveNetwork():
                self._remove_network(step.network_id)
            case ConnectNetwork():
                self.connect(step.container, step.attachment.network)
            case DisconnectNetwork():
                self.disconnect(step.container, step.network)
            case CreateVolume():
                self.volumes.setdefault(step.volume.name, ObservedVolume(step.volume.name, step.app))
            case CreateContainer():
                self._create(step)
            case StartContainer():
                self._start(self.box(step.container))
            case RestartContainer():
                self._stop(self.box(step.container))
                self._start(self.box(step.container))
            case UnpauseContainer():
                self._unpause(self.box(step.container))
            case UpdateContainer():
                self.box(step.container).obey(step.service, self.unlimited)
            case StopContainer():
                self._stop(self.box(step.container))
            case RenameContainer():
                self.rename(step.container, step.name)
            case RemoveContainer():
                self._remove(self.box(step.container))

    def _create(self, step: CreateContainer) -> None:
        service = step.service
        if any(box.name == step.name for box in self.boxes.values()):
            refuse(f"the name {step.name} is taken by a container of somebody else")
        if listed_name(service.image) not in self.images:
            refuse(f"No such image: {service.image}")
        for mount in service.mounts:
            self._mount(mount)
        made = self._add(
            Box(
                self.new_id(),
                step.name,
                self.device,
                step.app,
                service,
                step.fingerprint,
                self.images[listed_name(service.image)],
                # Engines before 25 take one network at this call.
                networks={a.network: "" for a in service.networks[:1]} or without_network(service),
                joined=frozenset(self.box(service.peers[name]).id for name in service.lives_in),
            )
        )
        made.obey(service, self.unlimited)

    def _mount(self, mount: Mount) -> None:
        is_there = mount.live in self.live_content if mount.live else mount.source in self.configs
        if mount.kind in ("config", "secret") and not is_there:
            refuse(f"bind source path does not exist: {mount.source}")
        if mount.kind == "volume" and mount.source:
            self.volumes.setdefault(mount.source, ObservedVolume(mount.source))

    def _start(self, box: Box) -> None:
        if box.state == "paused":
            refuse("cannot start a paused container, try unpause instead")
        if box.is_up:
            return
        # One that ran before asks for the network's id: it does not join another of the same name.
        found = {name: self._network(known or name).id for name, known in box.networks.items()}
        for other in self.boxes.values():
            if other is not box and other.is_up and other.ports & box.ports:
                refuse(f"port is already allocated: {sorted(other.ports & box.ports)}")
        for home in box.joined:
            if home not in self.boxes or not self.boxes[home].is_up:
                refuse(f"cannot join network of a non running container: {home}")
        box.networks = found
        self._read_live(box)
        box.run(self._behaviour(box))

    def _unpause(self, box: Box) -> None:
        if box.state != "paused":
            refuse(f"Container {box.name} is not paused")
        box.state = "running"

    def _stop(self, box: Box) -> None:
        if box.is_up:
            # What the probes do: they end well when they are asked to.
            box.end(0)

    def _signal(self, box: Box) -> None:
        if not box.is_up:
            refuse(f"Container {box.id} is not running")
        self._read_live(box)

    def _read_live(self, box: Box) -> None:
        """What a program does that cannot work with its new configuration."""
        box.is_broken = b"bad" in (self.live_content[mount.live] for mount in box.service.mounts if mount.live)

    def _remove_image(self, image: str) -> None:
        """One that a container was made of stays, without an error."""
        name = listed_name(image)
        if self.images.get(name) not in {box.image_id for box in self.boxes.values()}:
            self.images.pop(name, None)

    def _remove(self, box: Box) -> None:
        if box.is_up:
            refuse(f"You cannot remove a {box.state} container {box.id}")
        del self.boxes[box.id]

    def _remove_network(self, reference: str) -> None:
        network = self._network(reference)
        if network.name in BUILT_IN or any(b.is_up and network.name in b.networks for b in self.boxes.values()):
            refuse(f"error while removing network: network {network.name} has active endpoints")
        del self.networks[network.id]

    def _await(self, step: AwaitHealthy | AwaitCompleted) -> None:
        box = self.box(step.container)
        first = box.look()
        box.grow(self._behaviour(box))
        look = box.look()
        verdict, reason = judge_job(look) if isinstance(step, AwaitCompleted) else judge(step.service, look, first)
        if verdict is not Verdict.GOOD and step.required:
            lines = self.logs.get(box.service.image, ())
            raise ServiceFailed(f"{step.subject} {reason}", advice="see its logs", lines=lines)

    def _shown(self, box: Box) -> Container:
        is_moved = self.images.get(listed_name(box.service.image)) != box.image_id
        return box.shown(box.image_id if is_moved else box.service.image)


def _name(box: Box) -> str:
    return box.service.name


def without_network(service: Service) -> dict[str, str]:
    """Who lives in another's network shows none of its own."""
    return {} if service.network_mode.startswith(OF_SERVICE) else {service.network_mode: ""}
