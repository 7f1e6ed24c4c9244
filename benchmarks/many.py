"""What a pass with nothing to do costs, and how much memory the agent has, by the count of containers on the device.

    python benchmarks/many.py [--containers 25 50 100 200]

As root: starts an Engine of its own, with apps of 25 services that really run. Each count is measured in a process of
its own that did nothing before, once the containers are there: the resident pass of benchmarks/converge.py, medians of
wall and of the client's CPU, the memory that is resident after these passes, and before them.
"""

import argparse
import multiprocessing
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

import docker
from containers import ResidentDevice, compose_file, empty, fleet, ids

from lab.base import ensure_base
from lab.engine import private_engine
from reconciler.agent.service.run import serve

# Named so that a process of ours holds all that the agent imports, of which the memory is a part.
AGENT = serve
A_APP = 25
PASSES = 50
Found = tuple[float, float, float, float]


def files(containers: int) -> dict[str, str]:
    """A fleet with so many services, in apps of 25 or fewer."""
    apps = range(0, containers, A_APP)
    return fleet({f"app{n:04d}": compose_file(min(A_APP, containers - n), "same") for n in apps})


def create(folder: Path, url: str, containers: int) -> None:
    """Make them, and remember that they are good."""
    device = ResidentDevice(folder, url)
    device.obey(files(containers))
    device.converge()


def measure(folder: Path, url: str, containers: int) -> Found:
    """Seconds of wall and CPU of a pass that finds all well; MiB resident after, and before."""
    device = ResidentDevice(folder, url)
    device.obey(files(containers))
    before = resident()
    # The first connects, and asks the Engine its version.
    device.converge()
    walls, cpus = [], []
    for _ in range(PASSES):
        wall, cpu = time.perf_counter(), time.process_time()
        if device.converge():
            raise ValueError("something was done where nothing is to be done")
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus), resident(), before


def resident() -> float:
    """MiB of this process, now."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--containers", type=int, nargs="+", default=[25, 50, 100, 200])
    counts = parser.parse_args().containers
    print("| containers | wall of a pass, ms | CPU of a pass, ms | resident after, MiB | before, MiB |")
    print("|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name, private_engine(Path(name) / "engine") as engine:
        ensure_base(docker.APIClient(base_url=engine.url, version="auto"))
        folder = Path(name) / "device"
        for containers in counts:
            start = time.perf_counter()
            create(folder, engine.url, containers)
            print(f"{containers} containers run, after {time.perf_counter() - start:.0f} s", file=sys.stderr)
            if len(ids(docker.APIClient(base_url=engine.url, version="auto"))) != containers:
                raise SystemExit(f"not {containers} containers run")
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                wall, cpu, after, before = pool.apply(measure, (folder, engine.url, containers))
            print(f"| {containers} | {wall * 1000:.1f} | {cpu * 1000:.1f} | {after:.1f} | {before:.1f} |", flush=True)
        empty(engine.url)


if __name__ == "__main__":
    main()
