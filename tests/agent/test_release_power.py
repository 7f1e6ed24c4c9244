"""Mode `release` and the power: killed at any write, or met with a state that is torn, gone or foreign."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from released_stage import NEWER, Stage, code, drop, seq, version, version_2

from lab.released import NOW
from reconciler.agent.state.release_memory import Noted, release_trust, write_release_trust
from reconciler.errors import PermissionDenied, StateError

ROOT = Path(__file__).parents[2]

# A reconciler that looks once, and is ended by SIGKILL before or after its Nth write of the journal.
KILLED = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from reconciler.agent.state import journal as journals
from reconciler.agent.orders.release_source import ReleaseSource
from reconciler.repository import Mirror, Remote

folder, url, anchor, now, write, moment = sys.argv[1:]
real, count = journals.write_atomically, 0

def cut(*arguments):
    global count
    count += 1
    if count == int(write) and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(*arguments)
    if count == int(write):
        os.kill(os.getpid(), signal.SIGKILL)

journals.write_atomically = cut
mirror = Mirror(Path(folder) / "repository.git", Remote(url), "main")
source = ReleaseSource(mirror, journals.Journal(Path(folder)), anchor, "main", "releases")
source.obtain(datetime.fromisoformat(now))
"""
WRITES = range(1, 9) if os.environ.get("SOAK") else (2, 4, 6)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("write", WRITES)
def test_a_kill_at_any_write_leaves_nothing_below_what_was_accepted(stage: Stage, moment: str, write: int) -> None:
    stage.release(1)
    stage.publish()
    stage.obtain()
    version_2(stage)
    stage.fleet.note()
    stage.release(2, NEWER)
    stage.release(3, {**NEWER, "fleet.yaml": "newest"})
    stage.publish()
    accepted, policy = seq(stage), version(stage)
    state, url = stage.folder / "state", f"file://{stage.git.git_dir}"
    told = [str(state), url, stage.anchor, NOW.isoformat(), str(write), moment]
    for _ in range(3):
        command = [sys.executable, "-c", KILLED, *told]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode in (0, -9), done.stderr
        assert seq(stage) >= accepted
        assert version(stage) >= policy
        accepted, policy = seq(stage), version(stage)
    assert code(stage.obtain()) == "Verified"

    drop(stage, "releases/main/3/")
    drop(stage, "releases/main/2/")
    stage.publish()
    obtained = stage.obtain()
    assert (seq(stage), version(stage)) == (3, 2)
    assert obtained.trusted is not None
    assert (obtained.trusted.tag, code(obtained)) == ("main/3", "ROLLBACK")


@pytest.mark.parametrize("name", ["releases.json", "trusted.json"])
@pytest.mark.parametrize("how", ["torn", "gone", "foreign", "empty", "changed"])
def test_a_state_that_is_torn_gone_or_foreign_is_not_believed(released: Stage, name: str, how: str) -> None:
    file = released.folder / "state" / name
    content = file.read_bytes()
    match how:
        case "torn":
            file.write_bytes(content[: len(content) // 2])
        case "gone":
            file.unlink()
        case "foreign":
            file.write_bytes(b'{"sha256": "0", "value": {}}')
        case "empty":
            file.write_bytes(b"")
        case _:
            file.write_bytes(content.replace(b"main", b"mbin"))
    obtained = released.obtain()
    assert (obtained.trusted, code(obtained)) == (None, "TRUST_STATE")
    with pytest.raises(StateError):
        _ = released.journal.trusted, release_trust(released.journal)
    file.write_bytes(content)
    assert code(released.obtain()) == "Verified"


def test_an_older_state_that_somebody_puts_back_is_believed_and_leads_on_only(released: Stage) -> None:
    files = [released.folder / "state" / name for name in ("releases.json", "trusted.json")]
    older = [file.read_bytes() for file in files]
    released.release(2, NEWER)
    released.publish()
    released.obtain()
    for file, content in zip(files, older, strict=True):
        file.write_bytes(content)
    assert (code(released.obtain()), seq(released)) == ("Verified", 2)


def test_a_device_that_is_reset_begins_at_its_anchor(released: Stage) -> None:
    version_2(released)
    released.publish()
    released.obtain()
    released.journal.forget_trusted()
    assert release_trust(released.journal) is None
    assert code(released.obtain()) == "Verified"
    assert (seq(released), version(released)) == (1, 2)


def test_memory_and_disk_say_the_same(released: Stage) -> None:
    state = release_trust(released.journal)
    assert state is not None
    journal = released.journal
    newer = replace(state, notes={"main": Noted(1.0, 2.0, 3, "4")})
    write_release_trust(journal, newer)
    assert release_trust(journal) == newer
    assert release_trust(released.journal) == newer


def test_a_state_that_may_not_be_read_is_told_as_such(released: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionDenied("the state may not be read")

    monkeypatch.setattr("reconciler.agent.state.journal.Journal._load", forbidden)
    with pytest.raises(PermissionDenied):
        released.obtain()


def test_a_disk_that_takes_nothing_is_told_and_what_was_trusted_stays(
    released: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = released.obtain().trusted
    released.release(2, NEWER)
    released.publish()

    def full(*_: object) -> None:
        raise StateError("cannot be written: No space left on device")

    monkeypatch.setattr("reconciler.agent.state.journal.write_atomically", full)
    obtained = released.obtain()
    assert (obtained.trusted, code(obtained), code(obtained, "Fresh")) == (before, "Kept", "StateError")
