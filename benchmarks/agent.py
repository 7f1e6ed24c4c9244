"""What an idle agent costs its device: memory, processor, bytes; and how soon it knows what to do.

    python benchmarks/agent.py [--apps 5] [--passes 30]

As root: starts an Engine and a Git server of its own. `reconciler run` keeps some apps that nobody changes. It polls
every second, so that passes come soon; processor and bytes are told for a poll, for a report (here a heartbeat with
each pass) and for a look at all (here asked for with each pass), and for a day of them. Processor is that of the agent
and of all programs that it starts; memory is what is resident, and the part of it that no other process shares. Bytes
are counted by a proxy. A plan is that of `reconciler plan`, from its start to its exit, with
the fetch.
"""

import argparse
import json
import multiprocessing
import os
import resource
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import docker

from lab.base import BASE, ensure_base
from lab.device import ROOT, Device, compile_code
from lab.engine import private_engine
from lab.git_server import git_server
from lab.http_proxy import HttpProxy, http_proxy
from lab.operator import Operator
from lab.waiting import wait_until
from reconciler.agent.errands.sender import Errands

_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apps", type=int, default=5)
    parser.add_argument("--passes", type=int, default=30)
    options = parser.parse_args()
    compile_code()
    with (
        tempfile.TemporaryDirectory() as name,
        git_server(Path(name) / "server") as server,
        http_proxy() as proxy,
        private_engine(Path(name) / "engine") as engine,
    ):
        ensure_base(docker.APIClient(engine.url))
        ann = Operator.create(Path(name) / "ann", "Ann", "ann@acme.example")
        url = server.create("fleet")
        ann.clone(url)
        device = Device.create(Path(name) / "device", "press-1", url, engine.url, [ann], interval="1s")
        settings = device.config.read_text().replace("branch: main", f"branch: main, proxy: '{proxy.url}'")
        device.config.write_text(settings)
        for path, text in fleet(options.apps, device.identity).items():
            ann.write(path, text)
        ann.commit("The fleet")
        ann.push()
        done = device.reconciler("once")
        if done.returncode != 0:
            raise SystemExit(done.stderr)
        idle(device, proxy, options.passes, Path(name) / "run.log")
        plans(device)


def fleet(apps: int, identity: str) -> dict[str, str]:
    """So many apps of one service each, which do nothing."""
    head = "apiVersion: fleet/v1\nkind: {}\nmetadata: {{name: {}}}\nspec: {}\n"
    names = [f"app-{number}" for number in range(apps)]
    compose = {"services": {"web": {
        "image": BASE, "command": ["sleep", "100000"], "init": True, "pull_policy": "never",
        "deploy": {"update_config": {"monitor": "0s"}},
    }}}  # fmt: skip
    return {
        "fleet.yaml": head.format("Fleet", "idle", "{tiers: [base]}"),
        "layers/base/all.yaml": head.format("Layer", "all", f"{{apps: [{', '.join(names)}]}}"),
        "devices/press-1.yaml": head.format("Device", "press-1", json.dumps({"identity": identity})),
        **{f"apps/{name}/compose.yaml": json.dumps(compose) for name in names},
    }


def idle(device: Device, proxy: HttpProxy, passes: int, log: Path) -> None:
    """What a quiet poll costs, what a report adds, and what a look at all; the last two go by errands."""
    quiet = run(device, proxy, passes, log)
    settings = device.config.read_text()
    device.config.write_text(settings.replace("  state: state", "  status: {heartbeat: 1s}\n  state: state"))
    reporting = run(device, proxy, passes, log)
    device.config.write_text(settings)
    looking = run(device, proxy, passes, log, nudges=True)
    report, look = reporting.seconds - quiet.seconds, looking.seconds - quiet.seconds
    print(f"resident {quiet.resident / 2**20:.1f} MiB, of which {quiet.own / 2**20:.1f} MiB are its own")
    print(f"an errand has at most {errand(device) / 2**20:.1f} MiB, for {look:.2f} s of a processor with its git")
    print(f"a poll: {quiet.seconds * 1000:.0f} ms of a processor, {quiet.bytes:.0f} bytes")
    print(f"a report: {report * 1000:.0f} ms, {reporting.bytes - quiet.bytes:.0f} bytes")
    day = 1440 * quiet.seconds + 96 * report + 24 * look
    moved = 1440 * quiet.bytes + 96 * (reporting.bytes - quiet.bytes) + 24 * (looking.bytes - quiet.bytes)
    print(f"a day of polls every 60 s, a report each 15 min, a look each hour: {day:.0f} s of a processor,")
    print(f"{day / 86400 * 100:.3f} %, and {moved / 2**20:.2f} MiB")


class Cost(NamedTuple):
    """Of a pass: seconds of a processor and bytes; and what is resident, and no other process shares, in bytes."""

    seconds: float
    bytes: float
    resident: int
    own: int


def run(device: Device, proxy: HttpProxy, passes: int, log: Path, *, nudges: bool = False) -> Cost:
    with log.open("wb") as out:
        process = subprocess.Popen(device.command("run"), cwd=ROOT, stdin=subprocess.DEVNULL, stderr=out)
    try:
        # The first passes import what they need, and send the first report.
        wait_until(lambda: log.read_text().count("pass  ") >= 5, 60, "the first passes")
        before, sent, began = cpu(process.pid), proxy.bytes, log.read_text().count("pass  ")
        seen = began
        while seen < began + passes:
            if nudges:
                process.send_signal(signal.SIGHUP)
            wait_until(lambda seen=seen: log.read_text().count("pass  ") > seen, 30, "a pass")
            seen = log.read_text().count("pass  ")
        done = seen - began
        used, moved = (cpu(process.pid) - before) / done, (proxy.bytes - sent) / done
        resident, own = memory(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    return Cost(used, moved, resident, own)


def errand(device: Device) -> int:
    """The most that an errand has resident, in bytes, of those that fetch, verify and render."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_errand, (device.config,))


def _errand(path: Path) -> int:
    """In a process that has no other children."""
    Errands(path.read_bytes(), path).obtain()
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def cpu(pid: int) -> float:
    """Seconds of the process and of its ended children: fields 14 to 17 of /proc/PID/stat (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def memory(pid: int) -> tuple[int, int]:
    """Bytes that are resident, and those that no other process shares."""
    lines = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    found = {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines}
    return found["Rss"], found["Private_Clean"] + found["Private_Dirty"]


def plans(device: Device) -> None:
    took = []
    for _ in range(5):
        began = time.monotonic()
        done = device.reconciler("plan")
        took.append(time.monotonic() - began)
        if done.returncode != 0:
            raise SystemExit(done.stderr)
    print(f"from start to plan: {statistics.median(took):.2f} s (median of 5)")


if __name__ == "__main__":
    main()
