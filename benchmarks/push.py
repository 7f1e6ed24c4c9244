"""From a push to a running container, beside what the Engine alone needs for the same containers.

    python benchmarks/push.py [--rounds 10] [--interval 5]

As root: starts an Engine and a Git server of its own. `reconciler run` keeps one app of one service; each round changes
a value of it in a signed commit. Told from the end of `git push` to the moment at which the Engine started the new
container, by its own clock: by the poll alone, and with a nudge (SIGHUP) right after the push. The Engine alone stops
the old container, creates the same one and starts it, by the same calls of its API.
"""

import argparse
import json
import signal
import statistics
import subprocess
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import docker

from lab.base import BASE, ensure_base
from lab.device import ROOT, Device, compile_code
from lab.engine import private_engine
from lab.git_server import git_server
from lab.operator import Operator
from lab.waiting import wait_until

Nudged = subprocess.Popen[bytes] | None
_HEAD = "apiVersion: fleet/v1\nkind: {}\nmetadata: {{name: {}}}\nspec: {}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--interval", type=int, default=5)
    options = parser.parse_args()
    compile_code()
    with (
        tempfile.TemporaryDirectory() as name,
        git_server(Path(name) / "server") as server,
        private_engine(Path(name) / "engine") as engine,
    ):
        api = docker.APIClient(engine.url)
        ensure_base(api)
        ann = Operator.create(Path(name) / "ann", "Ann", "ann@acme.example")
        url = server.create("fleet")
        ann.clone(url)
        device = Device.create(
            Path(name) / "device", "press-1", url, engine.url, [ann], interval=f"{options.interval}s"
        )
        push(ann, device, 0)
        with (Path(name) / "run.log").open("wb") as out:
            process = subprocess.Popen(device.command("run"), cwd=ROOT, stdin=subprocess.DEVNULL, stderr=out)
        try:
            wait_until(lambda: started(api, 0) is not None, 60, "the first container")
            floor = [alone(api) for _ in range(options.rounds)]
            tell(f"by a poll every {options.interval} s", rounds(api, ann, device, options.rounds, 1, None), floor)
            nudged = rounds(api, ann, device, options.rounds, 1 + options.rounds, process)
            tell("with a nudge", nudged, floor)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def rounds(
    api: docker.APIClient,
    ann: Operator,
    device: Device,
    count: int,
    first: int,
    nudged: "subprocess.Popen[bytes] | None",
) -> list[float]:
    """Seconds from each push to the start of the container that it asks for."""
    took = []
    for number in range(first, first + count):
        pushed = push(ann, device, number)
        if nudged is not None:
            nudged.send_signal(signal.SIGHUP)
        wait_until(lambda number=number: started(api, number) is not None, 60, "the container")  # type: ignore[misc]
        took.append((started(api, number) or 0.0) - pushed)
        # Anywhere between two polls, and not always behind one.
        time.sleep(0.7 * (number % 5))
    return took


def push(ann: Operator, device: Device, number: int) -> float:
    """Push a value; when that was done, in seconds since 1970."""
    compose = {"services": {"web": {
        "image": BASE, "command": ["sleep", "100000"], "init": True, "pull_policy": "never",
        "environment": {"NUMBER": str(number)}, "deploy": {"update_config": {"monitor": "0s"}},
    }}}  # fmt: skip
    files = {
        "fleet.yaml": _HEAD.format("Fleet", "push", "{tiers: [base]}"),
        "layers/base/all.yaml": _HEAD.format("Layer", "all", "{apps: [web]}"),
        "devices/press-1.yaml": _HEAD.format("Device", "press-1", json.dumps({"identity": device.identity})),
        "apps/web/compose.yaml": json.dumps(compose),
    }
    for path, text in files.items():
        ann.write(path, text)
    ann.commit(f"Number {number}")
    ann.push()
    return time.time()


def started(api: docker.APIClient, number: int) -> float | None:
    """When the container with this value was started, in seconds since 1970."""
    for one in api.containers():
        found: dict[str, Any] = api.inspect_container(one["Id"])
        if f"NUMBER={number}" in found["Config"]["Env"]:
            return datetime.fromisoformat(found["State"]["StartedAt"][:26].rstrip("Z") + "+00:00").timestamp()
    return None


def alone(api: docker.APIClient) -> float:
    """Seconds for the Engine to stop one such container, and to create and start another."""
    host = api.create_host_config(init=True)
    old = api.create_container(BASE, ["sleep", "100000"], host_config=host)["Id"]
    api.start(old)
    began = time.monotonic()
    new = api.create_container(BASE, ["sleep", "100000"], host_config=host)["Id"]
    api.stop(old)
    api.start(new)
    took = time.monotonic() - began
    for one in (old, new):
        api.remove_container(one, force=True)
    return took


def tell(how: str, took: list[float], floor: list[float]) -> None:
    own = statistics.median(floor)
    print(
        f"{how}: {statistics.median(took):.2f} s (median; most {max(took):.2f}), the Engine alone {own:.2f};"
        f" ours {statistics.median(took) - own:.2f}, most {max(took) - own:.2f}"
    )


if __name__ == "__main__":
    main()
