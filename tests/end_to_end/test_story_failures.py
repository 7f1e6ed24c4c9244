"""A version that does not get healthy: the container from before runs again, the same one, and the report says why."""

import pytest
from story import Story

from lab.waiting import wait_until

pytestmark = pytest.mark.docker


@pytest.mark.parametrize(("bad", "why"), [("sick", "is unhealthy"), ("exits", "exits and is started again")])
def test_the_old_container_runs_again_until_git_changes(story: Story, bad: str, why: str) -> None:
    story.app("web", "one", environment={"COLOUR": "green"})
    good = story.push("The good version")
    story.converge()
    before, made = story.seen(), story.container("web").attrs

    story.app("web", bad)
    worse = story.push("A bad version")
    done = story.once()
    assert done.returncode == 22
    assert why in done.stderr

    after, web = story.seen(), story.container_name("web")
    assert after.keys() == before.keys(), "no `.next`, no `.previous`"
    assert (after[web].id, after[web].state, after[web].image) == (before[web].id, "running", before[web].image)
    now = story.container("web").attrs
    for part in ("Config", "HostConfig", "Created", "Image", "Mounts"):
        assert now[part] == made[part], part
    assert now["NetworkSettings"]["Networks"].keys() == made["NetworkSettings"]["Networks"].keys()

    told = story.report()
    app = told.app("web")
    assert (told.phase, app["phase"]) == ("RolledBack", "RolledBack")
    assert app["attempted"].endswith(worse)
    assert app["healthy"].endswith(good)
    assert f"from main@sha1:{worse} to main@sha1:{good}" in app["message"]
    assert why in app["message"]
    assert told.revision("attempted") == worse
    assert told.revision("healthy") == good
    assert told.condition("Ready").status == "False"
    assert told.step("comes back")
    tried_again_only_when_git_changes_it(story)


def tried_again_only_when_git_changes_it(story: Story) -> None:
    back = story.seen()
    story.recorder.calls.clear()
    assert story.once().stdout == "nothing to do\n"
    story.layer(variables={"UNUSED": "1"})
    story.push("Something else changes")
    assert story.once().stdout == "nothing to do\n"
    assert story.seen() == back
    assert story.recorder.writes == []

    story.app("web", "two")
    good = story.push("A mended version")
    story.converge()
    assert story.seen()[story.container_name("web")].image == story.images["two"]
    told = story.report()
    assert (told.phase, told.revision("healthy")) == ("Healthy", good)


def test_a_first_version_that_fails_is_left_to_be_looked_at(story: Story) -> None:
    why = "is unhealthy"
    story.app("web", "sick")
    story.app("other", "one")
    commit = story.push("A bad start")

    done = story.once()

    assert done.returncode == 22
    assert f"{story.app_name('web')}/serve {why}" in done.stderr
    assert f"docker logs {story.container_name('web')}" in done.stderr
    assert story.container_name("web") in story.seen()
    told = story.report()
    assert told.app("web")["phase"] in ("Failed", "Degraded")
    assert why in told.app("web")["message"]
    assert told.app("other")["phase"] == "Healthy"
    assert (told.phase, told.revision("attempted"), told.revision("healthy")) == ("Failed", commit, "")
    mend(story)


def test_a_mended_version_takes_the_place_of_one_that_is_started_again_and_again(story: Story) -> None:
    story.app("web", "exits")
    story.push("A bad start")
    story.once()
    # The Engine waits longer before each new start; from the fifth on, for more than three seconds.
    wait_until(lambda: _restarting(story) >= 5, 60, "the Engine to wait with the next start")
    mend(story)


def mend(story: Story) -> None:
    story.app("web", "two")
    story.push("A mended version")
    story.converge()
    assert [name for name in story.seen() if "web" in name] == [story.container_name("web")]
    assert story.health("web") == "healthy"


def _restarting(story: Story) -> int:
    container = story.container("web")
    return int(container.attrs["RestartCount"]) if container.status == "restarting" else 0


def test_an_app_that_gets_unwell_later_is_told(story: Story) -> None:
    check = {"test": ["CMD", "test", "!", "-e", "/tmp/unwell"], "interval": "500ms", "timeout": "2s", "retries": 1}
    story.app("web", healthcheck=check)
    story.push("One app")
    story.converge()
    before = story.seen()
    story.container("web").exec_run(["touch", "/tmp/unwell"])
    wait_until(lambda: story.health("web") == "unhealthy", 60, "the container to get unwell")
    story.once()
    told = story.report()
    assert (told.phase, told.app("web")["phase"]) == ("Degraded", "Degraded")
    assert told.app("web")["message"] == "serve is unhealthy"
    assert story.seen() == before


def test_with_start_first_the_old_one_serves_until_the_new_one_is_well(story: Story) -> None:
    first = {"deploy": {"update_config": {"order": "start-first"}}}
    story.app("web", "one", **first)
    story.push("The good version")
    story.converge()
    before, web = story.seen(), story.container_name("web")

    story.app("web", "sick", **first)
    story.push("A version that never gets well")
    done = story.once()
    assert done.returncode == 22
    assert "is unhealthy" in done.stderr
    assert story.seen() == before, "the old one was never touched, and nothing is left of the new one"
    assert story.report().phase == "RolledBack"

    story.app("web", "two", **first)
    story.push("A mended version")
    steps = story.converge().stdout
    assert steps.index("before the old one stops") < steps.index("stop "), steps
    after = story.seen()
    assert after.keys() == before.keys()
    assert (after[web].image, after[web].state) == (story.images["two"], "running")
    assert story.once().stdout == "nothing to do\n"
