"""What we make of a Compose project is what `docker compose` makes of it; and to the planner it is what was asked for.

The other half was recorded (record_inspections.py) with Compose 2.40 on each Engine that `recordings` names, for each
case of the corpus that Compose can create there. What it cannot stands in `left_out`.
"""

import json
from ipaddress import ip_network
from pathlib import Path

import docker
import pytest

from lab.slots import PLACES, Slot
from reconciler.agent.docker_engine import DockerEngine
from reconciler.errors import EngineError
from reconciler.model import Mount, Service
from reconciler.planning import CreateContainer, fingerprint, make_plan
from tests.like_compose import recordings
from tests.like_compose.inspection import Leaves, comparable, shown
from tests.like_compose.left_out import NOT_CREATED
from tests.like_compose.projects import DEVICE, MAKING, READ, STARTING, desired_of

ANY = sorted({folder for folder in READ for engine in recordings.ENGINES if recordings.read(folder, engine)})


@pytest.mark.parametrize("engine", recordings.ENGINES)
def test_every_project_was_recorded_or_is_left_out_for_a_reason(engine: str) -> None:
    missing = {folder.name for folder in READ if recordings.read(folder, engine) is None}
    assert missing == {name for name, without in NOT_CREATED.items() if engine in without.engines}


def test_no_private_engine_gives_out_addresses_that_projects_write() -> None:
    pools = [ip_network(Slot(number, lock=-1).pool) for number in range(PLACES)]
    assert [pool for pool in pools if pool.overlaps(ip_network("10.201.0.0/16"))] == []


@pytest.mark.docker
@pytest.mark.parametrize("folder", ANY, ids=lambda folder: folder.name)
def test_what_is_made_is_what_compose_makes(
    project: Path, engine: DockerEngine, client: docker.DockerClient, kind: str, bare: Leaves, tmp_path: Path
) -> None:
    wanted = recordings.read(project, kind)
    if wanted is None:
        pytest.skip(f"not created on Engine {kind}: {NOT_CREATED[project.name].why}")
    desired = desired_of(project)
    for step in make_plan(desired, engine.observe(DEVICE)):
        if isinstance(step, MAKING):
            engine.perform(step)
    names = {
        "containers": {service.container_name for app in desired.apps for service in app.services},
        "networks": {network.name for app in desired.apps for network in app.networks},
        "volumes": {volume.name for app in desired.apps for volume in app.volumes},
    }
    made = json.loads(json.dumps(shown(client, names, str(tmp_path / "files"), bare)))
    assert comparable(made, project.name) == comparable(wanted, project.name)
    rest = [step for step in make_plan(desired, engine.observe(DEVICE)) if not isinstance(step, STARTING)]
    assert rest == [], "what was made is taken for something else"


@pytest.mark.docker
def test_a_missing_path_with_an_selinux_label_is_refused_and_not_made(
    engine: DockerEngine, client: docker.DockerClient, tmp_path: Path
) -> None:
    missing = tmp_path / "disk"
    mount = Mount("bind", "/data", str(missing), selinux="z")
    service = Service("web", "box:1", "shop-web-1", network_mode="none", mounts=(mount,))
    with pytest.raises(EngineError, match=f"shop/web: bind source path does not exist: {missing}"):
        engine.perform(CreateContainer("shop", "shop/web", "", service, "shop-web-1", fingerprint(service)))
    assert not missing.exists()
    missing.mkdir()
    engine.perform(CreateContainer("shop", "shop/web", "", service, "shop-web-1", fingerprint(service)))
    assert client.api.inspect_container("shop-web-1")["HostConfig"]["Binds"] == [f"{missing}:/data:rw,z"]
