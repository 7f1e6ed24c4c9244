"""How long a fleet takes to render, beside `kustomize build` of an equal fleet, in one run.

    python benchmarks/render.py [--devices 10 100 1000] [--kustomize PATH]

A device runs 10 apps of two services each. Four tiers: base, 20 models, 500 sites, 2 rings; each patches one service,
and two apps use a variable that every device sets for itself. kustomize gets the same as 20 Deployments and four
overlays a device. Times are CPU seconds of one process; memory is the most that was resident.
"""

import argparse
import resource
import subprocess
import tempfile
import time
from pathlib import Path

from reconciler.manifests import FleetFiles

APPS, MODELS, SITES = 10, 20, 500
_COMPOSE = """\
services:
  web:
    image: registry.example/app{n}:1.0
    environment: {{A: "1", B: "2", LINE: "{line}"}}
    ports: ["{port}:8080"]
    restart: unless-stopped
    mem_limit: 64m
    volumes: ["data:/data"]
  side:
    image: registry.example/side{n}:1.0
    depends_on: [web]
    command: [run, "--fast"]
    labels: {{team: line}}
volumes: {{data: {{}}}}
"""
_LAYER = """\
apiVersion: fleet/v1
kind: Layer
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{{label}: {name}}}}}
  patches:
    - target: {{app: {app}, service: web}}
      patch: [{{op: replace, path: /environment/A, value: "{name}"}}]
"""
_DEVICE = """\
apiVersion: fleet/v1
kind: Device
metadata:
  name: d{n:05d}
  labels: {{model: m{model}, site: s{site}, ring: {ring}}}
spec:
  variables: {{LINE: "{n}"}}
"""


def fleet(devices: int) -> dict[str, bytes]:
    """The files of a fleet with so many devices."""
    head = "apiVersion: fleet/v1\nkind: Fleet\nmetadata: {name: bench}\nspec: {tiers: [base, model, site, ring]}\n"
    apps = ", ".join(f"app{n}" for n in range(APPS))
    base = f"apiVersion: fleet/v1\nkind: Layer\nmetadata: {{name: all}}\nspec: {{apps: [{apps}]}}\n"
    files = {"fleet.yaml": head, "layers/base/all.yaml": base}
    for n in range(APPS):
        line = "${LINE:-0}" if n < 2 else "0"
        files[f"apps/app{n}/compose.yaml"] = _COMPOSE.format(n=n, line=line, port=8000 + n)
    for tier, names, app in (
        ("model", [f"m{n}" for n in range(MODELS)], "app1"),
        ("site", [f"s{n}" for n in range(SITES)], "app2"),
        ("ring", ["canary", "stable"], "app3"),
    ):
        files |= {f"layers/{tier}/{name}.yaml": _LAYER.format(name=name, label=tier, app=app) for name in names}
    for n in range(devices):
        ring = "canary" if n % 10 == 0 else "stable"
        text = _DEVICE.format(n=n, model=n % MODELS, site=n % SITES, ring=ring)
        files[f"devices/{n % 100:02d}/d{n:05d}.yaml"] = text
    return {path: text.encode() for path, text in files.items()}


def ours(devices: int) -> float:
    """CPU seconds to render them all."""
    tree = fleet(devices)
    start = time.process_time()
    files = FleetFiles(tree)
    for name in files.device_paths:
        if files.render(name).problems:
            raise ValueError(f"{name} does not render")
    return time.process_time() - start


def kustomize(program: Path, devices: int) -> float:
    """CPU seconds of `kustomize build`, one process a device."""
    with tempfile.TemporaryDirectory() as folder:
        _kustomizations(Path(folder), devices)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for n in range(devices):
            command = [str(program), "build", str(Path(folder) / f"device{n}")]
            subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _kustomizations(folder: Path, devices: int) -> None:
    names = [f"{kind}{n}" for n in range(APPS) for kind in ("app", "side")]
    base = folder / "base"
    base.mkdir()
    for name in names:
        (base / f"{name}.yaml").write_text(
            f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  template:\n    spec:\n"
            f"      containers:\n      - name: main\n        image: registry.example/{name}:1.0\n"
            "        env: [{name: A, value: '1'}, {name: B, value: '2'}, {name: LINE, value: '0'}]\n"
        )
    (base / "kustomization.yaml").write_text("resources: [" + ", ".join(f"{name}.yaml" for name in names) + "]\n")
    below = "base"
    for tier, app in (("model", "app1"), ("site", "app2"), ("ring", "app3")):
        _overlay(folder / tier, below, app, tier)
        below = tier
    for n in range(devices):
        _overlay(folder / f"device{n}", below, "app0", str(n))


def _overlay(folder: Path, below: str, app: str, value: str) -> None:
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(
        f"resources: [../{below}]\npatches:\n- target: {{kind: Deployment, name: {app}}}\n  patch: |-\n"
        f"    - {{op: replace, path: /spec/template/spec/containers/0/env/0/value, value: '{value}'}}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--kustomize", type=Path, help="the peer's program; without it, only ours is measured")
    options = parser.parse_args()
    print("| devices | CPU s | ms a device | most resident MiB |\n|---|---|---|---|")
    for devices in options.devices:
        seconds = ours(devices)
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"| {devices:,} | {seconds:.2f} | {seconds / devices * 1000:.2f} | {resident} |", flush=True)
    if options.kustomize:
        count = 20
        theirs, mine = kustomize(options.kustomize, count) / count, ours(1000) / 1000
        print(f"\nkustomize build: {theirs * 1000:.1f} ms CPU a device of 20 workloads; ours in the same run:", end=" ")
        print(f"{mine * 1000:.2f} ms, {theirs / mine:.0f} times less")


if __name__ == "__main__":
    main()
