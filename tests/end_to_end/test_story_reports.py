"""Reports on the status branch: signed by the device, each in its own place, also when two report at once."""

import subprocess
from collections.abc import Iterable

import pytest
from story import Story

from lab.device import Device
from lab.waiting import wait_until

pytestmark = pytest.mark.docker


def test_git_verifies_every_report_with_the_device_s_key(story: Story) -> None:
    story.app("web", "one")
    story.push("The first version")
    story.converge()
    story.container("web").stop()
    story.converge()
    story.app("web", "two")
    story.push("Not signed", sign=False)
    story.once()

    commits = story.history()
    assert len(commits) == 3
    assert verify(story, [story.device], commits) == 0
    stranger = Device.create(story.folder / "stranger", "stranger", "http://127.0.0.1:1/x.git", "unix:///x", [])
    assert verify(story, [stranger], commits[:1]) != 0
    for commit in commits:
        assert touched(story, commit) == [f"devices/{story.device.name}/status.json"]
    assert story.git("show", "--no-patch", "--format=%an", commits[0]) == story.device.name


def test_two_devices_that_report_at_once_are_both_heard(story: Story) -> None:
    url = story.server.url("fleet")
    second = Device.create(story.folder / "second", f"mill-{story.tag}", url, story.recorder.url, [story.ann])
    story.others.append(second)
    story.enlist(second)
    devices = [story.device, second]
    for turn in range(2):
        commit = story.push(f"Change {turn}")
        running = [story.start("once", device=device) for device in devices]
        for process in running:
            _, said = process.communicate(timeout=60)
            assert process.returncode == 0, said
        for device in devices:
            told = story.report(device)
            assert told.data["device"] == device.name
            assert told.revision("healthy") == commit
    commits = story.history()
    assert len(commits) == 4
    assert verify(story, devices, commits) == 0
    assert {tuple(touched(story, commit)) for commit in commits} == {
        (f"devices/{device.name}/status.json",) for device in devices
    }
    assert all(len(line.split()) <= 2 for line in story.git("rev-list", "--parents", "status").splitlines())


def test_a_heartbeat_says_that_the_device_lives(story: Story) -> None:
    story.settings("spec:\n", "spec:\n  status: {heartbeat: 1s}\n")
    story.push("Nothing to run")
    story.converge()
    first = story.report()
    wait_until(lambda: bool(story.converge()) and len(story.history()) > 1, 60, "the heartbeat")
    told = story.report()
    assert told.data["time"] > first.data["time"]
    assert told.condition("Trusted") == first.condition("Trusted"), "its time moves only when it changes"


def test_a_report_tells_no_value_of_an_environment(story: Story) -> None:
    story.app("web", "sick", environment={"PASSWORD": "hunter2hunter2"})
    story.push("One app that fails")
    done = story.once()
    assert "hunter2" not in done.stdout + done.stderr
    assert "hunter2" not in story.git("log", "-p", "status")


def touched(story: Story, commit: str) -> list[str]:
    return story.git("diff-tree", "--root", "--no-commit-id", "--name-only", "-r", commit).splitlines()


def verify(story: Story, devices: Iterable[Device], commits: list[str]) -> int:
    """`git verify-commit`, which obeys these devices' keys."""
    file = story.folder / "devices_allowed"
    file.write_text("".join(f'{d.name}@devices.invalid namespaces="git" {d.identity}\n' for d in devices))
    command = ["git", "--git-dir", str(story.server.path("fleet")), "-c", f"gpg.ssh.allowedSignersFile={file}"]
    return subprocess.run([*command, "verify-commit", *commits], capture_output=True, check=False).returncode
