"""Images that do not come, or not soon: nothing is stopped for them, and what runs is healed meanwhile."""

import os
from collections.abc import Iterator
from typing import Any

import docker
import pytest
from service import PATIENCE, service
from story import Seen, Story

from lab.base import tar_of
from lab.registry import Registry
from lab.slow_link import SlowLink, slow_link
from lab.waiting import wait_until

pytestmark = pytest.mark.docker
# A pull of some minutes, if nobody made the link better.
SLOW_BYTES_A_SECOND, BIG_BYTES = 50_000, 12_000_000


@pytest.fixture
def link(lab_registry: Registry) -> Iterator[SlowLink]:
    """A bad link to the registry."""
    with slow_link(lab_registry.port, SLOW_BYTES_A_SECOND) as made:
        yield made


@pytest.fixture
def big(story: Story, lab_registry: Registry, link: SlowLink) -> Iterator[str]:
    """An image that the registry has, the Engine has not, and of which a layer is big; by the bad link."""
    name = f"{lab_registry.host}/big-{story.tag}"
    api: docker.APIClient = story.client.api
    # Random bytes, because the network carries layers compressed; a program that runs as `ok` does.
    lines = (f"FROM {story.images['one']}", "COPY noise /noise", "LABEL big=1")
    context = tar_of({"Dockerfile": "\n".join(lines).encode(), "noise": os.urandom(BIG_BYTES)})
    for _ in api.build(fileobj=context, custom_context=True, tag=f"{name}:1", rm=True, decode=True):
        pass
    for _ in api.push(name, tag="1", stream=True, decode=True):
        pass
    api.remove_image(f"{name}:1", force=True)
    yield f"{link.host}/big-{story.tag}:1"
    story.clean()
    for image in api.images(filters={"reference": f"127.0.0.1:*/big-{story.tag}"}):
        api.remove_image(image["Id"], force=True)


def runs(story: Story, app: str, image: str) -> bool:
    seen = story.seen().get(story.container_name(app))
    return seen is not None and (seen.image, seen.state) == (image, "running")


def runs_again(story: Story, was: Seen) -> bool:
    """Is it the same container, started anew?"""
    seen = story.seen().get(was.name)
    return seen is not None and (seen.id, seen.state) == (was.id, "running") and seen.started_at != was.started_at


def test_a_pull_of_minutes_does_not_keep_a_killed_container_from_being_healed(
    story: Story, big: str, link: SlowLink
) -> None:
    story.settings("interval: 2s", "interval: 1s")
    story.app("web", "one")
    story.app("shop", "one")
    story.push("Two apps")
    with service(story):
        before = story.seen()
        story.app("web", big)
        story.push("A big image")
        wait_until(lambda: story.report().app("web")["phase"] == "Pulling", PATIENCE, "the pull")
        told = story.report()
        assert (told.phase, told.condition("Stalled").status) == ("Pulling", "False")
        assert told.condition("Reconciling").reason == "Pulling"
        assert big in told.condition("Reconciling").message
        assert story.seen() == before, "nothing was stopped for it"
        # Also of the app whose next image is on its way.
        for app in ("web", "shop"):
            was = before[story.container_name(app)]
            story.container(app).kill()
            wait_until(lambda was=was: runs_again(story, was), PATIENCE, "healing")
        assert story.report().app("web")["phase"] == "Pulling", "the pull still goes on"
        link.rate = None
        wait_until(lambda: runs(story, "web", big), PATIENCE, "the big image")
        wait_until(lambda: story.report().phase == "Healthy", PATIENCE, "the report of it")
        assert story.reported_step("pull", big, "is not on the device")


def test_an_image_that_cannot_be_had_stops_nothing_and_the_report_says_when_it_is_tried_next(story: Story) -> None:
    story.app("shop", "one")
    compose: dict[str, Any] = {"services": {name: {"image": story.images["one"]} for name in ("a", "b", "c")}}
    story.app("trio", more=compose)
    story.push("Three services, and others")
    with service(story):
        before = story.seen()
        missing = f"127.0.0.1:1/none-{story.tag}:1"
        compose["services"]["a"]["environment"] = {"CHANGED": "1"}
        compose["services"]["b"]["image"] = missing
        story.app("trio", more=compose)
        story.push("The image of the second of three services is nowhere")
        wait_until(lambda: story.report().app("trio")["phase"] == "Failed", PATIENCE, "the failure")
        told = story.report().app("trio")["message"]
        assert missing in told
        assert "nothing was stopped; the next try is at 20" in told
        assert story.seen() == before
        for name in ("a", "b", "c"):
            story.container("trio", name).kill()
        story.container("shop").kill()
        wait_until(lambda: all(runs_again(story, was) for was in before.values()), PATIENCE, "healing of them all")
        assert story.seen().keys() == before.keys()


def test_an_image_for_which_the_disk_has_no_room_is_not_pulled(story: Story, big: str) -> None:
    story.app("web", "one")
    story.push("One app")
    story.converge()
    before = story.seen()
    story.settings("interval: 2s", "interval: 2s\n  images: {keepFree: 900t}")
    story.app("web", big)
    story.push("A big image")
    done = story.once()
    assert done.returncode == 20
    assert f"cannot pull {big}: no room on the disk" in done.stderr
    assert story.seen() == before
