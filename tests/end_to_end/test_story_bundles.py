"""A device that no network reaches: commits come on a stick, by the same rules; its report goes back the same way."""

import subprocess
import sys
from pathlib import Path

import pytest
from story import Story

pytestmark = pytest.mark.docker


def fleet(story: Story, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "reconciler.fleet", "-C", str(story.ann.work), *arguments]
    env = {**story.ann.env(), "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def bundle(story: Story, name: str, *arguments: str) -> Path:
    path = story.folder / name
    done = fleet(story, "bundle", "create", str(path), *arguments)
    assert done.returncode == 0, done.stderr
    return path


def test_what_a_stick_brings_is_applied_and_the_report_is_carried_back(story: Story) -> None:
    story.app("web", "one")
    first = story.push("The first version")
    before = bundle(story, "first.bundle")
    story.app("web", "two")
    second = story.push("The second version")
    small = bundle(story, "second.bundle", "--since", first)
    story.server.stop()

    assert "BUNDLE_PREREQUISITE" in story.device.reconciler("import", str(small)).stderr
    assert story.device.reconciler("import", str(before)).returncode == 0
    assert story.seen()[story.container_name("web")].image == story.images["one"]
    back = story.folder / "back.bundle"
    done = story.device.reconciler("import", str(small), "--report", str(back))
    assert done.returncode == 0, done.stderr
    assert story.seen()[story.container_name("web")].image == story.images["two"]

    told = fleet(story, "status", "--no-fetch", "--bundle", str(back))
    assert told.returncode == 0, told.stderr
    (line,) = (line for line in told.stdout.splitlines() if line.startswith(story.device.name))
    assert "Healthy" in line
    assert second[:12] in line

    # Back on the network, it goes on from there, and sends what it has to say.
    story.server.start()
    story.converge()
    assert story.report().revision("healthy") == second


def test_a_stick_can_not_do_what_a_server_can_not(story: Story) -> None:
    story.app("web", "one")
    story.push("The first version")
    old = bundle(story, "old.bundle")
    story.app("web", "two")
    story.push("The second version")
    new = bundle(story, "new.bundle")
    story.app("web", "sick")
    story.push("By nobody", sign=False)
    unsigned = bundle(story, "unsigned.bundle")
    garbage = story.folder / "garbage"
    garbage.write_bytes(new.read_bytes()[:-100])
    done = story.device.reconciler("import", str(garbage))
    assert (done.returncode, "BUNDLE_DAMAGED" in done.stderr) == (30, True)
    assert story.seen() == {}
    assert story.device.reconciler("import", str(new)).returncode == 0
    before = story.seen()
    for path, code in ((old, "FORK_OR_REWIND"), (unsigned, "UNSIGNED")):
        done = story.device.reconciler("import", str(path))
        assert (done.returncode, code in done.stderr) == (40, True), done.stderr
        assert story.seen() == before
