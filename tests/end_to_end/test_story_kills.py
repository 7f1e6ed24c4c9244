"""`kill -9` of the reconciler between any two steps: the next pass reads anew, and ends where it had to.

A sample by default; with SOAK=1, before each step of each of the three stories.
"""

import os
import signal
from collections.abc import Iterator

import pytest
from story import Story

from lab.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.slow]
DATA = {"volumes": ["data:/data"], "configs": [{"source": "words", "target": "/www/words"}]}
MORE = {"volumes": {"data": {}}, "configs": {"words": {"content": "hello"}}}


def test_during_a_first_deployment(story: Story) -> None:
    for number in steps_to_try(5, sample=(4,)):
        app = f"web{number}"
        story.app(app, "one", more=MORE, **DATA)
        story.push(f"The app {app}")
        killed_before(story, number)
        story.converge()
        settled(story, app)


def test_during_an_update(story: Story) -> None:
    story.app("web", "one")
    story.push("The first version")
    story.converge()
    versions = ("two", "one")
    for turn, number in enumerate(steps_to_try(7, sample=(3, 6))):
        before = story.seen()[story.container_name("web")]
        version = versions[turn % 2]
        story.app("web", version)
        story.push(f"Version {version}, {turn}")
        killed_before(story, number)
        story.converge()
        settled(story, "web")
        after = story.seen()[story.container_name("web")]
        assert after.image == story.images[version]
        assert after.id != before.id


def test_during_an_update_that_fails_and_goes_back(story: Story) -> None:
    story.app("web", "one")
    good = story.push("The good version")
    story.converge()
    before = story.seen()[story.container_name("web")]
    for number in steps_to_try(11, sample=(3, 6, 9)):
        story.app("web", "sick", environment={"TRY": str(number)})  # another one each time, or it is not tried
        bad = story.push(f"A bad version, {number}")
        killed_before(story, number)
        story.once()
        settled(story, "web")
        after = story.seen()[story.container_name("web")]
        assert (after.id, after.state, after.image) == (before.id, "running", before.image)
        told = story.report()
        assert (told.phase, told.app("web")["phase"]) == ("RolledBack", "RolledBack")
        assert f"from main@sha1:{bad} to main@sha1:{good}" in told.app("web")["message"]


def steps_to_try(count: int, sample: tuple[int, ...]) -> Iterator[int]:
    yield from range(1, count + 1) if os.environ.get("SOAK") else sample


def killed_before(story: Story, number: int) -> None:
    """Run a pass, and kill it when it says that it begins with this step."""
    process = story.start("once", "-v")
    assert process.stderr is not None
    begun = 0
    with process, process.stderr:
        for line in process.stderr:
            begun += " step " in line
            if begun == number:
                process.send_signal(signal.SIGKILL)
                break
    assert begun == number, f"the pass had only {begun} steps; correct the number of steps in this test"
    assert process.returncode == -signal.SIGKILL


def settled(story: Story, app: str) -> None:
    """One healthy container with its own name, nothing left over, and nothing left to do."""
    assert [name for name in story.seen() if name.startswith(story.app_name(app))] == [story.container_name(app)]
    wait_until(lambda: story.health(app) == "healthy", 60, f"{app} to be healthy")
    assert story.once().stdout == "nothing to do\n"
