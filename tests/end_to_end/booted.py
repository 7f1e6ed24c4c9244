"""A device whose agent is a service of a booted systemd, installed by the very commands of the guides.

Nothing is downloaded during the tests: the disk is made by debootstrap, and the wheels are gathered before.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from contained import PACKAGES, debian, wheels
from plant import IMAGES, Ground, Machine, Plant, plant

from lab.base import BASE, ensure_base
from lab.booted import Booted, booted
from lab.device import ROOT
from lab.link import link
from lab.waiting import wait_until
from tests.fakes.wheels import make_wheel

GUIDES = ROOT / "docs/guides"
MORE = f"{PACKAGES},systemd,systemd-sysv,dbus,docker.io,iptables,iproute2,procps"
PATIENCE = 60.0
UNIT = "reconciler.service"
# pip as in the guide, without a registry.
OFFLINE = "export PIP_NO_INDEX=1 PIP_FIND_LINKS=/root/dist PIP_DISABLE_PIP_VERSION_CHECK=1\ncd /root\nset -e\n"


def commands(page: str, heading: str, number: int = 0) -> str:
    """A block of commands below a heading of a guide, by default the first."""
    text = (GUIDES / page).read_text().partition(f"\n{heading}\n")[2]
    blocks = re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(blocks[number])


def make_disk(folder: Path, scratch: Path) -> Path:
    """A Debian 12 with Engine, and what the guides copy to a device: the wheel and the unit."""
    folder.mkdir()
    subprocess.run(["tar", "-C", folder, "-xf", debian("booted", MORE)], check=True)
    shutil.copytree(wheels(), folder / "root/dist")
    shutil.copy(make_wheel(scratch), folder / "root")
    (folder / "root/packaging").mkdir()
    shutil.copy(ROOT / "packaging" / UNIT, folder / "root/packaging")
    return folder


@dataclass
class Served:
    """A plant's machine that is booted, with the service that it runs."""

    plant: Plant
    machine: Booted
    # The settings that it was set up with.
    set_up: str

    @property
    def device(self) -> Machine:
        return self.plant.machines[0]

    @property
    def settings(self) -> Path:
        return self.machine.root / "etc/reconciler/config.yaml"

    @property
    def pid(self) -> int:
        return int(self.shown("MainPID"))

    def shown(self, name: str) -> str:
        """A property of the service."""
        return self.machine.shown(UNIT, name)

    def shell(self, script: str) -> str:
        return self.machine.told("sh", "-ec", script)

    def start(self) -> None:
        """As the guide says. Harmless when it runs."""
        self.shell(
            commands("first-device.md", "## 7. Run it as a service", 1).replace("journalctl -u reconciler -f", "")
        )

    def reconciler(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return self.machine.run("/opt/reconciler/bin/reconciler", *words)

    def log(self) -> str:
        """What the service said, and systemd of it."""
        return self.machine.told("journalctl", "--unit", UNIT, "--output", "cat", "--no-pager")

    def connect(self) -> None:
        """Anew after each boot: the socket lies in the machine's memory."""
        self.device.client.close()
        self.device.client = docker.DockerClient(_engine(self.machine))

    def at(self, commit: str, image: str) -> None:
        wait_until(lambda: self.plant.is_at(commit, image, self.device), PATIENCE, f"{image} at {commit}", 0.2)

    def untouched(self) -> list[tuple[str, str]]:
        """The containers of apps, and since when each runs."""
        return [(one.id, one.attrs["State"]["StartedAt"]) for one in self.device.containers()]

    def drop_in(self, **service: Any) -> None:
        """Other values in the unit than ours, and a restart; without any, ours."""
        folder = self.machine.root / f"etc/systemd/system/{UNIT}.d"
        shutil.rmtree(folder, ignore_errors=True)
        if service:
            folder.mkdir()
            lines = "".join(f"{key}={value}\n" for key, value in service.items())
            (folder / "test.conf").write_text(f"[Service]\n{lines}")
        self.shell(f"systemctl daemon-reload; systemctl restart {UNIT}")


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """The device, booted and set up, whose service was not started yet; its Git server is reached over SSH."""
    with link() as cable, booted(Booted(make_disk(folder / "disk", folder / "scratch"), cable)) as machine:
        machine.prepare("mill")
        machine.on()
        client = docker.APIClient(_engine(machine))
        ensure_base(client)
        for name in IMAGES.values():
            client.tag(BASE, *name.split(":"), force=True)
        client.close()
        with plant(folder, [Ground(cable, _engine(machine))]) as made:
            told = made.machines[0].device.config.read_text()
            here = Served(made, machine, re.sub(r"  (state|engine): .*\n", "", told))
            _set_up(here)
            try:
                yield here
            finally:
                # Before its containers are removed, which it would heal.
                here.machine.run("systemctl", "stop", UNIT)


def _set_up(here: Served) -> None:
    shutil.copytree(here.device.device.folder, here.settings.parent)
    shutil.copy(here.plant.folder / "tls/ca.pem", here.settings.parent)
    here.settings.write_text(here.set_up)
    here.shell(OFFLINE + commands("install.md", "## Install"))
    here.shell("cd /root\n" + commands("first-device.md", "## 7. Run it as a service"))


def _engine(machine: Booted) -> str:
    socket = machine.path("/run/docker.sock")
    wait_until(socket.exists, PATIENCE, "the Engine of the machine")
    return f"unix://{socket}"
