"""What is done to the device's containers by hand is undone, and told; what belongs to others is left alone."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from docker.models.containers import Container
from story import Story, look

from lab.waiting import wait_until

pytestmark = pytest.mark.docker


@pytest.fixture
def running(story: Story) -> Story:
    """A device that runs one app."""
    story.app("web", mem_limit="64m")
    story.push("One app")
    story.converge()
    return story


def _disconnect(container: Container) -> None:
    for name in container.attrs["NetworkSettings"]["Networks"]:
        container.client.networks.get(name).disconnect(container)


BY_HAND: dict[str, tuple[Callable[[Container], object], tuple[str, ...], bool]] = {
    # what was done, the words of a step that tells it, and whether the same container heals
    "stop": (lambda container: container.stop(), ("start", "had exited with 0"), True),
    "remove": (lambda container: container.remove(force=True), ("create", "not on the device"), False),
    "rename": (lambda container: container.rename(f"{container.name}-old"), ("rename", "was renamed to"), True),
    "disconnect": (_disconnect, ("connect", "was disconnected"), True),
    "update": (
        lambda container: container.update(mem_limit="32m", memswap_limit="64m"),
        ("update", "32m -> 64m"),
        True,
    ),
}


def test_what_is_done_by_hand_is_undone_and_told(running: Story) -> None:
    for act, words, same in BY_HAND.values():
        undone_and_told(running, act, words, same)
    assert running.converge().stdout == "nothing to do\n"
    assert running.report().condition("Drifted").status == "False"


def undone_and_told(running: Story, act: Callable[[Container], object], words: tuple[str, ...], same: bool) -> None:
    web = running.container_name("web")
    before, networks = running.seen(), _networks(running)
    act(running.container("web"))
    assert (running.seen(), _networks(running)) != (before, networks), "the deed was done"

    done = running.once()

    assert done.returncode == 0, done.stderr
    after = running.seen()
    assert after.keys() == before.keys()
    assert after[web].state == "running"
    assert (after[web].id == before[web].id) is same
    assert _networks(running) == networks
    assert running.health("web") == "healthy"
    told = running.report()
    assert told.phase == "Healthy"
    assert told.condition("Drifted").status == "True"
    assert told.step(*words, f"{running.app_name('web')}/serve"), told.steps


def test_a_limit_that_changes_in_git_changes_while_the_container_runs_on(running: Story) -> None:
    web = running.container_name("web")
    before = running.seen()[web]
    running.app("web", mem_limit="128m")
    running.push("More memory")
    said = running.converge().stdout.split()
    assert said == ["update", f"{running.app_name('web')}/serve", "mem_limit", "64m", "->", "128m"]
    assert running.seen() == {web: replace(before, memory=128 * 1024 * 1024)}
    assert running.converge().stdout == "nothing to do\n"


def test_a_container_that_was_paused_runs_on_and_is_given_time_to_be_well(running: Story) -> None:
    before = running.seen()
    running.container("web").pause()
    wait_until(lambda: running.health("web") == "unhealthy", 60, "the Engine to miss its checks")
    done = running.once()
    assert done.returncode == 0, done.stderr
    assert running.seen() == before
    assert running.health("web") == "healthy"
    told = running.report()
    assert told.step("unpause", "was paused", f"{running.app_name('web')}/serve")
    assert (told.phase, told.condition("Drifted").status) == ("Healthy", "True")


def test_containers_of_others_are_left_alone(story: Story) -> None:
    compose = {"com.docker.compose.project": story.app_name("theirs"), "com.docker.compose.service": "serve"}
    foreign = [
        story.others_container(f"by-hand-{story.tag}"),
        story.others_container(f"composed-{story.tag}", labels=compose),
        story.others_container(f"neighbour-{story.tag}", labels={"fleet.device": "another", "fleet.app": "web"}),
        story.others_container(f"{story.app_name('web')}-serve-2", labels={"fleet.app": story.app_name("web")}),
    ]
    before = [look(container) for container in foreign]
    story.app("web", "one")
    story.push("One app")
    story.converge()
    story.app("web", "two")
    story.push("Another version")
    story.converge()
    story.container("web").remove(force=True)
    story.converge()
    assert [look(container) for container in foreign] == before
    assert list(story.seen()) == [story.container_name("web")]


def test_a_container_of_somebody_else_with_our_name_is_told_and_not_removed(story: Story) -> None:
    theirs = story.others_container(story.container_name("web"))
    before = look(theirs)
    story.app("web")
    story.app("other")
    story.push("Two apps")

    done = story.once()

    assert done.returncode == 20
    assert f"the name {story.container_name('web')} is taken by a container of somebody else" in done.stderr
    assert "rename or remove it" in done.stderr
    assert look(theirs) == before
    assert list(story.seen()) == [story.container_name("other")], "the other app is not stopped by it"
    told = story.report()
    assert told.app("web")["phase"] == told.phase == "Failed"
    assert "taken by a container of somebody else" in told.app("web")["message"]
    assert told.app("other")["phase"] == "Healthy"

    theirs.rename(f"theirs-{story.tag}")
    story.converge()
    assert story.health("web") == "healthy"
    assert look(theirs).id == before.id


def test_an_update_beside_a_container_of_somebody_else_with_the_next_name(story: Story) -> None:
    story.app("web", "one")
    story.push("The first version")
    story.converge()
    theirs = story.others_container(f"{story.container_name('web')}.next")
    story.app("web", "two")
    story.push("The second version")
    before, serving = look(theirs), story.seen()

    done = story.once()
    assert done.returncode == 20
    assert "taken by a container of somebody else" in done.stderr
    assert look(theirs) == before
    assert story.seen() == serving, "what serves goes on serving"
    assert "taken by a container of somebody else" in story.report().app("web")["message"]

    theirs.rename(f"theirs-{story.tag}")
    story.converge()
    assert story.seen()[story.container_name("web")].image == story.images["two"]


def _networks(story: Story) -> list[str]:
    """Those of `web`, while it is there."""
    if story.container_name("web") not in story.seen():
        return []
    return sorted(story.container("web").attrs["NetworkSettings"]["Networks"])
