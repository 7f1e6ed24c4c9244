"""How long `fleet plan` takes for a change of one line, by the size of the fleet and by where the line stands.

    python benchmarks/plan.py [--devices 10 100 1000 10000]

The fleet is that of benchmarks/render.py: 10 apps of two services a device, four tiers, two apps with a variable that
every device sets for itself. Each measurement is a process of its own, from the two trees of files to the text that is
printed, with reasons. Times are CPU seconds; memory is the most that was resident. Git's part comes on top: reading two
revisions of 10,000 devices takes it about a second.
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable

from render import fleet

from reconciler.fleet.preview import preview
from reconciler.fleet.preview_text import as_text

Files = dict[str, bytes]
_ALL = "layers/base/all.yaml"
_PATCH = """\
apiVersion: fleet/v1
kind: Layer
metadata: {name: all}
spec:
  apps: [app0, app1, app2, app3, app4, app5, app6, app7, app8, app9]
  variables: {EVERYWHERE: "1"}
  patches:
    - target: {app: app4, service: web}
      patch: [{op: replace, path: /environment/B, value: "patched"}]
    - target: {app: app0, service: web}
      patch: [{op: replace, path: /environment/B, value: "patched, too"}]
"""


def _replaced(path: str, old: str, new: str) -> Callable[[Files], Files]:
    return lambda files: {**files, path: files[path].replace(old.encode(), new.encode())}


CHANGES = {
    "nothing": lambda files: files,
    "a device's variable": _replaced("devices/00/d00000.yaml", 'LINE: "0"', 'LINE: "zero"'),
    "a device's label": _replaced("devices/00/d00000.yaml", "site: s0", "site: s1"),
    "a site's patch": _replaced("layers/site/s0.yaml", 'value: "s0"', 'value: "south"'),
    "an app that is the same on many devices": _replaced("apps/app3/compose.yaml", "app3:1.0", "app3:1.1"),
    "an app with a device's own variable": _replaced("apps/app0/compose.yaml", "app0:1.0", "app0:1.1"),
    "the base layer's patch, of a shared app": _replaced(_ALL, '"patched"', '"again"'),
    "the base layer's patch, of an app with a variable": _replaced(_ALL, "patched, too", "again"),
}


def measure(devices: int, change: str) -> tuple[float, int]:
    """CPU seconds and most resident MiB of one preview, with what Python and the two trees take."""
    before = {**fleet(devices), _ALL: _PATCH.encode()}
    after = CHANGES[change](dict(before))
    start = time.process_time()
    previews = preview(before, after)
    text = as_text(previews)
    seconds = time.process_time() - start
    if (text == "nothing to do on any device") != (change == "nothing") or any(one.problems for one in previews):
        raise ValueError(f"{change}: not the plan that it should be")
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, nargs="+", default=[10, 100, 1000, 10000])
    options = parser.parse_args()
    print(f"| one line of | {' | '.join(f'{devices:,} devices' for devices in options.devices)} |")
    print("|---" * (len(options.devices) + 1) + "|")
    for change in CHANGES:
        cells = []
        for devices in options.devices:
            # A process of its own, so that the memory is of this one alone.
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                seconds, resident = pool.apply(measure, (devices, change))
            cells.append(f"{seconds:.2f} s, {resident}")
        print(f"| {change} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
