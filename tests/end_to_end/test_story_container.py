"""The agent as a container: packaging/Dockerfile and compose.yaml as they are, on an Engine of its own (SOAK=1)."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from contained import AGENT, Contained, build, ground_apart
from plant import IMAGES, plant

from lab.base import BASE
from lab.engine import can_start_engines
from lab.waiting import wait_until
from reconciler.fleet.cli import main as fleet

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("SOAK"), reason="builds an image: SOAK=1"),
    pytest.mark.skipif(shutil.which("debootstrap") is None, reason="no debootstrap (Debian: debootstrap)"),
]
PATIENCE = 60.0


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contained]:
    """A device with the image, which runs nothing yet."""
    if not can_start_engines():
        pytest.skip("a private Engine needs root and dockerd; run lab/packages.sh")
    folder = tmp_path_factory.mktemp("contained")
    with ground_apart(folder, tmp_path_factory.mktemp("engine")) as ground, plant(folder, [ground]) as made:
        client = docker.DockerClient(base_url=ground.engine)
        build(client, tmp_path_factory.mktemp("context"))
        settings = made.machines[0].device.config
        told = settings.read_text().replace("  state: state\n", "").replace("interval: 1s", "interval: 2s")
        settings.write_text(f"{told}  admission: {{allow: ['bind:{folder}/srv']}}\n")
        (folder / "srv").mkdir()
        (folder / "srv/link").symlink_to("/etc")
        device = Contained(made, client, ground.engine)
        yield device
        device.down()
        client.close()


@pytest.fixture
def running(here: Contained) -> Iterator[Contained]:
    """The device runs one app of the first image."""
    commit = here.plant.write("one")
    here.up()
    try:
        at(here, commit, "one")
        yield here
    except BaseException:
        print(here.log()[-5000:])
        raise
    finally:
        here.down()


def at(here: Contained, commit: str, image: str) -> None:
    wait_until(lambda: here.plant.is_at(commit, image, here.machine), PATIENCE, f"{image} at {commit}", 0.2)


def untouched(here: Contained) -> list[tuple[str, str]]:
    """The containers of apps, and since when each runs."""
    return [(one.id, one.attrs["State"]["StartedAt"]) for one in here.machine.containers()]


def write_app(here: Contained, **more: Any) -> None:
    """Let the app have more of these keys, and its document those of `document`."""
    path = f"apps/web-{here.plant.tag}/compose.yaml"
    document = json.loads((here.plant.ann.work / path).read_text())
    document["services"]["serve"] |= {key: value for key, value in more.items() if key != "document"}
    here.plant.ann.write(path, json.dumps(document | more.get("document", {})))


def push(here: Contained, message: str) -> str:
    commit = here.plant.ann.commit(message)
    here.plant.ann.push()
    return commit


def test_it_follows_the_fleet_and_is_no_burden(running: Contained) -> None:
    commit = running.plant.write("two")
    at(running, commit, "two")
    code, told = running.reconciler("check", "-o", "json")
    found = {one["id"]: (one["verdict"], one["told"]) for one in json.loads(told)}
    assert code == 0, told
    # Docker asks for its health and ends nothing; and this machine may have a server of names that answers nobody.
    may_warn = {"engine-limits", "status-branch", "watchdog", "dns"}
    assert {name for name, (verdict, _) in found.items() if verdict != "ok"} <= may_warn, told
    assert running.reconciler("plan") == (0, "nothing to do\n")
    assert running.reconciler("logs", f"web-{running.plant.tag}")[0] == 0
    process = running.agent.top(ps_args="-o pid,rss,args")
    resident = sum(int(row[1]) for row in process["Processes"] if "reconciler run" in row[2])
    size = running.client.images.get(AGENT["image"]).attrs["Size"]
    base = running.client.images.get("lab/debian:12").attrs["Size"]
    print(f"\nimage {size / 1e6:.0f} MB, of which base {base / 1e6:.0f} MB; resident {resident / 1024:.1f} MiB")


def test_it_sees_the_room_on_the_disk_of_the_images(here: Contained) -> None:
    device = here.machine.device
    (device.folder / "full.yaml").write_text(f"{device.config.read_text()}  images: {{keepFree: 1000000g}}\n")
    code, told = here.run("check", "--only", "engine-room", "--config", "/etc/reconciler/full.yaml")
    assert (code, "no room on the disk" in told) == (1, True), told


def test_its_restart_and_its_next_version_touch_no_container(running: Contained) -> None:
    before = untouched(running)
    running.agent.restart()
    running.down()
    running.up()
    commit = running.plant.write("one", note="")
    at(running, commit, "one")
    assert untouched(running) == before
    running.agent.kill("HUP")
    assert running.reconciler("sync") == (0, "nothing to do\n")


def test_a_boot_leaves_it_no_folder_in_memory(running: Contained) -> None:
    before = untouched(running)
    running.agent.stop()
    running.client.containers.run(BASE, ["rm", "-r", "/run/reconciler"], volumes=["/run:/run"], remove=True)
    running.agent.start()
    wait_until(lambda: running.reconciler("sync") == (0, "nothing to do\n"), PATIENCE, "its pass", 0.2)
    assert untouched(running) == before


def test_its_health_is_that_of_its_work(running: Contained) -> None:
    """Asked as Docker asks, whose interval is long."""
    probe = running.client.images.get(AGENT["image"]).attrs["Config"]["Healthcheck"]["Test"][1:]
    assert running.agent.exec_run(probe).exit_code == 0
    code, told = running.run(*probe[1:])
    assert code == 0, told
    running.agent.stop()
    code, told = running.run(*probe[1:])
    assert (code, "no reconciler is at work" in told) == (1, True), told


def test_containers_get_files_of_its_state_and_of_memory(running: Contained, tmp_path: Path) -> None:
    (tmp_path / "value").write_text("CANARY")
    document = {"configs": {"menu": {"content": "soup"}}, "secrets": {"token": {"external": True}}}
    write_app(running, configs=[{"source": "menu", "target": "/menu"}], secrets=["token"], document=document)
    work = str(running.plant.ann.work)
    assert fleet(["-C", work, "secret", "set", "token", "--file", str(tmp_path / "value")]) == 0
    at(running, push(running, "A config and a secret"), "one")
    (serve,) = running.machine.containers()
    assert serve.exec_run(["cat", "/menu", "/run/secrets/token"]) == (0, b"soupCANARY")
    places = {mount["Destination"]: mount["Source"] for mount in serve.attrs["Mounts"]}
    assert places["/menu"].startswith("/var/lib/reconciler/configs/")
    assert places["/run/secrets/token"].startswith("/run/reconciler/secrets/")


def test_a_link_of_the_device_is_followed_there(running: Contained) -> None:
    """In its own container, nothing of the kind is there: it would have let it in."""
    before = untouched(running)
    srv = running.plant.folder / "srv"
    write_app(running, volumes=[f"{srv}/link:/mnt:ro"])
    push(running, "A bind through a link")
    wait_until(lambda: "ADMISSION_BIND" in running.log(), PATIENCE, "the refusal", 0.2)
    assert f"`bind:/etc` through the link {srv}/link" in running.log()
    assert untouched(running) == before
    write_app(running, volumes=[f"{srv}:/mnt:ro"])
    at(running, push(running, "A bind that is allowed"), "one")


def test_an_app_of_its_own_name_does_not_adopt_it(running: Contained) -> None:
    """By Compose's labels it would be taken over, and the agent stop itself in the middle."""
    before = running.agent.id
    made = {"image": IMAGES["one"], "pull_policy": "never", "command": ["sleep", "1000"], "init": True}
    ann = running.plant.ann
    ann.write("apps/reconciler/compose.yaml", json.dumps({"services": {"reconciler": made}, "x-adopt": True}))
    layer = json.loads((ann.work / "layers/base/all.yaml").read_text())
    layer["spec"]["apps"].append("reconciler")
    ann.write("layers/base/all.yaml", json.dumps(layer))
    commit = push(running, "An app with its name")
    wait_until(lambda: running.plant.is_at(commit, "one", running.machine, 2), PATIENCE, "the app beside it", 0.2)
    assert (running.agent.id, running.agent.status) == (before, "running")


@pytest.mark.parametrize(
    ("volumes", "told"),
    [
        (AGENT["volumes"][1:], "/host: the disk of the device is not mounted there"),
        (["/usr:/host:ro,rslave", *AGENT["volumes"][1:]], "/host: the disk of the device is not mounted there"),
        (
            [*AGENT["volumes"][:2], "/var/lib/elsewhere:/var/lib/reconciler", AGENT["volumes"][3]],
            "/var/lib/reconciler: it is not the folder that the device has there",
        ),
    ],
)
def test_without_the_disk_of_the_device_it_does_nothing(here: Contained, volumes: list[str], told: str) -> None:
    for command in ("once", "plan", "run"):
        code, words = here.run(command, volumes=volumes)
        assert code == 51, words
        assert told in words
    assert here.run("check", "--only", "settings", volumes=volumes)[0] == 1
