"""What every test shares: a clean environment, and one Engine and one registry for the whole run."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from lab.engine import Engine, can_start_engines, engine
from lab.git_server import GitServer, git_server
from lab.operator import Operator
from lab.registry import Registry, registry


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the one Engine carries the mark `docker`: `make test` runs it beside all that needs none."""
    for item in items:
        if "lab_engine" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.docker)


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No developer's settings: a test means the same on every machine."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("TZ", "UTC")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "DOCKER_HOST", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    # Where a developer's files are for the group as well, the agent would not believe them.
    os.umask(0o022)


@pytest.fixture
def git(tmp_path: Path) -> Iterator[GitServer]:
    with git_server(tmp_path / "server") as server:
        yield server


@pytest.fixture
def ann(tmp_path: Path) -> Operator:
    return Operator.create(tmp_path / "ann", "Ann", "ann@acme.example")


@pytest.fixture(scope="session")
def lab_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    if shutil.which("docker-registry") is None:
        pytest.skip("no docker-registry; run lab/packages.sh")
    with registry(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture(scope="session")
def lab_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if "LAB_ENGINE" not in os.environ and (not can_start_engines()):
        pytest.skip("a private Engine needs root and dockerd; run lab/packages.sh")
    with engine(tmp_path_factory.mktemp("engine")) as started:
        yield started


@pytest.fixture
def client(lab_engine: Engine) -> Iterator[docker.DockerClient]:
    opened = docker.DockerClient(base_url=lab_engine.url)
    yield opened
    opened.close()
