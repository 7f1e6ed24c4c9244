"""A machine that is not as it should be: each is told in one line, with what to do, and nothing is touched."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from story import Story

from lab.device import ROOT, Device

pytestmark = pytest.mark.docker
NOBODY = 65534


@pytest.fixture
def running(story: Story) -> Story:
    """A device that runs one app."""
    story.app("web")
    story.push("One app")
    story.converge()
    return story


def test_no_engine(running: Story) -> None:
    before = running.seen()
    running.settings(running.recorder.url, "unix:///nowhere/docker.sock")
    complains(running, 21, r"unix:///nowhere/docker\.sock: no Docker Engine answers; start it")
    assert running.seen() == before
    told = running.report()
    assert told.phase == "Failed"
    assert told.condition("Ready").status == "Unknown"
    assert told.condition("Stalled").reason == "EngineUnavailable"
    assert "unix:///nowhere/docker.sock" in told.condition("Stalled").message

    running.settings("unix:///nowhere/docker.sock", running.recorder.url)
    assert running.converge().stdout == "nothing to do\n"
    assert running.report().phase == "Healthy"
    assert running.report().condition("Drifted").status == "False"


def test_no_git_server_on_the_first_day(story: Story) -> None:
    story.server.stop()
    done = story.once()
    assert done.returncode == 31
    assert re.search(rf"{story.server.url('fleet')}: cannot fetch: .*; it is tried again", done.stderr)
    assert story.seen() == {}


def test_no_key(story: Story) -> None:
    story.device.key.unlink()
    complains(story, 51, rf"{story.device.key}: .*No such file.*python -m signing new")


def test_settings_that_are_no_yaml(story: Story) -> None:
    story.settings("kind: Agent\n", "kind: [Agent\n")
    complains(story, 51, rf"{story.device.config}:\d+:\d+: .*; see docs/reference/settings\.md")


def test_settings_with_a_key_that_does_not_exist(story: Story) -> None:
    story.settings("  interval:", "  intervall:")
    complains(story, 51, rf"{story.device.config}:6:3: .*intervall")


def test_no_settings(story: Story) -> None:
    story.device.config.unlink()
    complains(story, 51, rf"{story.device.config}: the settings cannot be read: No such file")


def test_settings_key_and_state_go_wrong_under_what_runs(running: Story) -> None:
    before = running.seen()
    running.settings("branch: main", "branch: mian")
    check(running.once(), 32, rf"{running.server.url('fleet')}: no branch `mian`; push it, or set `branch`")
    running.settings("branch: mian", "branch: main")

    running.device.key.chmod(0o644)
    complains(running, 51, rf"{running.device.key}: .*open to other users; run `chmod 600 ")
    running.device.key.chmod(0o600)

    file = running.device.state / "trusted.json"
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    complains(running, 52, rf"{file}: the state is not believed: .*; it is torn or not ours")
    file.write_bytes(whole)

    assert running.converge().stdout == "nothing to do\n"
    assert running.seen() == before


@pytest.fixture
def nobodys(story: Story) -> Iterator[Device]:
    """A device whose reconciler runs as the user `nobody`; its folder is where that user can look."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("becoming another user needs root and setpriv")
    story.app("web")
    story.push("One app")
    folder = Path(tempfile.mkdtemp(prefix="nobody-"))
    folder.chmod(0o755)
    device = Device.create(
        folder / "device", story.device.name, story.server.url("fleet"), story.recorder.url, [story.ann]
    )
    try:
        yield device
    finally:
        shutil.rmtree(folder)


def as_nobody(device: Device, code: int, line: str) -> None:
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    done = subprocess.run([*user, *device.command("once")], cwd=ROOT, capture_output=True, text=True, check=False)
    check(done, code, line)


def give(*paths: Path) -> None:
    for path in paths:
        os.chown(path, NOBODY, NOBODY)


def test_settings_that_we_may_not_read(nobodys: Device) -> None:
    nobodys.config.chmod(0o600)
    as_nobody(nobodys, 50, rf"{nobodys.config}: the settings may not be read; run as root")


def test_a_state_folder_that_we_may_not_write(nobodys: Device) -> None:
    as_nobody(nobodys, 50, rf"{nobodys.state}: the state may not be written; run as root")


def test_a_key_that_we_may_not_read(nobodys: Device) -> None:
    nobodys.state.mkdir()
    give(nobodys.state)
    as_nobody(nobodys, 50, rf"{nobodys.key}: .*; run as root")


def test_an_engine_that_we_may_not_talk_to_is_told_on_the_status_branch(nobodys: Device, story: Story) -> None:
    nobodys.state.mkdir(mode=0o700)
    give(nobodys.state, nobodys.key)
    as_nobody(nobodys, 50, rf"{story.recorder.url}: may not talk to the Docker Engine; run as root")
    told = story.report()
    assert (told.phase, told.condition("Stalled").reason) == ("Failed", "PermissionDenied")


def complains(story: Story, code: int, line: str) -> None:
    """A pass, and a look by `plan`, both say this in one line."""
    for command in ("once", "plan"):
        check(story.device.reconciler(command), code, line)


def check(done: "subprocess.CompletedProcess[str]", code: int, line: str) -> None:
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert re.match(f"reconciler: error: {line}", done.stderr), done.stderr
