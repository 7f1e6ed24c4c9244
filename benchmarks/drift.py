"""How soon a device heals what somebody does to a container, beside what the Engine itself needs for it.

    python benchmarks/drift.py [--rounds 10]

As root: starts an Engine and a Git server of its own. `reconciler run` looks at Git every ten minutes, so only the
Engine's events can wake it. A time runs from the moment that the act is done to the event of the Engine that says it is
undone. Beside it stands what the Engine needs for the call that heals, made by somebody who waits for nothing.
"""

import argparse
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

from lab.base import BASE, ensure_base
from lab.device import ROOT, Device
from lab.engine import private_engine
from lab.git_server import git_server
from lab.operator import Operator
from lab.waiting import wait_until

NAME = "shop-web-1"
# A tag of this device, which means one of two images.
IMAGE, MEANINGS = "drift:1", ("drift:one", "drift:two")
FLEET = {
    "fleet.yaml": "apiVersion: fleet/v1\nkind: Fleet\nmetadata: {name: drift}\nspec: {tiers: [base]}\n",
    "layers/base/all.yaml": "apiVersion: fleet/v1\nkind: Layer\nmetadata: {name: all}\nspec: {apps: [shop]}\n",
    "apps/shop/compose.yaml": f"services:\n  web:\n    image: {IMAGE}\n    command: [sleep, '100000']\n"
    "    init: true\n    pull_policy: never\n    deploy: {update_config: {monitor: 0s}}\n",
}


def move_tag(api: docker.APIClient) -> None:
    """Let the tag mean the other image."""
    today = api.inspect_image(IMAGE)["Id"]
    other = next(name for name in MEANINGS if api.inspect_image(name)["Id"] != today)
    api.tag(other, *IMAGE.split(":"))


def make_images(api: docker.APIClient) -> None:
    """Two images that do the same, and the tag."""
    container = api.create_container(BASE, ["true"])
    for name in MEANINGS:
        api.commit(container, *name.split(":"), conf={"Labels": {"drift": name}})
    api.remove_container(container)
    api.tag(MEANINGS[0], *IMAGE.split(":"))


ACTS: dict[str, Callable[[docker.APIClient], None]] = {
    "kill": lambda api: api.kill(NAME),
    "stop": lambda api: api.stop(NAME, timeout=1),
    "pause": lambda api: api.pause(NAME),
    "rename": lambda api: api.rename(NAME, "somebody"),
    "network disconnect": lambda api: api.disconnect_container_from_network(NAME, "shop_default"),
    "update": lambda api: api.update_container(NAME, restart_policy={"Name": "always"}),
    "rm -f": lambda api: api.remove_container(NAME, force=True),
    "a moved tag": move_tag,
}
# What tells that the act is undone: the event's type and action.
UNDONE = {
    "kill": ("container", "start"),
    "stop": ("container", "start"),
    "pause": ("container", "unpause"),
    "rename": ("container", "rename"),
    "network disconnect": ("network", "connect"),
    "update": ("container", "update"),
    "rm -f": ("container", "start"),
    "a moved tag": ("container", "start"),
}


class Events:
    """When the Engine said what, by its own clock in nanoseconds."""

    def __init__(self, url: str) -> None:
        self.seen: list[tuple[int, str, str]] = []
        self._stream = docker.APIClient(base_url=url).events(decode=True)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for event in self._stream:
            self.seen.append((event["timeNano"], event["Type"], event["Action"]))

    def first(self, kind: tuple[str, str], after: int) -> int | None:
        return next((at for at, *what in list(self.seen) if tuple(what) == kind and at > after), None)


def healed_after(api: docker.APIClient, events: Events, act: str) -> float:
    """Seconds from the end of the act to the event that undoes it."""
    before = time.time_ns()
    ACTS[act](api)
    done = time.time_ns()
    wait_until(lambda: events.first(UNDONE[act], before) is not None, 30, f"healing after {act}")
    # These are events of the same kind as their undoing, which is the second.
    if act in ("rename", "update"):
        first = events.first(UNDONE[act], before) or before
        wait_until(lambda: events.first(UNDONE[act], first) is not None, 30, f"undoing the {act}")
        before = first
    return max(0, (events.first(UNDONE[act], before) or done) - done) / 1e9


def floor(api: docker.APIClient, act: str) -> float:
    """Seconds that the Engine needs for the call that heals, made by somebody who waits for nothing."""
    calls: dict[str, Callable[[], None]] = {
        "kill": lambda: api.start(NAME),
        "stop": lambda: api.start(NAME),
        "pause": lambda: api.unpause(NAME),
        "rename": lambda: api.rename("somebody", NAME),
        "network disconnect": lambda: api.connect_container_to_network(NAME, "shop_default"),
        "update": lambda: api.update_container(NAME, restart_policy={"Name": "no"}),
        "rm -f": lambda: _create(api),
        "a moved tag": lambda: _replace(api),
    }
    ACTS[act](api)
    start = time.perf_counter()
    calls[act]()
    took = time.perf_counter() - start
    # The Engine answers before it is through with some of them.
    wait_until(lambda: api.inspect_container(NAME)["State"]["Status"] == "running", 30, f"the end of undoing {act}")
    time.sleep(0.2)
    return took


def _create(api: docker.APIClient) -> None:
    host = api.create_host_config(network_mode="shop_default", init=True)
    api.create_container(BASE, ["sleep", "100000"], name=NAME, host_config=host)
    api.start(NAME)


def _replace(api: docker.APIClient) -> None:
    api.remove_container(NAME, force=True)
    _create(api)


def floors(api: docker.APIClient) -> dict[str, float]:
    """Of each act, on a container like the one that the device will run."""
    api.create_network("shop_default")
    _create(api)
    found = {act: statistics.median(floor(api, act) for _ in range(5)) for act in ACTS}
    api.remove_container(NAME, force=True)
    api.remove_network("shop_default")
    return found


@contextmanager
def device(folder: Path, url: str) -> Iterator[None]:
    """A device that runs the app, with its service at work."""
    ann = Operator.create(folder / "ann", "Ann", "ann@acme.example")
    with git_server(folder / "server") as server:
        remote = server.create("fleet")
        ann.clone(remote)
        made = Device.create(folder / "device", "press", remote, url, [ann], interval="10m")
        head = "apiVersion: fleet/v1\nkind: Device\nmetadata: {name: press}\nspec: {identity: "
        for path, text in {**FLEET, "devices/press.yaml": f"{head}{made.identity}}}\n"}.items():
            ann.write(path, text)
        ann.commit("The fleet")
        ann.push()
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(made.command("run"), cwd=ROOT, stderr=log)
        try:
            wait_until(lambda: "pass " in (folder / "log").read_text(), 60, "the first pass")
            yield
        finally:
            process.terminate()
            process.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name, private_engine(Path(name) / "engine") as engine:
        api = docker.APIClient(base_url=engine.url)
        ensure_base(api)
        make_images(api)
        least = floors(api)
        events = Events(engine.url)
        times: dict[str, list[float]] = {act: [] for act in ACTS}
        with device(Path(name), engine.url):
            for _ in range(rounds):
                for act in ACTS:
                    times[act].append(healed_after(api, events, act))
                    # The report of it is under way; somebody who comes later meets a device at rest.
                    time.sleep(6)
                # Three a minute are no fight.
                time.sleep(1)
    print("| act | the Engine alone, median s | healed after, median s | worst s |\n|---|---|---|---|")
    for act, took in times.items():
        print(f"| `{act}` | {least[act]:.2f} | {statistics.median(took):.2f} | {max(took):.2f} |")


if __name__ == "__main__":
    main()
