"""The reconciler itself changes by Git: the old version stays until the new one has shown that it does its work.

Two bad versions by default, all of them with SOAK=1.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from service import service
from story import Story

import reconciler
from lab.device import ROOT
from lab.waiting import wait_until
from reconciler.model.tree import wheel_path
from tests.fakes.wheels import make_wheel, renumbered

pytestmark = pytest.mark.docker
PATIENCE = 60
NEW = "0.1.99"
# What a version does that is no good, as another text in one of its files.
BAD = {
    "it does not even start": ("reconciler/agent/cli.py", "def main(", "raise SystemExit(7)\ndef main("),
    "it dies in its first pass": ("reconciler/agent/service/two_loops.py", "def reconcile(self)", "def was(self)"),
    "it cannot ask Git": ("reconciler/agent/errands/errand.py", "def _obtain(", "_obtain = None\ndef _was("),
    "it renders nothing": ("reconciler/manifests/render.py", "    def render(self", "    def _was(self"),
    "it cannot report": ("reconciler/agent/errands/errand.py", "def _deliver(", "_deliver = None\ndef _was("),
}  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_wheel(tmp_path_factory.mktemp("wheel")).read_bytes()


def version_runs(story: Story) -> str:
    return str(story.report().data["versions"]["agent"])


def updated(story: Story) -> tuple[str, str, str]:
    """The status, reason and message of the condition; nothing, when there is none."""
    found = [one for one in story.report().data["conditions"] if one["type"] == "Updated"]
    return (found[0]["status"], found[0]["reason"], found[0]["message"]) if found else ("", "", "")


def runs(story: Story, image: str) -> bool:
    """Does the app run it, and nothing else?"""
    return [(one.image, one.state) for one in story.seen().values()] == [(story.images[image], "running")]


def offer(story: Story, wheel: bytes, version: str = NEW) -> None:
    path = story.ann.work / wheel_path(version)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(wheel)
    story.layer(reconciler=version)
    story.push(f"The reconciler shall be {version}")


@pytest.fixture
def running(story: Story) -> Story:
    """A device that Git may change, with one app."""
    story.settings("interval: 2s", "interval: 1s")
    story.settings("  state: state\n", "  state: state\n  updates: {reconciler: true, patience: 15s}\n")
    story.app("web", "one")
    story.push("The first version")
    return story


def test_a_good_version_takes_over_and_is_the_one_that_starts_from_then_on(running: Story, wheel: bytes) -> None:
    # It proves itself sooner than it would ask Git a second time.
    running.settings("interval: 1s", "interval: 1h")
    log = running.folder / "run.log"
    with service(running) as process:
        before = running.seen()
        offer(running, renumbered(wheel, NEW))
        (running.device.state / "nudge").touch()
        wait_until(lambda: version_runs(running) == NEW, PATIENCE, "the new version")
        wait_until(lambda: updated(running)[:2] == ("True", "Running"), PATIENCE, "it says so")
        wait_until(lambda: f"{NEW}-" in log.read_text() and "has proven itself" in log.read_text(), PATIENCE, "proof")
        assert process.poll() is None, "it is the same process, which systemd knows"
        assert running.seen() == before, "no container was touched"
    running.settings("interval: 1h", "interval: 1s")
    with service(running):
        # By the command that was installed.
        running.app("web", "two")
        running.layer(reconciler=NEW)
        running.push("The second version")
        wait_until(lambda: runs(running, "two"), PATIENCE, "the second version")
        assert version_runs(running) == NEW
        running.settings("updates: {reconciler: true", "updates: {reconciler: false")
        wait_until(lambda: version_runs(running) == reconciler.__version__, PATIENCE, "the one that was installed")
        wait_until(lambda: updated(running)[1] == "NotAllowed", PATIENCE, "it says so")
        running.layer()
        running.push("The reconciler may be what it was")
        wait_until(lambda: updated(running) == ("", "", ""), PATIENCE, "nobody says a version any more")
        assert version_runs(running) == reconciler.__version__


@pytest.mark.parametrize("how", BAD if os.environ.get("SOAK") else ["it does not even start", "it cannot ask Git"])
def test_a_bad_version_is_gone_back_from(how: str, running: Story, wheel: bytes) -> None:
    file, old, new = BAD[how]
    with service_that_may_complain(running):
        before = running.seen()
        offer(running, renumbered(wheel, NEW, {file: (old, new)}))
        wait_until(lambda: updated(running)[:2] == ("False", "RolledBack"), PATIENCE, "the way back")
        assert f"{NEW} was tried once: it" in updated(running)[2]
        assert version_runs(running) == reconciler.__version__
        assert running.seen() == before, "no container was touched"
        running.app("web", "two")
        running.layer(reconciler=NEW)
        running.push("The second version")
        wait_until(lambda: runs(running, "two"), PATIENCE, "the second version")
        offer(running, renumbered(wheel, "0.1.100"), "0.1.100")
        wait_until(lambda: version_runs(running) == "0.1.100", PATIENCE, "the mended version")


@pytest.mark.skipif("SOAK" not in os.environ, reason="SOAK=1")
def test_a_version_that_cannot_follow_the_next_commit_is_given_up(running: Story, wheel: bytes) -> None:
    """Nothing was new while it was on trial."""
    broken = {"signing/chain.py": ("def follow_chain(", "follow_chain = None\ndef _was(")}
    with service_that_may_complain(running):
        offer(running, renumbered(wheel, NEW, broken))
        wait_until(lambda: version_runs(running) == NEW, PATIENCE, "it seems to be well")
        running.app("web", "two")
        running.layer(reconciler=NEW)
        running.push("The second version")
        wait_until(lambda: version_runs(running) == reconciler.__version__, PATIENCE, "the one that was installed")
        wait_until(lambda: runs(running, "two"), PATIENCE, "the second version")
        assert updated(running)[:2] == ("False", "RolledBack")


def test_without_a_word_in_the_settings_git_changes_nothing_of_it(story: Story, wheel: bytes) -> None:
    story.settings("interval: 2s", "interval: 1s")
    story.app("web", "one")
    story.push("The first version")
    with service(story):
        offer(story, renumbered(wheel, NEW))
        wait_until(lambda: updated(story)[:2] == ("False", "NotAllowed"), PATIENCE, "it says so")
        assert version_runs(story) == reconciler.__version__
    assert not (story.device.state / "versions").exists()


def test_what_is_no_wheel_of_that_version_is_told(running: Story, wheel: bytes) -> None:
    with service(running):
        offer(running, renumbered(wheel, "0.1.98"))
        wait_until(lambda: updated(running)[1] == "UpdateRefused", PATIENCE, "it says so")
        assert f"which is nothing of reconciler {NEW}" in updated(running)[2]


def test_power_that_fails_during_the_trial_leaves_the_old_version(running: Story, wheel: bytes) -> None:
    """A version that never comes to its end of proving; then the power is back, and Git has a better one."""
    slow = renumbered(wheel, NEW, {"reconciler/agent/service/outbox.py": ("self._heard(is_proof)", "pass")})
    log = running.folder / "run.log"
    with service_that_may_complain(running) as process:
        offer(running, slow)
        wait_until(lambda: log.read_text().count(f"INFO    start    {running.device.name}") == 2, PATIENCE, "the trial")
        process.kill()
        process.wait()
    offer(running, renumbered(wheel, "0.1.100"), "0.1.100")
    with service_that_may_complain(running):
        wait_until(lambda: version_runs(running) == "0.1.100", PATIENCE, "the better version")


@contextmanager
def service_that_may_complain(story: Story) -> Iterator["subprocess.Popen[bytes]"]:
    """As `service`; what a bad version says is no defect of the good one. What was killed may still hold the state."""
    log = story.folder / "run.log"
    end = time.monotonic() + PATIENCE
    while True:
        with log.open("wb") as out:
            process = subprocess.Popen(story.device.command("run"), cwd=ROOT, stdin=subprocess.DEVNULL, stderr=out)
        try:
            wait_until(lambda: "pass " in log.read_text() or process.poll() is not None, PATIENCE, "the first pass")  # noqa: B023
            if process.poll() is None:
                break
            assert "another reconciler is at work" in log.read_text(), log.read_text()
            assert time.monotonic() < end
        except BaseException:
            process.kill()
            process.wait()
            raise
    try:
        wait_until(lambda: story.history() != [], PATIENCE, "a report")
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0, log.read_text()
    except BaseException:
        print(log.read_text())
        raise
    finally:
        process.kill()
        process.wait()
