"""A device whose agent is a container: the real image on an Engine with a network and mounts of its own.

No image is downloaded: the base is made by debootstrap, and the wheels are gathered before. COMPOSE names a real Docker
Compose that starts and ends it; else that is done in its stead.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import yaml
from docker.models.containers import Container
from plant import Ground, Machine, Plant

from lab.base import BASE, ensure_base
from lab.device import ROOT
from lab.engine import private_engine
from lab.link import Link, link

# Made once, with the network; `make clean` removes them.
KEPT, WHEELS = ROOT / ".lab", ROOT / ".lab/wheels"
PACKAGES = "ca-certificates,git,openssh-client,python3,python3-venv"
WHERE = ("pyproject.toml", "README.md", "LICENSE", "packaging/Dockerfile", ".dockerignore")
FILE, REAL = ROOT / "packaging/compose.yaml", os.environ.get("COMPOSE", "")
(AGENT,) = yaml.safe_load(FILE.read_text())["services"].values()
# The Engine's own view of the disk: what is mounted comes later everywhere, /run is in memory, and the folders of the
# device are those of the test.
_MOUNTS = """
set -e
for place in etc var/lib; do
    mkdir -p "$0/upper/$place" "$0/work/$place"
    mount -t overlay overlay -o "lowerdir=/$place,upperdir=$0/upper/$place,workdir=$0/work/$place" "/$place"
done
mkdir -p /etc/reconciler /var/lib/reconciler "$0/device0" "$0/state"
mount --bind "$0/device0" /etc/reconciler
mount --bind "$0/state" /var/lib/reconciler
mount -t tmpfs tmpfs /run
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Apart(Link):
    """A link on whose other side the mounts are others as well; the device is `folder`."""

    folder: Path = Path()

    def command(self, *command: str) -> list[str]:
        mounts = ["unshare", "--mount", "--propagation=shared", "sh", "-c", _MOUNTS, str(self.folder)]
        return [*Link.command(self, *mounts), *command]


@contextmanager
def ground_apart(folder: Path, engine: Path) -> Iterator[Ground]:
    """As `ground`, with mounts of its own."""
    with link() as cable, private_engine(engine, Apart(cable.name, cable.number, folder)) as started:
        client = docker.APIClient(started.url)
        ensure_base(client)
        for name in ("one", "two"):
            client.tag(BASE, "plant", name, force=True)
        client.close()
        yield Ground(cable, started.url)


def debian(name: str = "debian", packages: str = PACKAGES) -> Path:
    """The root of a Debian 12 with what the image needs, or others do, as a tar archive."""
    kept = KEPT / f"{name}.tar"
    if not kept.exists():
        KEPT.mkdir(exist_ok=True)
        root = KEPT / name
        subprocess.run(["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", root], check=True)
        shutil.rmtree(root / "var/cache/apt/archives")
        with tarfile.open(kept.with_suffix(".new"), "w") as archive:
            archive.add(root, ".")
        kept.with_suffix(".new").replace(kept)
        subprocess.run(["rm", "-rf", root], check=True)
    return kept


def wheels() -> Path:
    """What the agent needs, and what its wheel is made with."""
    if not WHEELS.exists():
        beside = WHEELS.with_suffix(".new")
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", beside, ROOT, "setuptools", "wheel"]
        subprocess.run(command, check=True)
        for own in beside.glob("git_edge_reconciler-*"):
            own.unlink()
        beside.rename(WHEELS)
    return WHEELS


def build(client: docker.DockerClient, folder: Path) -> None:
    """Build what compose.yaml names, by packaging/Dockerfile, out of the sources as they are."""
    client.api.import_image(src=str(debian()), repository="lab/debian", tag="12")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "reconciler", "signing"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    for name in (*WHERE, *filter(None, listed.stdout.split("\0"))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    shutil.copytree(wheels(), folder / "dist")
    client.images.build(
        path=str(folder), dockerfile="packaging/Dockerfile", tag=AGENT["image"], network_mode="none", rm=True,
        buildargs={"BASE": "lab/debian:12", "PIP_NO_INDEX": "1"},
    )  # fmt: skip


def body(service: Mapping[str, Any]) -> dict[str, Any]:
    """A service of compose.yaml in the words of the Engine's API; a key that is not known here is a KeyError."""
    host: dict[str, Any] = {}
    made: dict[str, Any] = {"HostConfig": host}
    for key, value in service.items():
        match key:
            case "image":
                made["Image"] = value
            case "stop_grace_period":
                made["StopTimeout"] = int(value.removesuffix("s"))
            case "restart":
                host["RestartPolicy"] = {"Name": value}
            case "ulimits":
                host["Ulimits"] = [{"Name": name, "Soft": most, "Hard": most} for name, most in value.items()]
            case "logging":
                host["LogConfig"] = {"Type": value["driver"], "Config": value["options"]}
            case "container_name":
                pass
            case _:
                host[_SAME[key]] = value
    return made


_SAME = {
    "init": "Init", "network_mode": "NetworkMode", "userns_mode": "UsernsMode", "volumes": "Binds",
    "read_only": "ReadonlyRootfs", "cap_drop": "CapDrop", "cap_add": "CapAdd", "security_opt": "SecurityOpt",
}  # fmt: skip


@dataclass
class Contained:
    """The agent of a plant's machine, as the container that compose.yaml says."""

    plant: Plant
    client: docker.DockerClient
    engine: str

    @property
    def machine(self) -> Machine:
        return self.plant.machines[0]

    @property
    def agent(self) -> Container:
        return self.client.containers.get(AGENT["container_name"])

    def up(self) -> None:
        """`docker compose up -d`."""
        if REAL:
            self._compose("up", "--detach")
            return
        labels = {"com.docker.compose.project": "reconciler", "com.docker.compose.service": "reconciler"}
        made = self.client.api.create_container_from_config({**body(AGENT), "Labels": labels}, AGENT["container_name"])
        self.client.api.start(made["Id"])

    def down(self) -> None:
        """`docker compose down`."""
        if REAL:
            self._compose("down")
            return
        with suppress(docker.errors.NotFound):
            self.agent.stop()
            self.agent.remove(force=True)

    def _compose(self, *command: str) -> None:
        env = {"DOCKER_HOST": self.engine, "HOME": str(self.plant.folder)}
        subprocess.run([REAL, "--project-name", "reconciler", "--file", FILE, *command], env=env, check=True)

    def run(self, *command: str, **other: Any) -> tuple[int, str]:
        """`docker compose run --rm reconciler ...`, with other keys than the file has: exit code and words."""
        service = {key: value for key, value in (AGENT | other).items() if key != "restart"}
        made = self.client.api.create_container_from_config({**body(service), "Cmd": list(command)})["Id"]
        try:
            self.client.api.start(made)
            code = self.client.api.wait(made)["StatusCode"]
            return int(code), self.client.api.logs(made).decode()
        finally:
            self.client.api.remove_container(made, force=True)

    def reconciler(self, *command: str) -> tuple[int, str]:
        """`docker exec reconciler reconciler ...`."""
        code, out = self.agent.exec_run(["reconciler", *command])
        return int(code), out.decode()

    def log(self) -> str:
        return self.agent.logs().decode()
