"""A private Docker Engine: own data, own socket, own addresses; gone without a trace afterwards."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from docker.errors import DockerException

from lab.cgroups import make_room
from lab.cleaning import Belongings, belongings, empty
from lab.link import Link
from lab.processes import SBIN, Server, StartError, orderly_exit
from lab.slots import slot
from lab.waiting import TimedOutError, wait_until

DEFAULT = "unix:///var/run/docker.sock"
_READY = 60
# Tried in this order: overlay2 needs a kernel and a disk that allow it; without iptables, containers of
# one network still reach each other, and published ports answer on loopback through docker-proxy.
_ATTEMPTS: tuple[tuple[str, ...], ...] = (
    ("--storage-driver=overlay2",),
    ("--storage-driver=vfs",),
    ("--storage-driver=vfs", "--iptables=false"),
)
_LONGEST_PATH = 60  # a Unix socket's path ends at 108, and the Engine puts up to 45 behind ours


@dataclass(frozen=True, slots=True)
class Engine:
    """A Docker Engine that answers."""

    url: str
    socket: Path
    log: Path


def reachable_engine() -> str | None:
    """The URL of an Engine that answers within 2 s: `DOCKER_HOST`, or the machine's own."""
    for url in (os.environ.get("DOCKER_HOST"), DEFAULT):
        if url and _answers(url):
            return url
    return None


def can_start_engines() -> bool:
    """Is this root, on a machine with `dockerd`?"""
    return os.geteuid() == 0 and shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:{SBIN}") is not None


@contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """A private Engine; or the one that `LAB_ENGINE` lends, on which what appears meanwhile is removed."""
    lent = os.environ.get("LAB_ENGINE")
    if lent is None:
        with private_engine(folder) as private:
            yield private
        return
    if not _answers(lent):
        raise StartError(f"LAB_ENGINE: `{lent}` does not answer")
    before = belongings(lent)
    with orderly_exit():
        try:
            yield Engine(lent, Path(lent.removeprefix("unix://")), folder / "no-log")
        finally:
            empty(lent, keep=before)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an Engine runs: how it is called there, and what is its own."""

    namespace: str
    bridge: str
    pool: str
    before: tuple[str, ...] = ()
    keep: tuple[int, ...] = ()


@contextmanager
def _place(link: Link | None) -> Iterator[_Place]:
    if link is None:
        with slot() as taken:
            yield _Place(taken.bridge, taken.bridge, taken.pool, keep=(taken.lock,))
    else:
        yield _Place(link.name, "none", "10.202.0.0/17", tuple(link.command()))


@contextmanager
def private_engine(folder: Path, link: Link | None = None) -> Iterator[Engine]:
    """Start `dockerd` (as root, without systemd) and end it with the block, with all that ran on it.

    Several may run in one network namespace: each has its own bridge and address pool. What they share
    are the iptables chains named DOCKER. An Engine that starts empties them, so published ports of an
    older one are then reached on loopback only, by docker-proxy. Engines that must be cut off from each
    other need a network namespace each: that of a link.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with orderly_exit(), _short(folder) as home, _place(link) as place:
        server: Server | None = None
        started = Engine(f"unix://{home}/docker.sock", home / "docker.sock", folder / "dockerd.log")
        try:
            make_room()
            server = _start(started, home, place)
            yield started
        finally:
            _end(started, server, home)


def _start(wanted: Engine, home: Path, place: _Place) -> Server:
    (home / "daemon.json").write_text("{}")  # never the machine's /etc/docker/daemon.json
    failures: list[str] = []
    for attempt in _ATTEMPTS:
        server = Server(_command(wanted, home, place, attempt), wanted.log, keep=place.keep)
        wanted.log.write_text("")
        server.start()
        try:
            wait_until(lambda server=server: _ready(server, wanted), _READY, "dockerd")  # type: ignore[misc]
            return server
        except StartError:
            failures.append(f"{' '.join(attempt)}:\n{server.tail()}")
            _wipe(home)
        except TimedOutError as error:
            server.stop()
            raise StartError(f"{error}\n{server.tail()}") from error
        except BaseException:
            server.stop()
            raise
    raise StartError("dockerd does not start\n" + "\n".join(failures))


def _command(wanted: Engine, home: Path, place: _Place, attempt: Sequence[str]) -> list[str]:
    return [
        *place.before,
        "dockerd",
        f"--host={wanted.url}",
        f"--config-file={home}/daemon.json",
        f"--data-root={home}/data",
        f"--exec-root={home}/exec",
        f"--pidfile={home}/pid",
        f"--bridge={place.bridge}",
        f"--default-address-pool=base={place.pool},size=26",
        # Where systemd runs a containerd, dockerd uses that one: keep our containers apart from others'.
        f"--containerd-namespace={place.namespace}",
        f"--containerd-plugins-namespace={place.namespace}-plugins",
        *attempt,
    ]


def _ready(server: Server, wanted: Engine) -> bool:
    server.check_running()
    return wanted.socket.exists() and _answers(wanted.url)


def _answers(url: str) -> bool:
    # Not with the SDK: while nobody listens, its client leaks a socket at each try.
    scheme, _, place = url.partition("://")
    try:
        with _connect(scheme, place) as connection:
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
            return connection.recv(64).split(b" ", 2)[1:2] == [b"200"]
    except (OSError, ValueError):
        return False


def _connect(scheme: str, place: str) -> socket.socket:
    if scheme != "unix":
        host, _, port = place.rpartition(":")
        return socket.create_connection((host, int(port)), timeout=2)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(2)
        connection.connect(place)
    except OSError:
        connection.close()
        raise
    return connection


def _end(started: Engine, server: Server | None, home: Path) -> None:
    try:
        if server is not None and server.is_running():
            empty(started.url, keep=Belongings())
    except (DockerException, requests.RequestException):
        pass  # an Engine that hangs is killed below; what it holds lies in `home`
    finally:
        if server is not None:
            server.stop()
        _wipe(home)


def _wipe(home: Path) -> None:
    _end_containerd(home)
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    below = [line.split()[1] for line in mounts if line.split()[1].startswith(f"{home}/")]
    for mount in sorted(below, reverse=True):  # the deepest first
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
    for name in ("data", "exec"):
        shutil.rmtree(home / name, ignore_errors=True)


def _end_containerd(home: Path) -> None:
    """After SIGKILL of dockerd its children live on: containerd and the shims name our folder."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if any(word.startswith(os.fsencode(home) + b"/exec/") for word in words):
                os.kill(int(process.name), 9)
        except (OSError, ValueError):
            continue


@contextmanager
def _short(folder: Path) -> Iterator[Path]:
    """The folder, or a temporary one where the path is too long for a Unix socket."""
    home = folder.resolve()
    if len(str(home)) <= _LONGEST_PATH:
        yield home
        return
    with tempfile.TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True) as short:
        yield Path(short)
