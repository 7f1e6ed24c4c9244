"""How long a device takes to become what it shall be, beside `docker compose up -d` of the same file, in one run.

    python benchmarks/converge.py --compose PATH [--services 5 20 50] [--rounds 5]

As root: starts an Engine and a Git server of its own. One app; first there is nothing, then nothing is to be done, then
the environment of one service is another. All do it in turn, so that a change of the machine's speed meets them all:

- converge: observe, plan, perform, and remember, in a process that lives on;
- resident agent: what `reconciler run` does, in a process that lives on. A change comes from Git: fetch, verify,
  render, converge, push a signed report. With nothing to do, the Engine woke it: converge, and find no report due;
- `reconciler once`: a process of its own, always with Git;
- `docker compose up -d`: a process of its own.

Times are medians, of the wall and of the client's own CPU; what the Engine uses is in the wall alone.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import docker
from containers import DEVICE, ResidentDevice, compose_file, empty, fleet, ids
from engine_calls import counted

from lab.base import ensure_base
from lab.device import ROOT, Device
from lab.engine import private_engine
from lab.operator import Operator
from lab.processes import Server
from lab.waiting import free_port, is_listening, wait_until
from reconciler.agent.passes.build import build, make_engine
from reconciler.agent.settings.config import load_config
from reconciler.agent.state.journal import Journal

APP = "shop"
NOTHING, SAME, CHANGED = "from nothing", "nothing to do", "1 changed"
# In each round; it is short, so that one look says little.
LOOKS = 5
Cost = tuple[float, float]


class Contender(ABC):
    """One of those who bring services up."""

    name: str

    @abstractmethod
    def prepare(self, services: int, value: str) -> None:
        """Make this the wanted state; not measured."""

    @abstractmethod
    def up(self) -> Cost:
        """Bring it about; seconds of wall, and of CPU."""


class Converge(Contender):
    name = "converge"

    def __init__(self, folder: Path, url: str) -> None:
        self._device = ResidentDevice(folder, url)

    def prepare(self, services: int, value: str) -> None:
        self._device.obey(fleet({APP: compose_file(services, value)}))

    def up(self) -> Cost:
        return _timed(self._device.converge)


class Once(Contender):
    name = "`reconciler once`"

    def __init__(self, folder: Path, url: str, remote: str) -> None:
        self._operator = Operator.create(folder / "ann", "Ann", "ann@acme.example")
        self._operator.clone(remote)
        self._device = Device.create(folder / "device", DEVICE, remote, url, [self._operator])

    def prepare(self, services: int, value: str) -> None:
        files = fleet({APP: compose_file(services, value)}, self._device.identity)
        for path, text in files.items():
            self._operator.write(path, text)
        self._operator.commit(f"{services} services, {value}")
        self._operator.push()

    def up(self) -> Cost:
        return _run(self._device.command("once"))


class ResidentAgent(Once):
    name = "resident agent"

    def __init__(self, folder: Path, url: str, remote: str) -> None:
        super().__init__(folder, url, remote)
        config = load_config(self._device.config)
        self._agent = build(config, Journal(config.state), make_engine(config))
        self._is_new = True

    def prepare(self, services: int, value: str) -> None:
        super().prepare(services, value)
        self._is_new = True

    def up(self) -> Cost:
        if self._is_new:
            self._is_new = False
            return _timed(self._agent.reconcile)
        known = self._agent.recall()
        if known is None:
            raise ValueError("nothing is trusted after a pass")
        return _timed(lambda: self._agent.converge(known))


class Compose(Contender):
    name = "`docker compose up -d`"

    def __init__(self, program: Path, folder: Path, url: str) -> None:
        self._file, self._folder, self._url = folder / "compose.yaml", folder, url
        self._command = [str(program), "-p", APP, "-f", str(self._file), "up", "-d"]
        folder.mkdir()

    def prepare(self, services: int, value: str) -> None:
        self._file.write_text(compose_file(services, value))

    def up(self) -> Cost:
        # Its progress is drawn on a terminal only; nobody's settings and credentials are read.
        return _run(self._command, {"DOCKER_HOST": self._url, "DOCKER_CONFIG": str(self._folder)})


def _timed(act: Callable[[], object]) -> Cost:
    """In this process, with the children that it waits for, as Git's."""
    wall, cpu = time.perf_counter(), _used()
    act()
    return time.perf_counter() - wall, _used() - cpu


def _used() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _run(command: Sequence[str], env: dict[str, str] | None = None) -> Cost:
    """Run a program to its end. The CPU is its own and that of the children it waited for, as Git's."""
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **(env or {})}, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        took = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)}: {said.read().decode()}")
    return took, used.ru_utime + used.ru_stime


