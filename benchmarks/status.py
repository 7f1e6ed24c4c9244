"""How fast reports get to where people read them: the branch that all push to beside a ref each with a collector.

    python benchmarks/status.py [--few 30] [--many 1000] [--bad 20] [--at-once 32] [--rounds 2] [--gc]

Each device is our agent with settings, key, journal and Git of its own, on an Engine in memory; each server is real Git
over HTTP on loopback, in a process of its own; all of it on the same cores. Before a clock starts, every device has
fetched, verified, rendered and applied, and has written down a report that it has not sent. Then all send at once.

In the same run, in turns: the few by the shared branch and by refs; the many by refs on a server as it comes, and on
one that is set up as docs/guides/git-server.md says, with a gate for each device. Some of the many are bad: forged by
another key, replayed, another device's report, too big. A collector runs beside them in a loop. The clock stops when
the last good report is on the status branch; then it is looked whether each is there to the byte, and each bad one was
told and not taken.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from lab.git_doors import Doors
from lab.git_server import git_server
from reconciler.repository import read_reports
from tests.fakes.herd import Herd

# As an operator of a fleet of this size would set it: docs/guides/git-server.md.
EVERY_SECONDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=30)
    parser.add_argument("--many", type=int, default=1000)
    parser.add_argument("--bad", type=int, default=20)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--gc", action="store_true", help="`git gc` on both servers of the many, before each herd")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        few(Path(name) / "few", options.few, options.at_once, options.rounds)
        many(Path(name) / "many", options)


class Server:
    """A Git server in a process of its own, so that it is in nobody's way, and what it costs is known."""

    def __init__(self, folder: Path, doors: Doors) -> None:
        self.folder, self.way = folder, "gate" if doors.gated else "stock"
        self._ours, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=_serve, args=(theirs, folder, doors), daemon=True)
        self._process.start()

    def create(self, name: str) -> str:
        return str(self._asked("create", name))

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.git"

    def git(self, name: str, *arguments: str) -> None:
        """What the operator of the server says there."""
        subprocess.run(["git", "-C", str(self.path(name)), *arguments], check=True)

    def requests(self, path: str) -> int:
        return int(self._asked("requests", path))

    def cpu(self) -> float:
        """Seconds of the processor that it and every git under it have taken so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def _asked(self, what: str, word: str) -> Any:
        self._ours.send((what, word))
        return self._ours.recv()


def _serve(asked: Connection, folder: Path, doors: Doors) -> None:
    with git_server(folder, doors=doors) as server:
        while True:
            what, word = asked.recv()
            asked.send(server.create(word) if what == "create" else server.requests[word])


def few(folder: Path, count: int, at_once: int, rounds: int) -> None:
    """Both ways in turns, on a server as it comes; a new repository each time."""
    herd = Herd(folder, count)
    server = Server(folder / "server", herd.doors(gated=False))
    for turn in range(rounds):
        for transport in ("branch", "ref"):
            name = f"{transport}{turn}"
            url = server.create(name)
            desk = herd.lay(url, f"desk-{name}")
            herd.settle_in(url, url, transport)
            herd.converge(at_once)
            herd.suffer()
            before = server.requests(f"/{name}.git/info/refs")
            began = time.monotonic()
            herd.report(url, at_once)
            # Each try is a fetch and a push.
            tries = (server.requests(f"/{name}.git/info/refs") - before) / count / 2
            more = f"{tries:.1f} pushes a report"
            if transport == "ref":
                more = f"fleet collect {_collect_once(desk):.2f} s of it"
            took = time.monotonic() - began
            _must_be_there(herd, server.path(name))
            way = "one branch" if transport == "branch" else "a ref each"
            _tell(f"{count} by {way}", took, count, more)


def many(folder: Path, options: argparse.Namespace) -> None:
    """By refs, with a collector beside; on a server as it comes and through a gate, in turns."""
    herd = Herd(folder, options.many, options.bad)
    servers = {gated: Server(folder / f"server-{gated}", herd.doors(gated=gated)) for gated in (False, True)}
    urls = {gated: server.create("fleet") for gated, server in servers.items()}
    desks = {gated: herd.lay(url, f"desk-{gated}") for gated, url in urls.items()}
    servers[True].git("fleet", "config", "receive.autogc", "false")
    herd.settle_in(urls[False], urls[False])
    began = time.monotonic()
    herd.converge(options.at_once)
    took = time.monotonic() - began
    _tell(f"{options.many} whole passes", took, options.many, "fetch, verify, render, apply; nothing sent")
    for _ in range(options.rounds):
        for gated, url in urls.items():
            herd.settle_in(urls[False], url)
            herd.prepare_replays(lambda at=desks[gated]: _collect_once(at))
            herd.suffer()
            if options.gc:
                servers[gated].git("fleet", "gc", "--quiet")
            elif gated:
                servers[gated].git("fleet", "pack-refs", "--all")
            _herd(herd, servers[gated], desks[gated], url, options.at_once)


def _herd(herd: Herd, server: Server, desk: Path, url: str, at_once: int) -> None:
    """One herd, with a collector beside it."""
    before = Spent.now(server)
    with collecting(desk) as collector:
        began = time.monotonic()
        herd.report(url, at_once)
        sent = time.monotonic() - began
        took = collector.wait_for(herd.good) - began
        collector.must_refuse(herd.bad)
    _must_be_there(herd, server.path("fleet"))
    spent = Spent.now(server).since(before)
    count = len(herd.devices)
    more = f"last sent at {sent:.1f} s; CPU ms a report: server {spent.server / count * 1000:.0f}, "
    more += f"devices, collector {spent.ours / count * 1000:.0f}; others had {spent.others:.0%} of the machine; "
    _tell(f"{count} by refs, {server.way}", took, count, f"{more}{len(herd.bad)} bad ones refused")


class Spent(NamedTuple):
    """Seconds of the processors: of the Git server, of this process and its children, and the share of all others."""

    server: float
    ours: float
    others: float
    at: float

    @classmethod
    def now(cls, server: Server) -> "Spent":
        times = os.times()
        ours = times.user + times.system + times.children_user + times.children_system
        # user, nice, system, then irq, softirq and steal, which idle and iowait stand before (proc(5)).
        told = list(map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:9]))
        busy = (sum(told) - told[3] - told[4]) / os.sysconf("SC_CLK_TCK")
        return cls(server.cpu(), ours, busy, time.monotonic())

    def since(self, before: "Spent") -> "Spent":
        server, ours, busy, wall = (mine - its for mine, its in zip(self, before, strict=True))
        return Spent(server, ours, max(0.0, busy - ours - server) / wall / (os.cpu_count() or 1), wall)


class Collecting:
    """`fleet collect --every` in a process of its own: whom it has heard, and when."""

    def __init__(self, desk: Path) -> None:
        self._process = subprocess.Popen(
            [*_fleet(desk), "collect", "--every", f"{EVERY_SECONDS}s", "-o", "json"], stdout=subprocess.PIPE
        )
        self._taken: dict[str, float] = {}
        self._changed = threading.Condition()
        self.refused: dict[str, str] = {}
        self.passes = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            told = json.loads(line)
            with self._changed:
                self.passes += 1
                self._taken |= dict.fromkeys(told["taken"], time.monotonic())
                self.refused = {name: why.partition(":")[0] for name, why in told["refused"].items()}
                self._changed.notify_all()

    def begin(self) -> None:
        """Until it has made its first pass."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.passes, 60):
                raise SystemExit("the collector does not begin")

    def wait_for(self, names: list[str]) -> float:
        """When the last of these was put onto the branch."""
        with self._changed:
            if not self._changed.wait_for(lambda: set(names) <= self._taken.keys(), 300):
                raise SystemExit(f"lost: {sorted(set(names) - self._taken.keys())}")
            return max(self._taken[name] for name in names)

    def must_refuse(self, why: dict[str, str]) -> None:
        """All of these, for these reasons, and nobody else."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.refused == why, 60):
                raise SystemExit(f"not refused as they should be: {self.refused}")

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()


@contextmanager
def collecting(desk: Path) -> Iterator[Collecting]:
    collector = Collecting(desk)
    try:
        collector.begin()
        yield collector
    finally:
        collector.end()


def _fleet(desk: Path) -> list[str]:
    return [sys.executable, "-m", "reconciler.fleet", "-C", str(desk)]


def _collect_once(desk: Path) -> float:
    began = time.monotonic()
    subprocess.run([*_fleet(desk), "collect"], check=True, capture_output=True)
    return time.monotonic() - began


def _must_be_there(herd: Herd, git_dir: Path) -> None:
    """Each good report to the byte, and of the bad ones nothing."""
    found = {one.device: one.content for one in read_reports(git_dir, "refs/heads/status")}
    lost = [name for name in herd.good if found.get(name) != herd.devices[name].report]
    if lost:
        raise SystemExit(f"not there, or another one: {lost}")


def _tell(what: str, seconds: float, count: int, more: str) -> None:
    print(f"{what:<22} {seconds:7.2f} s  {count / seconds:6.1f} a second  {more}", flush=True)


if __name__ == "__main__":
    main()
