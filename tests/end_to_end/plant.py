"""A plant: real devices with networks of their own, that reach one Git server over SSH or HTTPS, each by its cable."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from story import FLEET, new_tag

from lab.base import BASE, ensure_base
from lab.certificate import write_certificate
from lab.device import ROOT, Device
from lab.engine import private_engine
from lab.git_server import GitServer
from lab.link import Link, link
from lab.operator import Operator
from lab.ssh_server import SshServer
from lab.waiting import free_port, wait_until

_EVERYWHERE = "0.0.0.0"  # noqa: S104  # the cables are this machine's own
PATIENCE = 60.0
IMAGES = {name: f"plant:{name}" for name in ("one", "two")}


@dataclass(frozen=True, slots=True)
class Ground:
    """What a device stands on, longer than one story: a cable, and an Engine in its network namespace."""

    link: Link
    engine: str


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """A cable and an Engine with the images, which reaches no registry."""
    with link() as cable, private_engine(folder, cable) as engine:
        client = docker.APIClient(engine.url)
        ensure_base(client)
        for name in IMAGES.values():
            client.tag(BASE, *name.split(":"), force=True)
        client.close()
        yield Ground(cable, engine.url)


@dataclass
class Machine:
    """One device on its cable, with an Engine; `running` is its service."""

    device: Device
    link: Link
    client: docker.DockerClient
    running: "subprocess.Popen[bytes] | None" = None

    def start(self, *before: str) -> None:
        """`reconciler run`, as a service would; `before` is a command that runs it."""
        log = self.device.folder / "run.log"
        with log.open("ab") as out:
            command = self.link.command(*before, *self.device.command("run"))
            self.running = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )

    def kill(self) -> None:
        """The power of the agent is gone, and with it all that it started."""
        if self.running is not None:
            os.killpg(self.running.pid, signal.SIGKILL)
            self.running.wait()
            self.running = None

    def stop(self) -> None:
        if self.running is not None:
            self.running.terminate()
            assert self.running.wait(30) == 0
            self.running = None

    def containers(self) -> list[Any]:
        found = {"label": f"fleet.device={self.device.name}"}
        return list(self.client.containers.list(all=True, filters=found, ignore_removed=True))

    def images(self) -> list[tuple[str, str]]:
        """What it has: image and state."""
        return sorted((one.attrs["Config"]["Image"], one.attrs["State"]["Status"]) for one in self.containers())

    def log(self) -> str:
        return (self.device.folder / "run.log").read_text(errors="replace")


@dataclass
class Plant:
    """All of it; `folder` is the fleet repository on the server."""

    tag: str
    folder: Path
    server: GitServer
    ssh: SshServer
    ann: Operator
    machines: list[Machine] = field(default_factory=list)

    def write(self, image: str, apps: Sequence[str] = ("web",), note: str = "") -> str:
        """A commit by which every device runs these apps of this image; its id. It reaches the server by disk."""
        names = [f"{app}-{self.tag}" for app in apps]
        self._document("layers/base/all.yaml", "Layer", "all", {"apps": names})
        for name in names:
            serve = {
                "image": IMAGES[image], "pull_policy": "never", "restart": "unless-stopped", "init": True,
                "command": ["sleep", "1000000"], "environment": {"NOTE": note},
                "deploy": {"update_config": {"monitor": "500ms"}},
            }  # fmt: skip
            self.ann.write(f"apps/{name}/compose.yaml", json.dumps({"services": {"serve": serve}}))
        for machine in self.machines:
            device = machine.device
            self._document(f"devices/{device.name}.yaml", "Device", device.name, {"identity": device.identity})
        self.ann.write("fleet.yaml", FLEET)
        commit = self.ann.commit(f"Run {image} {note}")
        self.ann.push()
        return commit

    def _document(self, path: str, kind: str, name: str, spec: Mapping[str, Any]) -> None:
        body = {"apiVersion": "fleet/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        self.ann.write(path, json.dumps(body))

    def report(self, machine: Machine) -> dict[str, Any]:
        """The device's newest report on the status branch; nothing before the first."""
        path = f"refs/heads/status:devices/{machine.device.name}/status.json"
        command = ["git", "--git-dir", str(self.server.path("fleet")), "cat-file", "blob", path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return dict(json.loads(done.stdout)) if done.returncode == 0 else {}

    def is_at(self, commit: str, image: str, machine: Machine, apps: int = 1) -> bool:
        """Does the device run what the commit says and nothing else, and has it reported so?"""
        healthy = self.report(machine).get("revisions", {}).get("healthy", "")
        return machine.images() == [(IMAGES[image], "running")] * apps and str(healthy).endswith(commit)

    def all_at(self, commit: str, image: str, apps: int = 1, seconds: float = PATIENCE) -> None:
        for machine in self.machines:
            name = machine.device.name
            try:
                wait_until(lambda one=machine: self.is_at(commit, image, one, apps), seconds, name, 0.2)  # type: ignore[misc]
            except Exception as error:
                raise AssertionError(f"{error}: {machine.images()}\n{machine.log()[-3000:]}") from error


@contextmanager
def plant(folder: Path, grounds: Sequence[Ground]) -> Iterator[Plant]:
    """A device for each ground: the first reaches the server over SSH, the others over HTTPS."""
    with ExitStack() as ends:
        links = [one.link for one in grounds]
        certificate, authority = write_certificate(folder / "tls", [one.host for one in links] + ["127.0.0.1"])
        server = GitServer(folder / "server", free_port(), address=_EVERYWHERE, certificate=certificate)
        ends.callback(server.stop)
        server.create("fleet")
        ssh = SshServer(folder / "sshd", _EVERYWHERE)
        ends.callback(ssh.stop)
        ann = Operator.create(folder / "ann", "Ann", "ann@acme.example")
        ann.clone(str(server.path("fleet")))
        made = Plant(new_tag(), folder, server, ssh, ann)
        ends.callback(_end, made)
        for number, ground in enumerate(grounds):
            ground.link.mend()
            name, at = f"mill-{made.tag}-{number}", folder / f"device{number}"
            client = docker.DockerClient(base_url=ground.engine)
            ends.callback(client.close)
            device = Device.create(at, name, "https://set.below", ground.engine, [ann], interval="1s")
            made.machines.append(Machine(device, ground.link, client))
        ssh.folder.mkdir(parents=True, exist_ok=True)
        ssh.allow(one.device.identity for one in made.machines)
        ssh.start()
        server.start()
        for number, machine in enumerate(made.machines):
            _connect(made, machine, authority, by_ssh=number == 0)
        yield made


def _connect(made: Plant, machine: Machine, authority: Path, *, by_ssh: bool) -> None:
    device, host = machine.device, machine.link.host
    if by_ssh:
        (device.folder / "known_hosts").write_text(made.ssh.known_as(host))
        remote = f"{{url: '{made.ssh.url(made.server.path('fleet'), host)}', branch: main}}"
    else:
        remote = f"{{url: '{made.server.url('fleet', host)}', branch: main, caFile: '{authority}'}}"
    text = device.config.read_text().replace("{url: 'https://set.below', branch: main}", remote)
    device.config.write_text(text)


def _end(made: Plant) -> None:
    for machine in made.machines:
        machine.kill()
        for container in machine.containers():
            container.remove(force=True)
        for network in machine.client.networks.list(filters={"label": f"fleet.device={machine.device.name}"}):
            network.remove()
