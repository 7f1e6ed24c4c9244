"""What an idle agent costs its device: memory, processor, bytes; and how soon it knows what to do.

    python benchmarks/agent.py [--apps 5] [--passes 30]

As root: starts an Engine and a Git server of its own. `reconciler run` keeps some apps that nobody changes. It polls
every second, so that passes come soon; processor and bytes are told for a pass, and for a poll every 60 s. Processor
is that of the agent and of all programs that it starts; memory is what is resident, and the part of it that no other
process shares. Bytes are counted by a proxy. A plan is that of `reconciler plan`, from its start to its exit, with
the fetch.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import docker

from lab.base import BASE, ensure_base
from lab.device import ROOT, Device
from lab.engine import private_engine
from lab.git_server import git_server
from lab.http_proxy import HttpProxy, http_proxy
from lab.operator import Operator
from lab.waiting import wait_until

_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apps", type=int, default=5)
    parser.add_argument("--passes", type=int, default=30)
    options = parser.parse_args()
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
    with log.open("wb") as out:
        process = subprocess.Popen(device.command("run"), cwd=ROOT, stdin=subprocess.DEVNULL, stderr=out)
    try:
        # The first passes import what they need, and send the first report.
        wait_until(lambda: log.read_text().count("pass  ") >= 5, 60, "the first passes")
        before, sent, began = cpu(process.pid), proxy.bytes, log.read_text().count("pass  ")
        wait_until(lambda: log.read_text().count("pass  ") >= began + passes, 10 * passes, "the passes")
        done = log.read_text().count("pass  ") - began
        used, moved = (cpu(process.pid) - before) / done, (proxy.bytes - sent) / done
        resident, own = memory(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    print(f"resident {resident / 2**20:.1f} MiB, of which {own / 2**20:.1f} MiB are its own")
    print(f"a pass with its poll: {used * 1000:.0f} ms of a processor, {moved:.0f} bytes")
    print(f"a poll every 60 s: {used / 60 * 100:.3f} % of a processor, {moved * 1440 / 2**20:.2f} MiB a day")


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
