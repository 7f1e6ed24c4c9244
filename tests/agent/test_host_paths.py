"""What is judged is what the Engine gets: with a `..` behind a link, the kernel would take another path."""

import json
from pathlib import Path

import pytest

from reconciler.agent.docker_engine.container_body import container_body
from reconciler.model import DeviceMapping, Mount, Service
from reconciler.planning import CreateContainer, fingerprint
from tests.fakes.files import service_files


@pytest.mark.parametrize(
    "asks",
    [
        {"devices": (DeviceMapping("/dev/cameras/../mem", "/dev/x", "rwm"),)},
        {"mounts": (Mount("bind", "/x", "/dev/cameras/../mem", create_host_path=True),)},
        {"mounts": (Mount("bind", "/x", "/dev/cameras/../mem"),)},
    ],
)
def test_paths_of_the_device_go_to_the_engine_as_they_were_judged(asks: dict[str, object], tmp_path: Path) -> None:
    service = Service("web", "web:1", "web-1", network_mode="none", **asks)  # type: ignore[arg-type]
    step = CreateContainer("shop", "shop/web", "not on the device", service, "web-1", fingerprint(service))
    body = json.dumps(container_body(step, "press", service_files(tmp_path)))
    assert "/dev/mem" in body
    assert ".." not in body
