"""An Engine of a version that was recorded, with the images of the corpus, and our hands on it."""

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from lab.base import ensure_base
from lab.engine import Engine as LabEngine
from reconciler.agent.docker_engine import DockerEngine
from tests.fakes.files import service_files
from tests.like_compose.bench import BOXES, make_external, missing_interfaces, tag_boxes
from tests.like_compose.inspection import Leaves, bare_container
from tests.like_compose.projects import DEVICE
from tests.like_compose.recordings import ENGINES, engine_of


@pytest.fixture(scope="module")
def client(lab_engine: LabEngine) -> Iterator[docker.DockerClient]:
    opened = docker.DockerClient(base_url=lab_engine.url)
    ensure_base(opened.api)
    tag_boxes(opened)
    yield opened
    for name in BOXES:
        opened.images.remove(name, noprune=True)
    opened.close()


@pytest.fixture(scope="module")
def kind(client: docker.DockerClient) -> str:
    """Which of the recorded Engines this one is."""
    version = client.version()["Version"]
    found = engine_of(version)
    if found is None:
        pytest.skip(f"Engine {version}: what Compose makes was recorded on {' and '.join(ENGINES)}")
    return found


@pytest.fixture(scope="module")
def bare(client: docker.DockerClient) -> Leaves:
    return bare_container(client, BOXES[0])


@pytest.fixture
def engine(client: docker.DockerClient, lab_engine: LabEngine, tmp_path: Path) -> Iterator[DockerEngine]:
    networks = {network["Id"] for network in client.api.networks()}
    volumes = {volume["Name"] for volume in client.api.volumes()["Volumes"] or []}
    yield DockerEngine(lab_engine.url, DEVICE, service_files(tmp_path / "files"))
    for container in client.containers.list(all=True, filters={"label": f"fleet.device={DEVICE}"}):
        container.remove(force=True, v=True)
    for network in client.api.networks():
        if network["Id"] not in networks:
            client.api.remove_network(network["Id"])
    for volume in client.api.volumes()["Volumes"] or []:
        if volume["Name"] not in volumes:
            client.api.remove_volume(volume["Name"], force=True)


@pytest.fixture
def project(folder: Path, client: docker.DockerClient, engine: DockerEngine) -> Path:
    """The case, with what it takes for granted there; after `engine`, which removes it again."""
    del engine
    if missing := missing_interfaces(folder):
        pytest.skip(f"this machine has no interface {', '.join(missing)}")
    make_external(client, folder)
    return folder
