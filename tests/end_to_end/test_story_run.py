"""`reconciler run`: the service that runs on a device."""

import signal
import time
from collections.abc import Callable

import pytest
from service import PATIENCE, service
from story import Story

from lab.waiting import wait_until

pytestmark = pytest.mark.docker
REST_SECONDS = 2.0


def shows(story: Story, image: str) -> bool:
    """Does the image run, and nothing beside it?"""
    seen = story.seen()
    web = seen.get(story.container_name("web"))
    return len(seen) == 1 and web is not None and (web.image, web.state) == (story.images[image], "running")


def test_new_commits_are_applied_and_outages_outlived_without_a_word(story: Story) -> None:
    story.settings("interval: 2s", "interval: 1s")
    story.app("web", "one")
    story.push("The first version")
    with service(story):
        assert shows(story, "one")
        story.app("web", "two")
        commit = story.push("The second version")
        wait_until(lambda: shows(story, "two"), PATIENCE, "the second version")
        wait_until(lambda: story.report().revision("healthy") == commit, PATIENCE, "its report")
        story.server.stop()
        story.container("web").stop()
        wait_until(lambda: shows(story, "two"), PATIENCE, "healing without the server")
        story.server.start()
        wait_until(lambda: story.reported_step("had exited with 0"), PATIENCE, "the report of it")
        before = story.seen()
    assert story.seen() == before, "SIGTERM ends the reconciler, not the containers"


def test_sighup_makes_a_pass_at_once(story: Story) -> None:
    story.settings("interval: 2s", "interval: 1h")
    story.app("web", "one")
    story.push("The first version")
    with service(story) as process:
        story.app("web", "two")
        story.push("The second version")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: shows(story, "two"), PATIENCE, "the second version")


def test_whoever_touches_the_nudge_has_a_pass_made(story: Story) -> None:
    """Such as a program that hears of a push, and may write nothing else of the device's."""
    story.settings("interval: 2s", "interval: 1h")
    story.app("web", "one")
    story.push("The first version")
    with service(story):
        story.app("web", "two")
        story.push("The second version")
        (story.device.state / "nudge").touch()
        wait_until(lambda: shows(story, "two"), PATIENCE, "the second version")


def test_keys_that_change_are_judged_by_at_once(story: Story) -> None:
    story.settings("interval: 2s", "interval: 1h")
    story.app("web", "one")
    story.push("The first version")
    with service(story):
        story.device.trust([])
        wait_until(lambda: "names no key" in (story.folder / "run.log").read_text(), PATIENCE, "the refusal")


def test_new_settings_count_at_once_and_wrong_ones_never(story: Story) -> None:
    story.settings("interval: 2s", "interval: 1h")
    story.app("web", "one")
    story.push("The first version")
    log = story.folder / "run.log"
    with service(story) as process:
        before = story.seen()
        good = story.device.config.read_text()
        story.device.config.write_text(good.replace("interval: 1h", "interval: often"))
        wait_until(lambda: "the settings that were read before hold" in log.read_text(), PATIENCE, "the refusal")
        story.device.config.write_text(good.replace("interval: 1h", "interval: 1s"))
        wait_until(lambda: "every 1 s" in log.read_text(), PATIENCE, "the new interval")
        assert process.poll() is None, "it is the same process, which systemd knows"
        story.app("web", "two")
        story.push("The second version")
        wait_until(lambda: shows(story, "two"), PATIENCE, "the second version, by a poll")
        assert set(before) == set(story.seen()), "no container came or went for the settings"
    assert log.read_text().count(f"INFO    start    {story.device.name}") == 2


