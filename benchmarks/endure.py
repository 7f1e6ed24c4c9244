"""Does an agent at work stay as it is? Its memory, open files and state, while things happen all the time.

    python benchmarks/endure.py [--minutes 10]

As root: starts an Engine and a Git server of its own. `reconciler run` polls every second; every few seconds a signed
commit changes its app, the app is killed, the server is away, an unsigned commit is refused, its keys are written anew
or it is nudged, in turns. Each minute: resident memory, open files and threads of the agent, and files and bytes of its
state. At the end it must be at the newest commit, in the same process.
"""

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import cycle
from pathlib import Path

import docker
import docker.errors
from agent import fleet, memory

from lab.base import ensure_base
from lab.device import ROOT, Device
from lab.engine import private_engine
from lab.git_server import GitServer, git_server
from lab.operator import Operator
from lab.waiting import wait_until


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=10)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        git_server(Path(name) / "server") as server,
        private_engine(Path(name) / "engine") as engine,
    ):
        ensure_base(docker.APIClient(engine.url))
        ann = Operator.create(Path(name) / "ann", "Ann", "ann@acme.example")
        ann.clone(server.create("fleet"))
        device = Device.create(Path(name) / "device", "press-1", server.url("fleet"), engine.url, [ann], interval="1s")
        for path, text in fleet(1, device.identity).items():
            ann.write(path, text)
        ann.commit("The fleet")
        ann.push()
        endure(device, Happenings(server, ann, device, docker.DockerClient(engine.url)), options.minutes)


class Happenings:
    """What people, links and chance do; each leaves the fleet in good order."""

    def __init__(self, server: GitServer, ann: Operator, device: Device, client: docker.DockerClient) -> None:
        self._server, self._ann, self._device, self._client = server, ann, device, client
        self.count, self.commits = 0, 0

    def change(self) -> None:
        self.commits += 1
        text = fleet(1, self._device.identity)["apps/app-0/compose.yaml"]
        self._ann.write(
            "apps/app-0/compose.yaml", text.replace('"init"', f'"labels": {{"n": "{self.commits}"}}, "init"')
        )
        self._ann.commit("Another one")
        self._ann.push()

    def kill(self) -> None:
        for container in self._client.containers.list(filters={"label": "fleet.device"}, ignore_removed=True):
            with suppress(docker.errors.APIError):  # it is being replaced
                container.kill()

    def cut_off(self) -> None:
        self._server.stop()
        time.sleep(3)
        self._server.start()

    def forge(self) -> None:
        self._ann.commit("Nobody signed", sign=False)
        self._ann.push()
        time.sleep(2)
        self._ann.git("reset", "--quiet", "--hard", "HEAD~1")
        self._ann.push(force=True)

    def rewrite_keys(self) -> None:
        self._device.trust([self._ann])

    def nudge(self) -> None:
        (self._device.state / "nudge").touch()


def endure(device: Device, happenings: Happenings, minutes: int) -> None:
    turns: cycle[Callable[[], None]] = cycle(
        (happenings.change, happenings.kill, happenings.cut_off, happenings.change, happenings.forge,
         happenings.rewrite_keys, happenings.kill, happenings.nudge)
    )  # fmt: skip
    log = device.folder / "run.log"
    with log.open("wb") as out:
        process = subprocess.Popen(device.command("run"), cwd=ROOT, stdin=subprocess.DEVNULL, stderr=out)
    try:
        wait_until(lambda: log.read_text().count("pass  ") >= 3, 60, "the first passes")
        began, told = time.monotonic(), 0
        while time.monotonic() - began < minutes * 60:
            if time.monotonic() - began >= told * 60:
                tell(told, process.pid, device.state, log)
                told += 1
            next(turns)()
            happenings.count += 1
            time.sleep(2)
        newest = happenings._ann.git("rev-parse", "HEAD")
        wait_until(lambda: f"Healthy, 0 steps, at main@sha1:{newest}" in log.read_text()[-4000:], 60, "the newest one")
        tell(told, process.pid, device.state, log)
        if process.poll() is not None or "Traceback" in log.read_text():
            raise SystemExit(log.read_text()[-4000:])
        print(f"{happenings.count} happenings, {happenings.commits} of them commits; at the newest, in one process")
    finally:
        process.terminate()
        process.wait(60)


def tell(minute: int, pid: int, state: Path, log: Path) -> None:
    resident, _ = memory(pid)
    files, threads = (len(list(Path(f"/proc/{pid}/{kind}").iterdir())) for kind in ("fd", "task"))
    passes = log.read_text().count("pass  ")
    paths = [path for path in state.glob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in paths)
    # git may be at work there.
    stores = [state / "repository.git", state / "reports.git"]
    told = subprocess.run(["du", "-sb", "-c", *stores], capture_output=True, check=False).stdout
    store = int(told.splitlines()[-1].split()[0])
    print(
        f"{minute:3} min  {resident / 2**20:5.1f} MiB  {files} files open, {threads} threads, "
        f"state {len(paths)} files of {size} bytes, store {store / 1e6:.1f} MB, {passes} passes",
        flush=True,
    )


if __name__ == "__main__":
    main()
