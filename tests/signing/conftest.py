"""Fixtures of the room: isolation, real keys, a real repository. Functions are in `signing_workbench`."""

from pathlib import Path

import pytest
from signing_workbench import KEY_KINDS, KeyPair, Repository, isolated_environment, make_repository


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, setting in isolated_environment().items():
        monkeypatch.setenv(name, setting)


@pytest.fixture(scope="session")
def key_pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, KeyPair]:
    folder = tmp_path_factory.mktemp("keys")
    return {kind: KeyPair.make(folder / kind, *options) for kind, options in KEY_KINDS.items()}


@pytest.fixture(params=KEY_KINDS)
def pair(request: pytest.FixtureRequest, key_pairs: dict[str, KeyPair]) -> KeyPair:
    return key_pairs[request.param]


@pytest.fixture
def alice(key_pairs: dict[str, KeyPair]) -> KeyPair:
    return key_pairs["ed25519"]


@pytest.fixture
def repository(tmp_path: Path, alice: KeyPair) -> Repository:
    folder = tmp_path / "repository"
    made = make_repository(folder, alice.path)
    made.allow(f"alice {alice.signer.public.line}")
    return made
