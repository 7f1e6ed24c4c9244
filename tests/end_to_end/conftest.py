"""A story: one fleet, one device, on the Engine and the registry that all tests share."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import docker
import pytest
from engine_recorder import recorder
from story import FLEET, Story, new_tag

from lab.device import Device
from lab.engine import Engine
from lab.git_server import GitServer
from lab.images import build_probe
from lab.operator import Operator
from lab.registry import Registry

_PROBES = {"one": ("ok", "1"), "two": ("ok", "2"), "sick": ("unhealthy", "3"), "exits": ("exits", "4")}


@pytest.fixture(scope="session")
def probes(lab_engine: Engine, lab_registry: Registry) -> Mapping[str, str]:
    """Images by what they do: `one` and `two` are versions that work, `sick` and `exits` do not."""
    return {
        name: build_probe(lab_engine.url, lab_registry.host, "probe", behaviour, version)
        for name, (behaviour, version) in _PROBES.items()
    }


@pytest.fixture
def story(
    tmp_path: Path,
    git: GitServer,
    ann: Operator,
    lab_engine: Engine,
    client: docker.DockerClient,
    probes: Mapping[str, str],
) -> Iterator[Story]:
    """A fleet repository with a device that obeys Ann, and nothing running yet."""
    tag = new_tag()
    url = git.create("fleet")
    ann.clone(url)
    with recorder(tmp_path / "e.sock", lab_engine.socket) as recording:
        device = Device.create(tmp_path / "device", f"press-{tag}", url, recording.url, [ann])
        told = Story(tag, tmp_path, git, recording, client, probes, ann, device)
        told.write("fleet.yaml", FLEET)
        told.enlist(device)
        told.layer()
        try:
            yield told
        finally:
            told.clean()


@pytest.fixture
def running(story: Story) -> Story:
    """A device that runs one app of a good commit."""
    story.app("web", "one")
    story.push("The good version")
    story.converge()
    return story
