"""The example fleet that newcomers copy: it renders for each of its devices, and always to the same bytes."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.manifests import FleetFiles
from reconciler.model import DesiredState
from reconciler.model.codec import canonical, from_json, to_plain
from reconciler.model.tree import Tree

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "fleet-repo-example"
TREE = {path.relative_to(EXAMPLE).as_posix(): path.read_bytes() for path in EXAMPLE.rglob("*") if path.is_file()}
DEVICES = {
    "press-0041": "andon telemetry vision",
    "press-0042": "andon telemetry vision",
    "press-0107": "telemetry vision",
}

# What a process of its own prints; also every problem of a fleet with many, whose order must not change either.
PRINT = """
import sys
from pathlib import Path
from reconciler.manifests import FleetFiles
from reconciler.model.codec import canonical

folder = Path(sys.argv[1])
tree = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
for name in sys.argv[2:]:
    rendering = FleetFiles(tree).render(name)
    print(canonical(rendering.desired).decode(), *rendering.problems, sep="\\n")
"""


def rendered(tree: Tree) -> list[bytes]:
    files = FleetFiles(tree)
    return [canonical(files.render(name).desired) for name in DEVICES]


def test_every_device_is_known() -> None:
    assert sorted(FleetFiles(TREE).device_paths) == sorted(DEVICES)


@pytest.mark.parametrize("name", DEVICES)
def test_it_renders_without_a_problem(name: str) -> None:
    rendering = FleetFiles(TREE).render(name)
    assert rendering.problems == ()
    assert not rendering.desired.untouched
    assert [app.name for app in rendering.desired.apps] == DEVICES[name].split()
    assert from_json(DesiredState, canonical(rendering.desired)) == rendering.desired


def test_layers_and_devices_make_the_difference_that_the_comments_promise() -> None:
    files = FleetFiles(TREE)
    environments = {
        (device, f"{app.name}/{service.name}"): service.environment
        for device in DEVICES
        for app in files.render(device).desired.apps
        for service in app.services
    }
    assert environments["press-0041", "andon/board"]["TITLE"] == "Plant 7, presses (canary)"
    assert environments["press-0042", "andon/board"]["TITLE"] == "Plant 7, presses"
    assert environments["press-0042", "andon/board"]["LINE"] == "4"
    assert environments["press-0041", "vision/camera"] == {"FRAME_SECONDS": "0.5", "DEFECT_RATE": "0.4"}
    assert environments["press-0042", "vision/camera"] == {"FRAME_SECONDS": "2", "DEFECT_RATE": "0.2"}
    assert environments["press-0042", "vision/detector"]["THRESHOLD"] == "0.6"
    assert environments["press-0107", "vision/detector"]["THRESHOLD"] == "0.8"
    assert environments["press-0107", "telemetry/collector"] == {"SAMPLE_SECONDS": "30", "MAX_BYTES": "65536"}


def test_a_whole_service_of_it() -> None:
    vision = FleetFiles(TREE).render("press-0041").desired.app("vision")
    assert vision is not None
    digest = vision.configs[0].digest
    assert vision.configs[0].content == TREE["apps/vision/weights.txt"]
    assert to_plain(vision.service("detector")) == {
        "name": "detector",
        "image": "127.0.0.1:5000/detector:1.0",
        "container_name": "vision-detector-1",
        "environment": {
            "CAMERA_URL": "http://camera:8080/frame.pgm",
            "COLLECTOR_URL": "http://collector:8080",
            "SOURCE": "press-3",
            "THRESHOLD": "0.5",
            "FRESH_SECONDS": "10",
        },
        "mounts": [{"kind": "config", "target": "/model/weights.txt", "source": digest, "read_only": True}],
        "networks": [{"network": "vision_default"}, {"network": "plant"}],
        "labels": {"plant.example/owner": "vision-team"},
        "restart": "unless-stopped",
        "healthcheck": {
            "test": ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/cgi-bin/health"],
            "interval": 1.0,
            "timeout": 3.0,
            "retries": 5,
        },
        "limits": {"memory": 128 * 1024 * 1024},
        "stop_grace_period": 5.0,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "depends_on": [{"service": "camera", "condition": "service_healthy"}],
    }


def test_the_order_of_the_files_changes_nothing() -> None:
    wanted = rendered(TREE)
    for seed in range(5):
        paths = sorted(TREE)
        random.Random(seed).shuffle(paths)  # noqa: S311
        assert rendered({path: TREE[path] for path in paths}) == wanted


def test_a_device_needs_no_file_of_another_device() -> None:
    wanted = dict(zip(DEVICES, rendered(TREE), strict=True))
    for name in DEVICES:
        tree = {
            path: data
            for path, data in TREE.items()
            if not path.startswith("devices/") or path.endswith(f"/{name}.yaml")
        }
        assert canonical(FleetFiles(tree).render(name).desired) == wanted[name]


def test_every_process_says_the_same_bytes(tmp_path: Path) -> None:
    write_broken_fleet(tmp_path)
    whole = {said_by_a_process(EXAMPLE, seed, *DEVICES) for seed in ("0", "1", "12345")}
    # A locale of ASCII, as cron and systemd have it, and one of another language where it is installed.
    whole |= {said_by_a_process(EXAMPLE, "0", *DEVICES, locale=locale) for locale in ("C", "tr_TR.UTF-8")}
    broken = {said_by_a_process(tmp_path, seed, "press-0041") for seed in ("0", "1", "2", "3", "12345")}
    assert len(whole) == 1
    assert len(broken) == 1
    assert [line + b"\n" for line in rendered(TREE)] == [line for line in whole.pop().splitlines(True) if line.strip()]
    told = broken.pop().decode().splitlines()
    for app in DEVICES["press-0041"].split():
        assert len([line for line in told if line.startswith(f"apps/{app}/")]) > 20


# Keys that no app of the example has, each wrong in its own way.
WRONG = """
    restart: sometimes
    build: .
    models: []
    privilegd: true
    privileged: perhaps
    pid: far
    ipc: "container:x"
    uts: [host]
    gpus: some
    scale: 2
    links: [nowhere]
    devices: [camera]
    secrets: [nowhere, {source: nobody, mod: 0440}]
    runtime: {a: b}
    cap_add: {a: b}
    oom_score_adj: low
    cpu_shares: many
    ulimits: {nofile: {soft: 1}}
    expose: [http]
    pull_policy: always"""


def write_broken_fleet(folder: Path) -> None:
    """The example with every app broken in many ways."""
    for path, data in TREE.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("compose.yaml"):
            broken = data.replace(b"\n    restart: unless-stopped", WRONG.encode())
            file.write_bytes(broken + b"\nconfig: {}\nsecrets: {s: {}, t: {external: true}}\nmodels: {}\n")
        else:
            file.write_bytes(data)


def said_by_a_process(folder: Path, hash_seed: str, *devices: str, locale: str = "C.UTF-8") -> bytes:
    ascii_only = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"} if locale == "C" else {}
    return subprocess.run(
        [sys.executable, "-c", PRINT, str(folder), *devices],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "LC_ALL": locale, **ascii_only},
        capture_output=True,
        check=True,
    ).stdout


def test_what_is_shared_between_devices_is_what_each_would_be_alone() -> None:
    """One FleetFiles remembers patched documents and apps; the order of devices must not be seen in them."""
    tree = TREE
    alone = {name: canonical(FleetFiles(tree).render(name).desired) for name in FleetFiles(tree).device_paths}
    for names in (sorted(alone), sorted(alone, reverse=True), [*sorted(alone), *sorted(alone)]):
        files = FleetFiles(tree)
        assert {name: canonical(files.render(name).desired) for name in names} == alone
