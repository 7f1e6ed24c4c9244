"""The network goes away: what runs is kept and healed, and what happened meanwhile is told afterwards."""

import pytest
from story import Story

from lab.engine import Engine
from lab.images import build_probe
from lab.registry import Registry

pytestmark = pytest.mark.docker


def test_drift_is_healed_offline_and_told_later(story: Story) -> None:
    story.app("web")
    story.app("other")
    story.push("Two apps")
    story.converge()
    before, reports = story.seen(), story.history()

    story.server.stop()
    story.container("web").stop()
    done = story.once()
    assert done.returncode == 31
    assert "had exited with 0" in done.stdout
    story.container("other").remove(force=True)
    story.client.networks.get(f"{story.app_name('other')}_default").remove()
    story.once()
    assert story.once().stdout == "nothing to do\n"
    assert {name: seen.state for name, seen in story.seen().items()} == dict.fromkeys(before, "running")
    waiting = story.device.reconciler("status")
    assert "not reported yet" in waiting.stdout

    story.server.start()
    story.converge()
    told = story.report()
    assert len(story.history()) == len(reports) + 1, "the reports of three passes are one"
    assert told.step("start", f"{story.app_name('web')}/serve", "had exited with 0")
    assert told.step("create", f"{story.app_name('other')}/serve", "not on the device")
    assert told.condition("Fresh").status == "True"
    assert told.phase == "Healthy"
    assert "not reported yet" not in story.device.reconciler("status").stdout


def test_an_image_that_does_not_exist_stops_nothing(story: Story, lab_registry: Registry) -> None:
    missing = f"{lab_registry.host}/probe@sha256:{'0' * 64}"
    story.app("web", "one")
    story.app("other", "one")
    story.push("Two apps")
    story.converge()
    before = story.seen()

    story.app("web", missing)
    story.app("other", "two")
    story.push("One image is missing")
    done = story.once()

    assert done.returncode == 20
    assert f"cannot pull {missing}" in done.stderr
    assert "nothing was stopped" in done.stderr
    after, web, other = story.seen(), story.container_name("web"), story.container_name("other")
    assert after[web] == before[web]
    assert after[other].image == story.images["two"]
    told = story.report()
    assert told.app("web")["phase"] == "Failed"
    assert missing in told.app("web")["message"]
    assert told.app("other")["phase"] == "Healthy"

    story.container("web").stop()
    assert "had exited with 0" in story.once().stdout, "an image that is awaited does not keep us from healing"
    assert story.seen()[web].state == "running"


def test_a_registry_that_is_away_is_asked_again(story: Story, lab_engine: Engine, lab_registry: Registry) -> None:
    image = build_probe(lab_engine.url, lab_registry.host, f"probe-{story.tag}", "ok")
    for name in (image, f"{lab_registry.host}/probe-{story.tag}:1"):
        story.client.images.remove(name)
    story.app("web", "one")
    story.push("The first version")
    story.converge()
    before = story.seen()
    story.app("web", image)
    commit = story.push("The second version")
    lab_registry.stop()
    try:
        done = story.once()
        assert done.returncode == 20
        assert f"cannot pull {image}" in done.stderr
        assert story.seen() == before
    finally:
        lab_registry.start()
    story.converge()
    assert story.seen()[story.container_name("web")].image == image
    assert story.report().revision("healthy") == commit
