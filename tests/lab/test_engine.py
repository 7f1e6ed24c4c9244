"""Private Engines and the images that run on them."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container
from docker.models.networks import Network

from lab import images
from lab.engine import Engine, private_engine, reachable_engine
from lab.registry import Registry
from lab.waiting import wait_until

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def pinned(lab_engine: Engine, lab_registry: Registry) -> dict[str, str]:
    return images.build(lab_engine.url, lab_registry.host)


@pytest.fixture
def plant(client: docker.DockerClient) -> Iterator[Network]:
    network = client.networks.create("lab-plant")
    yield network
    for container in client.containers.list(all=True, filters={"network": network.id}):
        container.remove(force=True)
    network.remove()


def test_every_behaviour_of_a_probe(client: docker.DockerClient, lab_engine: Engine, lab_registry: Registry) -> None:
    ends: dict[str, Callable[[Container], bool]] = {
        "ok": lambda seen: health(seen) == "healthy",
        "unhealthy": lambda seen: health(seen) == "unhealthy",
        "exits": lambda seen: state(seen)["ExitCode"] == 3,
        "job": lambda seen: state(seen)["Status"] == "exited" and state(seen)["ExitCode"] == 0,
    }
    for behaviour, ended in ends.items():
        image = images.build_probe(lab_engine.url, lab_registry.host, f"probe-{behaviour}", behaviour)
        container = client.containers.run(image, detach=True)
        try:
            wait_until(lambda seen=container, ended=ended: ended(seen), 15, behaviour)  # type: ignore[misc]
        finally:
            container.remove(force=True)


def test_two_versions_are_two_digests_and_pull_by_digest(
    client: docker.DockerClient, lab_engine: Engine, lab_registry: Registry
) -> None:
    first = images.build_probe(lab_engine.url, lab_registry.host, "probe-two", "ok", "1")
    second = images.build_probe(lab_engine.url, lab_registry.host, "probe-two", "ok", "2")
    assert first != second
    for image in client.images.list("probe-two") or client.images.list(f"{lab_registry.host}/probe-two"):
        client.images.remove(image.id, force=True)
    pulled = client.images.pull(first)
    assert pulled.labels["org.opencontainers.image.version"] == "1"


def test_building_again_gives_the_same_digest(
    lab_engine: Engine, lab_registry: Registry, pinned: dict[str, str]
) -> None:
    assert set(pinned) == {"andon", "camera", "collector", "detector"}
    assert images.build(lab_engine.url, lab_registry.host, ["camera"]) == {"camera": pinned["camera"]}
    other = images.build(lab_engine.url, lab_registry.host, ["camera"], version="1.1")
    assert other["camera"] != pinned["camera"]


def test_the_example_s_services_work_together(
    client: docker.DockerClient, plant: Network, pinned: dict[str, str]
) -> None:
    collector = start(client, plant, pinned, "collector", {"SAMPLE_SECONDS": "1"})
    start(client, plant, pinned, "camera", {"FRAME_SECONDS": "0.2", "DEFECT_RATE": "1"}, read_only=True)
    # Only names of the network lead from one to the other, as on a device.
    detector = start(
        client, plant, pinned, "detector",
        {"INFER_SECONDS": "0.2", "SOURCE": "press-3"}, cap_drop=["ALL"],
    )  # fmt: skip
    board = start(
        client, plant, pinned, "andon",
        {"REFRESH_SECONDS": "0.2", "TITLE": "Press <shop>", "LINE": "3"}, read_only=True,
    )  # fmt: skip
    running = (collector, detector, board)
    wait_until(lambda: all(health(one) == "healthy" for one in running), 60, "healthy services")
    wait_until(lambda: "section class=defect><b>press-3" in get(board, "/"), 60, "a defect on the board")
    metrics = get(collector, "/cgi-bin/metrics")
    assert 'plant_mean{source="press-3",metric="defect"} 1\n' in metrics
    assert 'plant_count{source="host",metric="load1"}' in metrics
    assert json.loads(get(detector, "/cgi-bin/last"))["defect"] is True
    assert "Press &lt;shop>" in get(board, "/")


def test_the_detector_survives_its_neighbours_and_says_when_it_is_blind(
    client: docker.DockerClient, plant: Network, pinned: dict[str, str]
) -> None:
    camera = start(client, plant, pinned, "camera", {"FRAME_SECONDS": "0.2"})
    detector = start(client, plant, pinned, "detector", {"INFER_SECONDS": "0.2", "FRESH_SECONDS": "3"})
    wait_until(lambda: health(detector) == "healthy", 60, "a detector without a collector")
    camera.stop()
    wait_until(lambda: health(detector) == "unhealthy", 60, "a detector without frames")
    camera.start()
    wait_until(lambda: health(detector) == "healthy", 60, "a detector that sees again")


def test_the_collector_refuses_what_it_cannot_keep(
    client: docker.DockerClient, plant: Network, pinned: dict[str, str]
) -> None:
    collector = start(client, plant, pinned, "collector", {"SAMPLE_SECONDS": "0", "MAX_BYTES": "200"})
    wait_until(lambda: health(collector) == "healthy", 60, "the collector")
    for words in ("source=../x&metric=m&value=1", "source=a&metric=m%22&value=1", "source=a&metric=m&value=one", ""):
        assert "400" in get(collector, f"/cgi-bin/ingest?{words}")
    for value in range(20):
        assert get(collector, f"/cgi-bin/ingest?source=a&metric=m&value={value}") == "ok\n"
    kept = collector.exec_run(["sh", "-c", "cat /data/*.log* | wc -c"]).output
    assert 0 < int(kept) < 500
    assert 'plant_last{source="a",metric="m"} 19\n' in get(collector, "/cgi-bin/metrics")


def test_services_end_by_themselves_when_told_to_stop(
    client: docker.DockerClient, plant: Network, pinned: dict[str, str]
) -> None:
    running = [start(client, plant, pinned, name, {}) for name in pinned]
    for container in running:
        container.stop(timeout=10)
        assert state(container)["ExitCode"] == 0, "137 is the Engine's patience at its end, however loaded the machine"


def test_two_engines_live_side_by_side_and_leave_nothing(lab_engine: Engine, tmp_path: Path) -> None:
    del lab_engine  # it runs; that is all that is needed of it
    folder = tmp_path / ("a-long-name" * 8)
    with private_engine(folder) as second:
        opened = docker.DockerClient(base_url=second.url)
        opened.networks.create("lab-left")
        subnet = opened.networks.get("lab-left").attrs["IPAM"]["Config"][0]["Subnet"]
        opened.volumes.create("lab-left")
        opened.close()
        assert len(str(second.socket)) < 108
    assert subnet.startswith("10.")
    assert not second.socket.exists()
    assert str(second.socket.parent) not in Path("/proc/self/mounts").read_text()


def test_sigterm_ends_the_engine_too(tmp_path: Path, lab_engine: Engine) -> None:
    del lab_engine  # skips where no Engine can start
    program = (
        "import pathlib, sys, signal\nfrom lab.engine import private_engine\n"
        "with private_engine(pathlib.Path(sys.argv[1])) as e:\n    print(e.socket, flush=True); signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as user:
        assert user.stdout is not None
        socket = Path(user.stdout.readline().decode().strip())
        assert socket.exists()
        user.send_signal(signal.SIGTERM)
        assert user.wait(30) == 128 + signal.SIGTERM
    assert not socket.exists()


def test_an_engine_that_answers_is_reachable(lab_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", lab_engine.url)
    assert reachable_engine() == lab_engine.url
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    assert reachable_engine() != "unix:///nowhere.sock"


def start(
    client: docker.DockerClient,
    network: Network,
    pinned: dict[str, str],
    name: str,
    environment: dict[str, str],
    **settings: object,
) -> Container:
    config = client.api.create_networking_config({network.name: client.api.create_endpoint_config(aliases=[name])})
    created = client.api.create_container(
        pinned[name],
        environment=environment,
        networking_config=config,
        host_config=client.api.create_host_config(
            network_mode=network.name, tmpfs={"/tmp": "size=8m,mode=1777"}, **settings
        ),
    )
    container = client.containers.get(created["Id"])
    container.start()
    return container


def state(container: Container) -> dict[str, object]:
    container.reload()
    return dict(container.attrs["State"])


def health(container: Container) -> str:
    container.reload()
    return str(container.attrs["State"]["Health"]["Status"])


def get(container: Container, path: str) -> str:
    """Over the bridge, from outside; an error's page counts as an answer."""
    container.reload()
    address = container.attrs["NetworkSettings"]["Networks"]["lab-plant"]["IPAddress"]
    try:
        with urllib.request.urlopen(f"http://{address}:8080{path}", timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.code}"
