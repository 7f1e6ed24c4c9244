"""What is judged is what the Engine gets: with a `..` behind a link, the kernel would take another path."""

import json
from pathlib import Path

from reconciler.agent.docker_engine.container_body import container_body
from reconciler.model import DeviceMapping, Service
from reconciler.planning import CreateContainer, fingerprint
from tests.fakes.files import service_files


def test_a_device_file_goes_to_the_engine_as_it_was_judged(tmp_path: Path) -> None:
    devices = (DeviceMapping("/dev/cameras/../mem", "/dev/x", "rwm"),)
    service = Service("web", "web:1", "web-1", network_mode="none", devices=devices)
    step = CreateContainer("shop", "shop/web", "not on the device", service, "web-1", fingerprint(service))
    body = json.dumps(container_body(step, "press", service_files(tmp_path)))
    assert "/dev/mem" in body
    assert ".." not in body