@contextmanager
def contenders(folder: Path, url: str, compose: Path | None) -> Iterator[list[Contender]]:
    """All of them, on one Engine; each finds it empty."""
    with git_server(folder / "server", ("resident", "once")) as remotes:
        found: list[Contender] = [
            Converge(folder / "converge", url),
            ResidentAgent(folder / "resident", url, f"{remotes}/resident.git"),
            Once(folder / "once", url, f"{remotes}/once.git"),
        ]
        yield [*found, Compose(compose, folder / "compose", url)] if compose else found


@contextmanager
def git_server(folder: Path, repositories: Sequence[str]) -> Iterator[str]:
    """Serve these, from a process of its own: its CPU is not the agent's."""
    folder.mkdir()
    port = free_port()
    made = [word for name in repositories for word in ("--create", name)]
    command = [sys.executable, "-m", "lab.git_server", str(folder), "--port", str(port), *made]
    server = Server(command, folder / "log", {**os.environ, "PYTHONPATH": str(ROOT)})
    server.start()
    try:
        wait_until(lambda: is_listening(port), 20, "the Git server")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


Times = dict[tuple[str, str], list[Cost]]


def one_round(contender: Contender, services: int, value: str, api: docker.APIClient) -> Iterator[tuple[str, Cost]]:
    """From nothing to the changed app, each act with its cost. What came of it is looked at, so that nobody cheats."""
    contender.prepare(services, value)
    yield NOTHING, contender.up()
    first = _checked(ids(api), services, contender)
    for _ in range(LOOKS):
        yield SAME, contender.up()
    if ids(api) != first:
        raise SystemExit(f"{contender.name}: something was done where nothing is to be done")
    contender.prepare(services, f"{value}, changed")
    yield CHANGED, contender.up()
    if len(_checked(ids(api), services, contender) - first) != 1:
        raise SystemExit(f"{contender.name}: not one container was replaced")


def _checked(running: frozenset[str], services: int, contender: Contender) -> frozenset[str]:
    if len(running) != services:
        raise SystemExit(f"{contender.name}: {len(running)} containers run, {services} shall")
    return running


def measure(folder: Path, url: str, compose: Path | None, services: int, rounds: int) -> Times:
    """The first round warms the machine up, and is not counted."""
    times: Times = defaultdict(list)
    api = docker.APIClient(base_url=url, version="auto")
    with contenders(folder, url, compose) as taking_part:
        for number in range(rounds + 1):
            for contender in taking_part:
                print(f"{services} services, round {number}, {contender.name}", file=sys.stderr)
                for act, cost in one_round(contender, services, f"round {number}", api):
                    if number:
                        times[contender.name, act].append(cost)
                empty(url)
    return times


def calls(folder: Path, url: str, compose: Path | None, services: int) -> dict[str, list[str]]:
    """The calls to the Engine of a pass that has nothing to do, by who makes them."""
    found = {}
    with counted(folder, url) as (proxy, seen), contenders(folder, proxy, compose) as taking_part:
        for contender in taking_part:
            contender.prepare(services, "counted")
            contender.up()
            # What is asked once in the life of a process is not of this pass.
            contender.up()
            seen.clear()
            contender.up()
            found[contender.name] = list(seen)
            empty(url)
    return found


def table(services: int, times: Times) -> Iterator[str]:
    names = list(dict.fromkeys(name for name, _ in times))
    for act in (NOTHING, CHANGED, SAME):
        cells = []
        for name in names:
            walls, cpus = zip(*times[name, act], strict=True)
            cells.append(f"{_seconds(statistics.median(walls))}, {_seconds(statistics.median(cpus))}")
        yield f"| {services}, {act} | {' | '.join(cells)} |"


def _seconds(value: float) -> str:
    return f"{value * 1000:.1f} ms" if value < 0.1 else f"{value:.2f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compose", type=Path, help="the program `docker-compose`, version 2")
    parser.add_argument("--services", type=int, nargs="+", default=[5, 20, 50])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as name, private_engine(Path(name) / "engine") as engine:
        api = docker.APIClient(base_url=engine.url, version="auto")
        ensure_base(api)
        for services in options.services:
            folder = Path(name) / f"{services}"
            folder.mkdir()
            times = measure(folder, engine.url, options.compose, services, options.rounds)
            lines += table(services, times)
        names = dict.fromkeys(name for name, _ in times)
        print(f"| services, wall and CPU | {' | '.join(names)} |\n{'|---' * (len(names) + 1)}|")
        print("\n".join(lines), flush=True)
        folder = Path(name) / "calls"
        folder.mkdir()
        print("\n| 20 services, nothing to do | calls to the Engine |\n|---|---|")
        for who, made in calls(folder, engine.url, options.compose, 20).items():
            print(f"| {who} | {len(made)}: {', '.join(made)} |")


if __name__ == "__main__":
    main()
