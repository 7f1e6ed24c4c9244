"""Files that ring when they change: real inotify, and nothing that is waited for in vain."""

import queue
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.agent.service.watched_files import watch_files, watched_files
from reconciler.agent.settings.config import load_config

PATIENCE = 60.0


class Ear:
    """Hears what rings, each name in its order."""

    def __init__(self) -> None:
        self._rung: queue.Queue[str] = queue.Queue()

    def ring(self, path: str) -> None:
        self._rung.put(Path(path).name)

    def hears(self, name: str) -> set[str]:
        """What rang until this did."""
        heard = set()
        while name not in heard:
            heard.add(self._rung.get(timeout=PATIENCE))
        return heard


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def keys(tmp_path: Path, ear: Ear) -> Iterator[Path]:
    path = tmp_path / "keys" / "allowed_signers"
    path.parent.mkdir()
    path.write_text("ann\n")
    stop = watch_files([path, path.with_name("later"), path.with_name("last"), tmp_path / "nowhere" / "file"], ear.ring)
    yield path
    stop()


def test_a_file_that_is_written_rings(keys: Path, ear: Ear) -> None:
    keys.write_text("ben\n")
    assert ear.hears("allowed_signers") == {"allowed_signers"}


def test_a_file_that_is_replaced_rings_and_goes_on_ringing(keys: Path, ear: Ear) -> None:
    for sentinel in ("later", "last"):
        beside = keys.with_name("keys.new")
        beside.write_text("ben\n")
        beside.replace(keys)
        keys.with_name(sentinel).touch()
        assert "allowed_signers" in ear.hears(sentinel)


def test_a_file_that_is_touched_comes_or_goes_rings(keys: Path, ear: Ear) -> None:
    keys.touch()
    ear.hears("allowed_signers")
    keys.with_name("later").touch()
    ear.hears("later")
    keys.unlink()
    keys.with_name("last").touch()
    assert "allowed_signers" in ear.hears("last")


def test_reading_it_and_files_beside_it_ring_nobody(keys: Path, ear: Ear) -> None:
    keys.read_text()
    keys.with_name("others").write_text("1")
    # What happened in one folder is told in its order: once this rings, nothing before it did.
    keys.with_name("later").touch()
    assert ear.hears("later") == {"later"}


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
