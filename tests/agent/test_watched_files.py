"""Files that ring when they change: real inotify, and nothing that is waited for in vain."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.agent.service.watched_files import watch_files, watched_files
from reconciler.agent.settings.config import load_config

PATIENCE = 10.0


class Ear:
    """Hears rings, each once."""

    def __init__(self) -> None:
        self._rung = threading.Semaphore(0)

    def ring(self) -> None:
        self._rung.release()

    def hears(self) -> bool:
        heard = self._rung.acquire(timeout=PATIENCE)
        while self._rung.acquire(timeout=0.05):
            pass
        return heard

    @property
    def is_quiet(self) -> bool:
        return not self._rung.acquire(blocking=False)


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def keys(tmp_path: Path, ear: Ear) -> Iterator[Path]:
    path = tmp_path / "keys" / "allowed_signers"
    path.parent.mkdir()
    path.write_text("ann\n")
    stop = watch_files([path, tmp_path / "keys" / "later", tmp_path / "nowhere" / "file"], ear.ring)
    yield path
    stop()


def test_a_file_that_is_written_rings(keys: Path, ear: Ear) -> None:
    keys.write_text("ben\n")
    assert ear.hears()


def test_a_file_that_is_replaced_rings_and_goes_on_ringing(keys: Path, ear: Ear) -> None:
    for _ in range(2):
        beside = keys.with_name("keys.new")
        beside.write_text("ben\n")
        beside.replace(keys)
        assert ear.hears()


def test_a_file_that_is_touched_comes_or_goes_rings(keys: Path, ear: Ear) -> None:
    keys.touch()
    assert ear.hears()
    keys.with_name("later").touch()
    assert ear.hears()
    keys.unlink()
    assert ear.hears()


def test_reading_it_and_files_beside_it_ring_nobody(keys: Path, ear: Ear) -> None:
    keys.read_text()
    keys.with_name("others").write_text("1")
    # What happened in one folder is told in its order: once this rings, nothing before it did.
    keys.with_name("later").touch()
    assert ear.hears()
    assert ear.is_quiet


def test_all_that_settings_name_is_watched(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    (tmp_path / "token").write_text("x")
    config.write_text("""\
apiVersion: fleet/v1
kind: Agent
metadata: {name: press-1}
spec:
  remote:
    url: https://git.example/fleet.git
    tokenFile: token
    caFile: ca.pem
    mirrors: [{url: "ssh://git@other.example/fleet.git", knownHostsFile: other_hosts}]
  trust: {allowedSigners: allowed, revokedKeys: revoked, forgeKeys: forge}
  identity: identity
  secrets: {keyFile: age.key}
  state: state
""")
    names = {str(path.relative_to(tmp_path)) for path in watched_files(config, load_config(config))}
    assert names == {
        "config.yaml", "token", "ca.pem", "other_hosts", "allowed", "revoked", "forge", "identity", "identity.next",
        "age.key", "state/nudge",
    }  # fmt: skip
