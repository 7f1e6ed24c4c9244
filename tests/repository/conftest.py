"""A server with one repository, and a device's mirror of it."""

from pathlib import Path

import pytest
from server_side import FILES, ServerSide

from lab.git_server import GitServer
from reconciler.repository import Mirror, Remote


@pytest.fixture
def url(git: GitServer) -> str:
    return git.create("fleet")


@pytest.fixture
def server(git: GitServer, url: str) -> ServerSide:
    side = ServerSide(git.path("fleet"))
    side.commit(FILES)
    return side


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store.git"


@pytest.fixture
def mirror(server: ServerSide, url: str, store: Path) -> Mirror:
    return Mirror(store, Remote.parse(url), "main")
