"""Looks at one Docker Engine, and performs a step: one class of step, one call."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker.errors
import requests

from reconciler.agent.docker_engine import answers
from reconciler.agent.docker_engine import container_body as labels
from reconciler.agent.docker_engine.binds import check_binds
from reconciler.agent.docker_engine.client import Client
from reconciler.agent.docker_engine.container_body import container_body, endpoint, network_body
from reconciler.agent.docker_engine.host_config import update_body
from reconciler.agent.docker_engine.last_lines import lines_or_nothing
from reconciler.agent.docker_engine.observing import Observer
from reconciler.agent.docker_engine.pulling import pull
from reconciler.agent.docker_engine.waiting import Waits
from reconciler.agent.engine.pull_progress import Progress, Tell
from reconciler.agent.host.disk import complaint
from reconciler.agent.host.links import place
from reconciler.agent.mounts.lock_files import make_lock_folder
from reconciler.agent.mounts.service_files import ServiceFiles
from reconciler.errors import EngineError, NoRoom
from reconciler.model import Network, ObservedState, Volume
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

# What a report has room for, of each app that fails.
_MOST_LINES_BYTES = 2048


class DockerEngine:
    """One Docker Engine, and the files of services beside it. Pulls leave `keep_free` bytes of its disk free.

    The disk of the device is at `root`. Of what fails, the last `log_lines` are read, without what it was given.
    """

    # More do not start 20 containers sooner: most of a start is the Engine's and the kernel's own work.
    at_once = 4

    def __init__(
        self,
        url: str,
        device: str,
        files: ServiceFiles,
        keep_free: int = 0,
        root: Path = Path("/"),
        *,
        log_lines: int = 0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._device, self._files = Client(url), device, files
        self._keep_free, self._root = keep_free, root
        self._observer = Observer(self._client, device, files)
        client, folders = self._client, files.folders
        self._waits = Waits(
            client, lambda one: lines_or_nothing(client, one, folders, log_lines, _MOST_LINES_BYTES), sleep, clock
        )

    def version(self) -> str:
        with self._client.errors("ask its version"):
            return str(self._observer.info["ServerVersion"])

    def observe(self, device: str) -> ObservedState:
        return self._observer.observe(device)

    def changes(self) -> Iterator[str]:
        """See Observer."""
        return self._observer.changes()

    def pull(self, image: str, platform: str, tell: Tell) -> None:
        """Make an image local, telling how far it is; what `tell` raises ends it. Other calls go on beside it."""

        def told(progress: Progress) -> None:
            tell(progress)
            self._check_room(image, progress.missing)

        client = self._client.another()
        with client.errors(f"pull {image}"):
            self._check_room(image, 0)
            pull(client, image, platform, told)

    def _check_room(self, image: str, more: int) -> None:
        if why := self._lack_of_room(more):
            advice = "remove what fills the disk, or set `images.keepFree` lower"
            raise NoRoom(f"cannot pull {image}: {why}", advice=advice)

    def lack_of_room(self) -> str:
        with self._client.errors("ask where its images are"):
            return self._lack_of_room(0)

    def _lack_of_room(self, more: int) -> str:
        if not self._client.is_on_this_machine:
            return ""
        return complaint(place(self._observer.info["DockerRootDir"], self._root), self._keep_free, more)

    def discard_files(self, names: Iterable[str]) -> None:
        self._files.discard(names)

    def perform(self, step: Step) -> None:
        with self._client.errors(f"{step.verb} {step.subject}", lambda: self._values(step)):
            self._perform(step)

    def _values(self, step: Step) -> Iterable[str]:
        """What the Engine may quote of a service, and no report should."""
        if isinstance(step, CreateContainer):
            return answers.hidden_values(container_body(step, self._device, self._files))
        if isinstance(step, StartContainer | RestartContainer):
            with suppress(docker.errors.DockerException, requests.RequestException):
                return answers.hidden_values(self._api.inspect_container(step.container)["Config"])
        return ()

    def end_pass(self) -> tuple[Step, ...]:
        return ()

    def _perform(self, step: Step) -> None:  # noqa: C901
        """One case for each class of step, one call in each; first those of what containers need."""
        match step:
            case PullImage():
                self.pull(step.image, step.platform, _in_silence)
            case RemoveImage():
                self._remove_image(step)
            case StoreConfig():
                self._files.store(step.config)
            case WriteLive():
                self._files.write_live(step.live, step.config)
                if step.is_told:
                    self._files.note_told(step.live, step.config.name)
            case CreateNetwork():
                self._create_network(step)
            case RemoveNetwork():
                self._api.remove_network(step.network_id)
            case CreateVolume():
                self._create_volume(step)
            case AwaitHealthy():
                self._waits.until_healthy(step)
            case AwaitCompleted():
                self._waits.until_completed(step)
            case _:
                self._perform_on_container(step)

    def _perform_on_container(self, step: Step) -> None:  # noqa: C901
        match step:
            case CreateContainer():
                self._create(step)
            case StartContainer():
                self._api.start(step.container)
            case RestartContainer():
                self._api.restart(step.container, timeout=self._grace(step.container))
                self._observer.forget(step.container)
            case UnpauseContainer():
                self._api.unpause(step.container)
            case UpdateContainer():
                self._update(step)
            case SignalContainer():
                self._signal(step)
            case StopContainer():
                self._api.stop(step.container, timeout=self._grace(step.container))
            case RenameContainer():
                self._api.rename(step.container, step.name)
            case RemoveContainer():
                # Its anonymous volumes stay: a replacement carries them on, and Git says nothing of removing data.
                self._api.remove_container(step.container, v=False)
            case ConnectNetwork():
                self._connect(step)
            case DisconnectNetwork():
                self._api.disconnect_container_from_network(step.container, step.network, force=True)

    def _signal(self, step: SignalContainer) -> None:
        self._api.kill(step.container, step.signal)
        for live, name in step.told:
            self._files.note_told(live, name)

    def _create_volume(self, step: CreateVolume) -> None:
        volume = step.volume
        options = dict(volume.driver_opts) or None
        self._api.create_volume(volume.name, volume.driver or None, options, self._labels(step.app, volume))

    def _remove_image(self, step: RemoveImage) -> None:
        """What a container was made of stays, and so does what is there no more."""
        try:
            self._api.remove_image(step.image)
        except docker.errors.APIError as error:
            if error.status_code not in (requests.codes.conflict, requests.codes.not_found):
                raise

    def _create_network(self, step: CreateNetwork) -> None:
        body = network_body(step.network)
        body["Labels"] = {**self._labels(step.app, step.network), labels.FINGERPRINT: step.fingerprint}
        self._api._raise_for_status(self._api._post_json(self._api._url("/networks/create"), data=body))

    def _labels(self, app: str, resource: Network | Volume) -> dict[str, str]:
        kind = "network" if isinstance(resource, Network) else "volume"
        return {
            **resource.labels,
            labels.DEVICE: self._device,
            labels.APP: app,
            labels.PROJECT: app,
            f"com.docker.compose.{kind}": resource.key,
        }

    def _connect(self, step: ConnectNetwork) -> None:
        body = {"Container": step.container, "EndpointConfig": endpoint(step.service, step.attachment)}
        url = self._api._url("/networks/{0}/connect", step.attachment.network)
        self._api._raise_for_status(self._api._post_json(url, data=body))

    def _create(self, step: CreateContainer) -> None:
        peers = (step.service.peers[name] for name in step.service.lives_in)
        homes = [self._api.inspect_container(peer)["Id"] for peer in peers]
        check_binds(step, self._root)
        for mount in step.service.mounts:
            if mount.kind == "lock":
                make_lock_folder(self._files.disk, mount.source)
        body = container_body(step, self._device, self._files, homes)
        try:
            self._api.create_container_from_config(body, step.name, step.service.platform or None)
        except docker.errors.APIError as error:
            if error.status_code != requests.codes.conflict:
                raise
            advice = "it is not ours to remove: rename or remove it, or give the service another `container_name`"
            raise EngineError(
                f"the name {step.name} is taken by a container of somebody else", advice=advice
            ) from error

    def _update(self, step: UpdateContainer) -> None:
        url = self._api._url("/containers/{0}/update", step.container)
        self._api._raise_for_status(self._api._post_json(url, data=update_body(step.service)))
        # Its event comes too late for the look that follows.
        self._observer.forget(step.container)

    def _grace(self, container: str) -> int:
        """The seconds between asking it to end and ending it."""
        grace = self._api.inspect_container(container)["Config"].get("StopTimeout")
        return 10 if grace is None else int(grace)

    @property
    def _api(self) -> Any:
        return self._client.api


def _in_silence(progress: Progress) -> None:
    """For a pull that somebody waits for, to its end."""
