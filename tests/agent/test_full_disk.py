"""A state that may not be written: the device goes on, and says so, though it can write nothing down."""

import errno
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from soak_rig import Rig

from lab.git_server import GitServer
from reconciler.agent.errands.delivery import make_delivery
from reconciler.agent.settings.config import load_config
from reconciler.agent.settings.identity import Identity
from reconciler.agent.state.journal import Journal
from reconciler.errors import RemoteUnavailable, StateError, StateInUse
from reconciler.model import Report, Revisions
from reconciler.repository import Mirror, Remote
from signing import write_new_key
from tests.repository.server_side import ServerSide

REPORT = Report(device="press-1", time="2026-06-01T00:00:00Z", phase="Healthy", revisions=Revisions())
SETTINGS = """\
apiVersion: fleet/v1
kind: Agent
metadata: {{name: press-1}}
spec:
  remote: {{url: "{url}"}}
  trust: {{allowedSigners: allowed_signers}}
  identity: identity
  status: {{transport: {transport}}}
  state: state
  secrets: {{folder: memory/secrets}}
"""


def told(rig: Rig) -> dict[str, tuple[str, str]]:
    """The conditions of the newest report that the server has."""
    report = json.loads(rig.git.git.run("cat-file", "blob", "refs/heads/status:devices/press/status.json"))
    return {one["type"]: (one["status"], one["reason"]) for one in report["conditions"]}


def refuse(*_: object) -> None:
    raise StateError("cannot be written: No space left on device")


def test_what_could_not_be_written_is_reported_until_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, seed=1)
    rig.step_quietly()
    assert "Stored" not in told(rig)
    rig.commit("News")
    with monkeypatch.context() as full:
        full.setattr("reconciler.agent.state.journal.write_atomically", refuse)
        for _ in range(2):
            rig.step_quietly()
            assert told(rig)["Stored"] == ("False", "StateError")
    rig.step_quietly()
    assert "Stored" not in told(rig)


def test_what_is_no_longer_allowed_and_cannot_be_forgotten_keeps_nothing_from_being_healed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, seed=1)
    rig.step_quietly()
    assert rig.is_well()
    forgets = "reconciler.agent.passes.reconcile.admitted"
    with monkeypatch.context() as full:
        full.setattr("reconciler.agent.state.journal.write_atomically", refuse)
        full.setattr(forgets, lambda memory, *_: replace(memory, good={}))
        rig.engine.forget(next(iter(rig.engine.boxes)))
        rig.step_quietly()
        assert told(rig)["Stored"] == ("False", "StateError")
    assert rig.is_well()


def test_a_state_that_may_only_be_read_is_locked_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(path: str, flags: int, *more: int) -> int:
        if flags & os.O_RDWR:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return opened(path, flags, *more)

    opened = os.open
    with Journal(tmp_path).locked():
        pass
    monkeypatch.setattr("reconciler.agent.state.journal.os.open", read_only)
    with Journal(tmp_path).locked(), pytest.raises(StateInUse), Journal(tmp_path).locked():
        pass
    (tmp_path / "lock").unlink()
    with pytest.raises(StateError, match="check the disk"), Journal(tmp_path).locked():
        pass


@dataclass(frozen=True)
class Way:
    """A device whose reports go by this transport, and its server."""

    folder: Path
    bare: Path
    ref: str

    def report(self, report: Report = REPORT) -> None:
        config = load_config(self.folder / "config.yaml")
        make_delivery(config, Identity(config.identity)).deliver(report, 1_780_000_000.0)

    def told(self) -> str:
        """The phase that the server has."""
        shown = ["git", "--git-dir", str(self.bare), "show", f"{self.ref}:devices/press-1/status.json"]
        return str(json.loads(subprocess.run(shown, capture_output=True, check=True).stdout)["phase"])


@pytest.fixture(params=["ref", "branch"])
def way(request: pytest.FixtureRequest, git: GitServer, tmp_path: Path) -> Way:
    url = git.create("fleet")
    ServerSide(git.path("fleet")).commit({"x": b"x"})
    (tmp_path / "config.yaml").write_text(SETTINGS.format(url=url, transport=request.param))
    write_new_key(tmp_path / "identity", "press-1@devices.invalid")
    (tmp_path / "memory").mkdir()
    return Way(tmp_path, git.path("fleet"), "refs/reports/press-1" if request.param == "ref" else "status")


def test_a_report_that_the_state_does_not_take_leaves_by_memory(way: Way) -> None:
    (way.folder / "state").write_text("in the way")
    for phase in ("Healthy", "Failed"):
        way.report(replace(REPORT, phase=phase))
        assert way.told() == phase
    assert (way.folder / "state").read_text() == "in the way"
    assert list((way.folder / "memory").iterdir()) == [], "memory is not for keeping it"


@pytest.mark.parametrize("told_before", [True, False])
def test_nor_one_that_finds_no_room(way: Way, small_disk: Path, *, told_before: bool) -> None:
    (way.folder / "state").symlink_to(small_disk)
    if told_before:
        way.report()
    ServerSide(way.bare).commit({"devices/other/status.json": os.urandom(60_000)}, branch="status")
    fill(small_disk)
    way.report(replace(REPORT, phase="Failed"))
    assert way.told() == "Failed"
    (small_disk / "filler").unlink()
    way.report()
    assert way.told() == "Healthy"
    assert list((way.folder / "memory").iterdir()) == []


def test_a_disk_that_may_only_be_read_from_now_on_is_told(way: Way, small_disk: Path) -> None:
    """As a card that fails: in the middle of a fetch, or with a store that it has damaged before."""
    (way.folder / "state").symlink_to(small_disk)
    way.report()
    for store in small_disk.glob("*.git"):
        (store / "objects/pack").mkdir(exist_ok=True)
        (store / "objects/pack/tmp_pack_x").write_bytes(b"")
        (store / "config").write_text("[core")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    way.report(replace(REPORT, phase="Failed"))
    assert way.told() == "Failed"
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    way.report()
    assert way.told() == "Healthy"


def test_a_server_whose_disk_is_full_is_not_taken_for_this_device(way: Way) -> None:
    (way.bare / "HEAD").write_text("fatal: No space left on device\n")
    with pytest.raises(RemoteUnavailable):
        way.report()


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space left"):
        while True:
            filler.write(b"\0" * 4096)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_not_taken_for_a_server_that_is_away(git: GitServer, small_disk: Path) -> None:
    url = git.create("fleet")
    server = ServerSide(git.path("fleet"))
    server.commit({"x": b"x"})
    mirror = Mirror(small_disk / "repository.git", Remote.parse(url), "main")
    mirror.fetch()
    fill(small_disk)
    server.commit({"y": b"y" * 5000})
    with pytest.raises(StateError, match=r"repository\.git: cannot be written: .*No space left on device; make room"):
        mirror.fetch()
    (small_disk / "filler").unlink()
    assert mirror.fetch() == mirror.seen()
