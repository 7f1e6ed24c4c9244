"""What we make of a Compose project is what `docker compose` makes of it; and to the planner it is what was asked for.

The other half was recorded (record_inspections.py) with Compose 2.40 on Engine 20.10, for each case of the corpus that
this Engine can create.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from lab.base import ensure_base
from lab.engine import Engine as LabEngine
from reconciler.agent.docker_engine import DockerEngine
from reconciler.manifests import FleetFiles
from reconciler.model import DesiredState
from reconciler.planning import (
    AwaitCompleted,
    AwaitHealthy,
    ConnectNetwork,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    StartContainer,
    StoreConfig,
    make_plan,
)
from tests.like_compose.bench import BOXES, tag_boxes
from tests.like_compose.inspection import Leaves, bare_container, shown

sys.path.insert(0, str(Path(__file__).parent.parent / "manifests"))

from test_compose_corpus import CASES, tree_of  # found by the line above

pytestmark = pytest.mark.docker
RECORDED = [folder for folder in CASES if (folder / "inspect.json").exists()]
STARTING = (StartContainer, AwaitHealthy, AwaitCompleted)
MAKING = (CreateNetwork, CreateVolume, StoreConfig, CreateContainer, ConnectNetwork)
DEVICE = "like-compose"


@pytest.fixture(scope="module")
def client(lab_engine: LabEngine) -> Iterator[docker.DockerClient]:
    opened = docker.DockerClient(base_url=lab_engine.url)
    if not opened.version()["Version"].startswith("20.10"):
        pytest.skip("the other half was recorded on Engine 20.10")
    ensure_base(opened.api)
    tag_boxes(opened)
    yield opened
    for name in BOXES:
        opened.images.remove(name, noprune=True)
    opened.close()


@pytest.fixture(scope="module")
def bare(client: docker.DockerClient) -> Leaves:
    return bare_container(client, BOXES[0])


@pytest.fixture
def engine(client: docker.DockerClient, lab_engine: LabEngine, tmp_path: Path) -> Iterator[DockerEngine]:
    volumes = {volume["Name"] for volume in client.api.volumes()["Volumes"] or []}
    yield DockerEngine(lab_engine.url, DEVICE, tmp_path / "files")
    for container in client.containers.list(all=True, filters={"label": f"fleet.device={DEVICE}"}):
        container.remove(force=True, v=True)
    for network in client.api.networks(filters={"label": f"fleet.device={DEVICE}"}):
        client.api.remove_network(network["Id"])
    for volume in client.api.volumes()["Volumes"] or []:
        if volume["Name"] not in volumes:
            client.api.remove_volume(volume["Name"], force=True)


def test_there_are_enough_cases() -> None:
    assert len(RECORDED) >= 120


@pytest.mark.parametrize("folder", RECORDED, ids=lambda folder: folder.name)
def test_what_is_made_is_what_compose_makes(
    folder: Path, engine: DockerEngine, client: docker.DockerClient, bare: Leaves, tmp_path: Path
) -> None:
    desired = FleetFiles(tree_of(folder)).render("press").desired
    desired = DesiredState(DEVICE, desired.apps)
    for step in make_plan(desired, engine.observe(DEVICE)):
        if isinstance(step, MAKING):
            engine.perform(step)
    names = {
        "containers": {service.container_name for app in desired.apps for service in app.services},
        "networks": {network.name for app in desired.apps for network in app.networks},
        "volumes": {volume.name for app in desired.apps for volume in app.volumes},
    }
    made = json.loads(json.dumps(shown(client, names, str(tmp_path / "files"), bare)))
    assert made == json.loads((folder / "inspect.json").read_text())
    rest = [step for step in make_plan(desired, engine.observe(DEVICE)) if not isinstance(step, STARTING)]
    assert rest == [], "what was made is taken for something else"
