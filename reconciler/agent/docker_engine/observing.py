"""Looks at one Docker Engine: one list call for each kind of thing, and inspects only of what was not seen before."""

from collections.abc import Iterator
from typing import Any

import docker.errors

from reconciler.agent.docker_engine import answers
from reconciler.agent.docker_engine import container_body as labels
from reconciler.agent.docker_engine.client import Client
from reconciler.agent.mounts.lock_files import boot_time, held_locks
from reconciler.agent.mounts.service_files import ServiceFiles
from reconciler.model import Container, ObservedState


class Observer:
    """Observes, and listens. What an inspect tells is remembered of a container until an event tells of a change."""

    def __init__(self, client: Client, device: str, files: ServiceFiles) -> None:
        self._client, self._device, self._files = client, device, files
        self._inspected: dict[str, answers.Inspected] = {}
        # Goes up with each change, so that what was read before it is not remembered after it.
        self._changes = 0
        self._info: answers.Answer | None = None

    def observe(self, device: str) -> ObservedState:
        """What is there of this device."""
        with self._client.errors("look at it"):
            api = self._client.api
            found = api.containers(all=True)
            ours = [one for one in found if (one["Labels"] or {}).get(labels.DEVICE) == device]
            others = [one for one in found if labels.DEVICE not in (one["Labels"] or {})]
            networks, volumes = api.networks(), api.volumes()["Volumes"] or []
            images = api.images()
            ids = {network["Name"]: network["Id"] for network in networks}
            containers = sorted(self._containers(ours, ids), key=lambda c: (c.app, c.service, c.name))
            return ObservedState(
                device,
                tuple(containers),
                tuple(answers.network(network, device) for network in networks),
                tuple(answers.volume(volume, device) for volume in volumes),
                answers.images(images),
                self._files.stored(),
                foreign=tuple(answers.foreign(one) for one in others),
                live=self._files.told(),
                locks=held_locks(self._files.disk, boot_time),
                unlimited=answers.unlimited(self.info),
            )

    @property
    def info(self) -> answers.Answer:
        """What the Engine says of itself and its machine (GET /info), asked once: it takes longer than all else."""
        # The thread that listens may forget it in between.
        known = self._info
        if known is None:
            known = self._info = self._client.api.info()
        return known

    def changes(self) -> Iterator[str]:
        """What happens to this device's containers, to networks and images, as it happens; it does not end.

        It has a connection of its own. Raises EngineUnavailable when the Engine goes.
        """
        with self._client.errors("listen to it"):
            events = self._client.another().api.events(decode=True, filters={"type": ["container", "network", "image"]})
            # What happened while nobody listened came with no event; and it may be another Engine now.
            self.forget()
            self._info = None
            for event in events:
                if answers.is_news(event):
                    self.forget(str(event["Actor"]["ID"]))
                if change := answers.change(event, self._device):
                    yield change

    def _containers(self, found: list[Any], ids: dict[str, str]) -> Iterator[Container]:
        for one in found:
            try:
                yield answers.container(one, ids, self._inspected_of(one["Id"], one["State"]), self._files.folders)
            except docker.errors.NotFound:
                # Removed since it was listed: it is not there.
                continue
        for gone in self._inspected.keys() - {one["Id"] for one in found}:
            self._inspected.pop(gone, None)

    def _inspected_of(self, container: str, state: str) -> answers.Inspected:
        known = self._inspected.get(container)
        # An event may come later than the look that follows what it tells of; the state is told by the list.
        if known is None or known.state != state:
            changes = self._changes
            known = answers.inspected(self._client.api.inspect_container(container))
            if changes == self._changes:
                self._inspected[container] = known
        return known

    def forget(self, container: str = "") -> None:
        """Read it anew; all of them, without a name. The thread that listens calls it, too."""
        self._changes += 1
        if container:
            self._inspected.pop(container, None)
        else:
            self._inspected = {}
