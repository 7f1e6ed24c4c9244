"""The stage of the stories: a fleet repository, people, a device, and what the Engine and the status branch show."""

import json
import os
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container
from engine_recorder import Recorder
from told import Told

from lab.device import ROOT, Device
from lab.git_server import GitServer
from lab.operator import Operator

FLEET = "apiVersion: fleet/v1\nkind: Fleet\nmetadata: {name: stories}\nspec: {tiers: [base, site]}\n"
LAYER, COMPOSE = "layers/base/all.yaml", "apps/{}/compose.yaml"


@dataclass(frozen=True, slots=True)
class Seen:
    """A container as the Engine shows it; two that are equal were not touched in between."""

    id: str
    name: str
    state: str
    image: str
    started_at: str
    restarts: int
    memory: int = 0


@dataclass
class Story:
    """One fleet with one device. Apps have short names here; on the shared Engine the tag makes them unique."""

    tag: str
    folder: Path
    server: GitServer
    recorder: Recorder
    client: docker.DockerClient
    images: Mapping[str, str]
    ann: Operator
    device: Device
    others: list[Device] = field(default_factory=list)
    foreign: list[Container] = field(default_factory=list)
    apps: list[str] = field(default_factory=list)

    # What people write

    def app_name(self, app: str) -> str:
        return f"{app}-{self.tag}"

    def container_name(self, app: str, service: str = "serve") -> str:
        return f"{self.app_name(app)}-{service}-1"

    def app(self, app: str, image: str = "one", more: Mapping[str, Any] | None = None, **service: Any) -> None:
        """Write an app with one service, `serve`; `more` is the rest of the Compose document."""
        serve = {"image": self.images.get(image, image), "restart": "unless-stopped", **service}
        body = {"services": {"serve": serve}, **(more or {})}
        self.compose(app, json.dumps(body, indent=2))

    def compose(self, app: str, text: str) -> None:
        """Write an app's Compose file, and let the device run it."""
        self.write(COMPOSE.format(self.app_name(app)), text)
        if app not in self.apps:
            self.apps.append(app)
        self.layer()

    def drop(self, app: str) -> None:
        """The device shall not run this app any more."""
        self.apps.remove(app)
        self.layer()

    def layer(self, **spec: Any) -> None:
        """Write the layer of all devices."""
        names = [self.app_name(app) for app in self.apps]
        self.document(LAYER, "Layer", "all", {"apps": names, **spec})

    def document(self, path: str, kind: str, name: str, spec: Mapping[str, Any]) -> None:
        """Write one of our own documents, as JSON, which is YAML."""
        body = {"apiVersion": "fleet/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        self.write(path, json.dumps(body, indent=2))

    def write(self, path: str, text: str) -> None:
        self.ann.write(path, text)

    def enlist(self, device: Device, **spec: Any) -> None:
        """Write a device's file."""
        path = f"devices/{device.name}.yaml"
        self.document(path, "Device", device.name, {"identity": device.identity, **spec})

    def push(self, message: str, sign: bool = True) -> str:
        """Commit what was written, and push; gives the commit's id."""
        commit = self.ann.commit(message, sign=sign)
        self.ann.push()
        return commit

    # What the device does

    def once(self, *arguments: str, device: Device | None = None) -> "subprocess.CompletedProcess[str]":
        """One pass, however it ends; but never with a traceback."""
        done = (device or self.device).reconciler("once", *arguments)
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done

    def converge(self) -> "subprocess.CompletedProcess[str]":
        """One pass that has nothing to complain of."""
        done = self.once()
        assert done.returncode == 0, done.stderr
        return done

    def start(self, *arguments: str, device: Device | None = None) -> "subprocess.Popen[str]":
        """Start a `reconciler` command; the caller ends it. As on a terminal, which a test runner may not have."""
        return subprocess.Popen(
            ["env", "--default-signal=INT", *(device or self.device).command(*arguments)], cwd=ROOT, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    def settings(self, old: str, new: str) -> None:
        """Change the device's settings file."""
        text = self.device.config.read_text()
        assert old in text
        self.device.config.write_text(text.replace(old, new))

    # What the Engine shows

    def mine(self) -> list[Container]:
        found: list[Container] = []
        for device in (self.device, *self.others):
            found += self.client.containers.list(
                all=True, filters={"label": f"fleet.device={device.name}"}, ignore_removed=True
            )
        return found

    def seen(self) -> dict[str, Seen]:
        """Every container of the device, by name."""
        return {one.name: look(one, fresh=False) for one in self.mine()}

    def container(self, app: str, service: str = "serve") -> Container:
        """The container that has the service's own name."""
        return self.client.containers.get(self.container_name(app, service))

    def health(self, app: str, service: str = "serve") -> str:
        return str(self.container(app, service).attrs["State"]["Health"]["Status"])

    def others_container(self, name: str, image: str = "one", labels: Mapping[str, str] | None = None) -> Container:
        """Somebody else starts a container by hand."""
        made = self.client.containers.run(self.images[image], detach=True, name=name, labels=dict(labels or {}))
        self.foreign.append(made)
        return made

    # What the status branch shows

    def git(self, *arguments: str) -> str:
        """Real git on the server's repository."""
        command = ["git", "--git-dir", str(self.server.path("fleet")), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def history(self) -> list[str]:
        """The commits of the status branch, newest first; none before the first report."""
        if not self.git("for-each-ref", "refs/heads/status"):
            return []
        return self.git("rev-list", "refs/heads/status").splitlines()

    def report(self, device: Device | None = None) -> Told:
        """The device's newest report on the status branch."""
        name = (device or self.device).name
        return Told.parse(self.git("cat-file", "blob", f"refs/heads/status:devices/{name}/status.json"), self.tag)

    def reported_step(self, *words: str) -> bool:
        """Is there a step with all of these words in any report of the device, the newest or one before?"""
        path = f"devices/{self.device.name}/status.json"
        ids = self.git("rev-list", "refs/heads/status", "--", path).splitlines()
        return any(Told.parse(self.git("cat-file", "blob", f"{one}:{path}"), self.tag).step(*words) for one in ids)

    # Afterwards

    def clean(self) -> None:
        """Remove what carries these devices' label, and what the test made for somebody else."""
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(_remove, (*self.mine(), *self.foreign)))
        for device in (self.device, *self.others):
            mine = {"label": f"fleet.device={device.name}"}
            for network in self.client.networks.list(filters=mine):
                network.remove()
            for volume in self.client.volumes.list(filters=mine):
                volume.remove(force=True)


def look(container: Container, fresh: bool = True) -> Seen:
    """Look at a container; `fresh` asks the Engine once more."""
    if fresh:
        container.reload()
    state = container.attrs["State"]
    return Seen(
        container.id, container.name, state["Status"], container.attrs["Config"]["Image"], state["StartedAt"],
        container.attrs["RestartCount"], container.attrs["HostConfig"]["Memory"],
    )  # fmt: skip


def _remove(container: Container) -> None:
    with suppress(docker.errors.NotFound):
        container.remove(force=True, v=True)


def new_tag() -> str:
    return os.urandom(3).hex()