def test_sync_makes_a_pass_at_once_and_tells_how_it_went(story: Story) -> None:
    story.settings("interval: 2s", "interval: 1h")
    story.app("web", "one")
    story.push("The first version")
    assert "no reconciler is at work" in story.device.reconciler("sync").stderr
    with service(story):
        assert story.device.reconciler("sync").stdout == "nothing to do\n"
        story.app("web", "two")
        story.push("The second version")
        done = story.device.reconciler("sync")
        assert (done.returncode, done.stderr) == (0, "")
        assert f"{story.app_name('web')}/serve" in done.stdout
        assert shows(story, "two")
        story.app("web", "one")
        story.push("Nobody signed it", sign=False)
        done = story.device.reconciler("sync")
        assert done.returncode == 40
        assert "UNSIGNED" in done.stderr
        assert shows(story, "two")
    assert not (story.device.state / "control.sock").exists()


def test_a_second_reconciler_on_the_same_state_is_refused_until_the_first_is_dead(story: Story) -> None:
    story.app("web", "one")
    story.push("One app")
    with service(story, end=signal.SIGKILL):
        before = story.seen()
        for command in ("once", "run"):
            done = story.device.reconciler(command, timeout=30)
            assert done.returncode == 52, done.stderr
            assert f"{story.device.state / 'lock'}: another reconciler is at work on this state" in done.stderr
    with service(story):
        assert story.seen() == before


def test_what_happens_to_a_container_is_healed_at_once_without_asking_git(story: Story) -> None:
    story.settings("interval: 2s", "interval: 10m")
    story.app("web", "one")
    story.push("The first version")
    with service(story):
        # The next look at Git is ten minutes away.
        for act in ("kill", "stop", "pause", "remove"):
            container = story.container("web")
            container.remove(force=True) if act == "remove" else getattr(container, act)()
            wait_until(lambda: shows(story, "one"), PATIENCE, f"healing after {act}")


def test_healing_asks_the_engine_for_no_more_than_it_needs(story: Story) -> None:
    story.settings("interval: 2s", "interval: 10m")
    story.app("web", "one")
    story.push("The first version")
    with service(story):
        wait_until(at_rest(story), PATIENCE, "the end of what its own first pass set off")
        story.recorder.calls.clear()
        story.container("web").kill()
        wait_until(lambda: shows(story, "one"), PATIENCE, "healing after kill")
        wait_until(at_rest(story), PATIENCE, "the end of the healing")
        asked = [call.split("/", 2)[2].partition("?")[0] for call in story.recorder.calls]
    assert "images/json" in asked
    assert "version" not in asked


def at_rest(story: Story) -> Callable[[], bool]:
    """Has the device left the Engine alone for longer than events need to come?"""
    told, since = -1, 0.0

    def is_at_rest() -> bool:
        nonlocal told, since
        if len(story.recorder.calls) != told:
            told, since = len(story.recorder.calls), time.monotonic()
        return time.monotonic() - since > REST_SECONDS

    return is_at_rest


def test_a_tag_that_is_moved_on_the_device_is_followed_at_once(story: Story) -> None:
    story.settings("interval: 2s", "interval: 10m")
    name = f"moving-{story.tag}:1"
    one, two = (story.client.images.get(story.images[version]) for version in ("one", "two"))
    one.tag(name)
    story.app("web", name, pull_policy="never")
    story.push("The first version")
    try:
        with service(story):
            wait_until(at_rest(story), PATIENCE, "the end of what its own first pass set off")
            two.tag(name)

            def follows() -> bool:
                seen = story.client.api.containers(filters={"name": f"^/{story.container_name('web')}$"})
                return [(found["ImageID"], found["State"]) for found in seen] == [(two.id, "running")]

            wait_until(follows, PATIENCE, "the image that the tag means now")
    finally:
        story.client.images.remove(name)  # the tag alone: the image has others


def test_ctrl_c_ends_a_pass_that_waits_for_several_containers_at_once(story: Story) -> None:
    for app in ("web", "shop"):
        story.app(app, "one", healthcheck={"test": ["CMD", "true"], "interval": "1h"})
    story.push("Two apps whose checks come late")
    process = story.start("once", "-v")
    assert process.stderr is not None
    with process, process.stderr:
        waiting = 0
        for line in process.stderr:
            waiting += " wait " in line
            if waiting == 2:
                process.send_signal(signal.SIGINT)
                break
        assert process.wait(PATIENCE) == 130
