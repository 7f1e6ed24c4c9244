"""Mistakes in Git: one clear line each, its exit code, and what runs goes on running."""

import re
from collections.abc import Callable

import pytest
from story import LAYER, Story

pytestmark = pytest.mark.docker


@pytest.fixture
def running(story: Story) -> Story:
    """A device that runs one app."""
    story.app("web")
    story.push("One app")
    story.converge()
    return story


def _not_yaml(story: Story) -> None:
    story.write(LAYER, "apiVersion: fleet/v1\nkind: Layer\nmetadata: {name: all\nspec: [\n")


def _unknown_key(story: Story) -> None:
    story.app("web", imagee="typo")


def _patch(story: Story) -> None:
    target = {"app": story.app_name("web"), "service": "serve"}
    story.layer(patches=[{"target": target, "patch": [{"op": "replace", "path": "/environment/NO", "value": "1"}]}])


def _no_device(story: Story) -> None:
    story.ann.git("rm", "--quiet", f"devices/{story.device.name}.yaml")


def _no_fleet(story: Story) -> None:
    story.ann.git("rm", "--quiet", "fleet.yaml")


def _unset_variable(story: Story) -> None:
    story.app("web", environment={"LINE": "${LINE}"})


def _privileged(story: Story) -> None:
    story.app("web", privileged=True)


def _twice(story: Story) -> None:
    story.compose("web", "services:\n  serve:\n    image: a\n    image: b\n")


# the mistake, the exit code, where it is, and a word of what to do
MISTAKES: dict[str, tuple[Callable[[Story], None], int, str, str]] = {
    "not YAML": (_not_yaml, 10, r"layers/base/all\.yaml:\d+:\d+: ", ""),
    "a key twice": (_twice, 10, r"apps/web-\w+/compose\.yaml:4:5: ", ""),
    "an unknown key": (_unknown_key, 11, r"apps/web-\w+/compose\.yaml:\d+:\d+: .*imagee", "image"),
    "what is not allowed": (_privileged, 11, r"apps/web-\w+/compose\.yaml:\d+:\d+: ADMISSION_PRIVILEGED", "allow"),
    "an unset variable": (_unset_variable, 11, r"apps/web-\w+/compose\.yaml:\d+:\d+: .*LINE", "LINE"),
    "a patch": (_patch, 12, r"layers/base/all\.yaml:\d+:\d+: .*patch does not apply", "fleet render"),
    "no such device": (_no_device, 13, r"devices: no device `press-\w+`", "add devices/press-"),
    "no fleet.yaml": (_no_fleet, 11, r"fleet\.yaml: the file is missing", "fleet init"),
}


def test_mistakes_in_git_are_told_and_touch_nothing(running: Story) -> None:
    good = running.ann.git("rev-parse", "HEAD")
    for mistake, (make, code, where, advice) in MISTAKES.items():
        make(running)
        told_and_nothing_touched(running, mistake, code, where, advice)
        if mistake == "not YAML":
            still_healed(running, code)
        running.ann.git("checkout", "--quiet", good, "--", ".")
    running.push("Mended")
    assert running.converge().stdout == "nothing to do\n"
    assert running.report().phase == "Healthy"


def told_and_nothing_touched(running: Story, mistake: str, code: int, where: str, advice: str) -> None:
    """The mistake is pushed; the next pass tells it in one line, on the branch as well, and only looks."""
    before = running.seen()
    commit = running.push(f"A mistake: {mistake}")
    running.recorder.calls.clear()
    done = running.once()
    told = [line for line in done.stderr.splitlines() if re.match(rf"reconciler: error: {where}", line)]
    assert len(told) == 1, done.stderr
    assert advice in told[0]
    assert done.returncode == code, done.stderr
    assert running.seen() == before
    assert running.recorder.writes == []
    report = running.report()
    assert report.condition("Rendered").status == "False"
    assert re.search(where, report.condition("Rendered").message)
    assert (report.revision("trusted"), report.phase) == (commit, "Held")
    assert report.revision("healthy") != commit


def still_healed(running: Story, code: int) -> None:
    """What ran before the mistake is kept running."""
    running.container("web").stop()
    done = running.once()
    assert done.returncode == code
    assert "had exited with 0" in done.stdout
    assert running.seen()[running.container_name("web")].state == "running"


def test_one_broken_app_does_not_stop_the_others(running: Story) -> None:
    before = running.seen()
    _unknown_key(running)
    running.app("other", "one")
    running.push("One mistake, and one new app")

    done = running.once()

    assert done.returncode == 11
    after, web = running.seen(), running.container_name("web")
    assert after[web] == before[web]
    assert after[running.container_name("other")].state == "running"
    report = running.report()
    assert report.app("web")["phase"] == "Held"
    assert report.app("other")["phase"] == "Healthy"


def test_a_first_mistake_starts_nothing(story: Story) -> None:
    story.app("web")
    _not_yaml(story)
    story.push("A mistake")
    done = story.once()
    assert done.returncode == 10
    assert story.seen() == {}
    assert story.recorder.writes == []
    assert story.report().condition("Rendered").status == "False"
