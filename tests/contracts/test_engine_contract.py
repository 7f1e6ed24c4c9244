"""The contract, run against the fake always, and against a real Docker Engine where there is one."""

import contextlib
import gc
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import NotFound

from lab.engine import Engine as LabEngine
from lab.images import build_probe
from lab.registry import Registry
from reconciler.agent.docker_engine import DockerEngine
from reconciler.agent.engine.seam import Engine
from tests.contracts.engine_contract import EngineContract
from tests.fakes.engine import FakeEngine
from tests.fakes.files import service_files

BEHAVIOURS = ("ok", "unhealthy", "exits", "job")
NETWORKS = ("app_default", "app_back")


class FakeBench:
    def __init__(self) -> None:
        self.device = "press"
        self.engine = self.fake = FakeEngine(self.device)
        self.fake.behaviours = {self.image(behaviour): behaviour for behaviour in (*BEHAVIOURS, "missing")}
        self.pause, self.kill, self.reads = self.fake.pause, self.fake.kill, self.fake.reads

    def image(self, behaviour: str) -> str:
        return f"registry.example:5000/probe-{behaviour}@sha256:{'0' * 64}"

    def adjust(self, name: str, memory: int) -> None:
        self.fake.adjust(name, memory=memory, memory_swap=2 * memory)

    def other(self, device: str) -> Engine:
        return self.fake  # one object plays for every device; what it shows depends on who looks

    def dead(self) -> Engine:
        dead = FakeEngine()
        dead.is_available = False
        return dead

    def foreign(self, name: str, network: str = "bridge") -> None:
        self.fake.foreign(name, [network])


class DockerBench:
    def __init__(self, lab: LabEngine, images: dict[str, str], folder: Path) -> None:
        self.device = f"press-{uuid.uuid4().hex[:8]}"
        self.url, self.images, self.folder = lab.url, images, folder
        self.engine: Engine = DockerEngine(lab.url, self.device, service_files(folder / "files"))
        self.client = docker.DockerClient(base_url=lab.url)

    def image(self, behaviour: str) -> str:
        return self.images[behaviour]

    def other(self, device: str) -> Engine:
        return DockerEngine(self.url, device, service_files(self.folder / "other-files"))

    def dead(self) -> Engine:
        return DockerEngine(f"unix://{self.folder}/nobody.sock", self.device, service_files(self.folder / "files"))

    def foreign(self, name: str, network: str = "bridge") -> None:
        self.client.containers.run(self.images["ok"], name=name, network=network, detach=True, labels={"foreign": "1"})

    def pause(self, name: str) -> None:
        self.client.containers.get(name).pause()

    def adjust(self, name: str, memory: int) -> None:
        self.client.containers.get(name).update(mem_limit=memory, memswap_limit=2 * memory)

    def kill(self, name: str) -> None:
        container = self.client.containers.get(name)
        container.kill()
        container.wait(timeout=10)

    def reads(self, name: str, path: str) -> bytes:
        content = self.client.containers.get(name).exec_run(["cat", path])
        assert content.exit_code == 0, content.output
        return bytes(content.output)

    def clean(self) -> None:
        """Remove what a test leaves; the Engine is the tests' own, so everything named like ours is."""
        mine = [{"label": f"fleet.device={self.device}"}, {"label": "foreign=1"}]
        for container in [c for wanted in mine for c in self.client.containers.list(all=True, filters=wanted)]:
            container.remove(force=True, v=True)
        for network in self.client.networks.list(names=list(NETWORKS)):
            network.remove()
        with contextlib.suppress(NotFound):
            self.client.volumes.get("app_data").remove()
        self.client.close()
        gc.collect()  # what leaks is found here, under this class's filter of warnings


class TestFakeEngine(EngineContract):
    @pytest.fixture
    def bench(self) -> FakeBench:
        return FakeBench()


@pytest.fixture(scope="module")
def probes(lab_engine: LabEngine, lab_registry: Registry) -> dict[str, str]:
    built = {b: build_probe(lab_engine.url, lab_registry.host, f"contract-{b}", b) for b in BEHAVIOURS}
    return {**built, "missing": f"{lab_registry.host}/contract-missing@sha256:{'0' * 64}"}


# Where nobody listens, the SDK leaks a socket at each try.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.docker
class TestDockerEngine(EngineContract):
    @pytest.fixture
    def bench(self, lab_engine: LabEngine, probes: dict[str, str], tmp_path: Path) -> Iterator[DockerBench]:
        bench = DockerBench(lab_engine, probes, tmp_path)
        try:
            yield bench
        finally:
            bench.clean()
