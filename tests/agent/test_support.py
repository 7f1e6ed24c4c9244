"""The support bundle: all that is asked for is in it, also on a device where nothing works, and no secret is."""

import json
import stat
import tarfile
import threading
from pathlib import Path

import pytest

from reconciler.agent.commands import support_engine
from reconciler.agent.commands.support import write_bundle
from reconciler.errors import PermissionDenied, StateError

SETTINGS = """\
apiVersion: fleet/v1
kind: Agent
metadata: {{name: press-1}}
spec:
  remote: {{url: '{url}', tokenFile: token}}
  engine: tcp://127.0.0.1:1
  state: state
"""


def device(folder: Path, url: str = "https://127.0.0.1:1/fleet.git") -> Path:
    (folder / "token").write_text("hunter2")
    path = folder / "config.yaml"
    path.write_text(SETTINGS.format(url=url))
    return path


def contents(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        files = {member.name: archive.extractfile(member) for member in archive}
        return {name: file.read() for name, file in files.items() if file is not None}


def test_a_device_where_nothing_works_tells_why(tmp_path: Path) -> None:
    bundle = tmp_path / "b.tar.gz"
    names = write_bundle(bundle, device(tmp_path))
    found = contents(bundle)
    assert sorted(found) == sorted(f"support/{name}" for name in names)
    assert {"check.json", "settings.yaml", "report.json", "trusted.json", "refs.txt", "state.txt"} <= set(names)
    checks = {one["id"]: one["verdict"] for one in json.loads(found["support/check.json"])}
    assert checks["settings"] == "ok" and checks["engine"] == "failed"
    for name in ("refs.txt", "commits.txt", "plan.txt", "containers.json", "networks.txt", "volumes.txt"):
        assert found[f"support/{name}"].startswith(b"not found out: "), name
    assert "containers.log" not in names
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o600


def test_logs_of_containers_are_in_it_when_somebody_wants_them(tmp_path: Path) -> None:
    assert "containers.log" in write_bundle(tmp_path / "b.tar.gz", device(tmp_path), with_logs=True)


def test_what_does_not_come_to_an_end_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.agent.commands.support._PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(support_engine, "plan", lambda config: threading.Event().wait())
    bundle = tmp_path / "b.tar.gz"
    write_bundle(bundle, device(tmp_path))
    assert contents(bundle)["support/plan.txt"] == b"not found out: no answer within 0.05 s\n"


@pytest.mark.parametrize("address", ["https://{}git.acme.example/fleet.git", "{}git.acme.example:fleet"])
def test_no_password_of_the_device_is_in_it(address: str, tmp_path: Path) -> None:
    bundle = tmp_path / "b.tar.gz"
    write_bundle(bundle, device(tmp_path, address.format("ann:hunter2@")))
    found = contents(bundle)
    assert "support/settings-are-wrong.txt" in found
    assert address.format("***@").encode() in found["support/settings.yaml"]
    assert not [name for name, content in found.items() if b"hunter2" in content]


def test_without_settings_it_says_so(tmp_path: Path) -> None:
    bundle = tmp_path / "b.tar.gz"
    write_bundle(bundle, tmp_path / "none.yaml")
    assert contents(bundle)["support/settings.yaml"].startswith(b"not found out: ")


def test_an_older_one_is_replaced_and_nothing_is_half_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, bundle = device(tmp_path), tmp_path / "b.tar.gz"
    write_bundle(bundle, settings)
    before = bundle.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("reconciler.agent.commands.support._add", full)
        with pytest.raises(StateError, match="No space left"):
            write_bundle(bundle, settings)
    assert bundle.read_bytes() == before
    assert not list(tmp_path.glob(".b.tar.gz*"))
    write_bundle(bundle, settings)
    assert contents(bundle)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises((StateError, PermissionDenied), match="nowhere"):
        write_bundle(tmp_path / "nowhere/b.tar.gz", device(tmp_path))
