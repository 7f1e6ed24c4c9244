"""Mode `commits` with roles, as the guide tells it: two people agree on a pull request, and the forge merges it."""

import pytest
from story import Story
from story_team import NAMESPACES, Team, forge

from lab.operator import Operator
from reconciler.fleet.policy_file import new_policy_file

pytestmark = pytest.mark.docker


@pytest.fixture
def team(story: Story) -> Team:
    """A fleet whose files say that both must agree, and a device that trusts the commit in which they say so."""
    ben = Operator.create(story.folder / "ben", "Ben", "ben@acme.example")
    story.app("web", "one")
    story.write("trust/policy.yaml", new_policy_file("stories", [story.ann.email, ben.email]))
    lines = [one.allowed_signers_line.replace('namespaces="git"', NAMESPACES) for one in (story.ann, ben)]
    story.write("trust/allowed_signers", "".join(f"{line}\n" for line in lines))
    anchor = story.push("The first version", sign=False)
    ben.clone(story.server.url("fleet"))
    settings = f"{{mode: commits, policy: repository, anchor: {anchor}}}"
    story.settings("{mode: commits, allowedSigners: allowed_signers}", settings)
    return Team(story, ben)


def pull_request(team: Team, image: str) -> None:
    story = team.story
    story.ann.git("switch", "--quiet", "--force-create", "work", "origin/main")
    story.app("web", image)
    story.ann.commit(f"Run {image}")
    story.ann.push("work", force=True)
    team.ben.git("fetch", "--quiet", "origin")


def runs(story: Story) -> str:
    return story.seen()[story.container_name("web")].image


@pytest.mark.parametrize("how", ["squash", "merge", "rebase"])
def test_what_two_people_agree_on_is_obeyed_however_it_is_merged(how: str, team: Team) -> None:
    story = team.story
    story.converge()
    assert runs(story) == story.images["one"]

    # A pull request: both look at what devices would do, and approve it; a check of the forge can see who has.
    pull_request(team, "two")
    shown = team.fleet(story.ann, "approve", "origin/work", "--yes")
    assert f"{story.app_name('web')}/serve image" in shown
    assert f"waits for 1 more of {team.ben.email}" in shown
    assert "PATH_QUORUM" in team.fleet(team.ben, "approve", "--show", "origin/work", code=40)
    assert "may be squashed or merged" in team.fleet(team.ben, "approve", "origin/work", "--yes")
    assert team.fleet(team.ben, "approve", "--show", "origin/work").startswith("approved by ann@")
    story.converge()
    assert runs(story) == story.images["one"], "what was agreed on is not merged yet"

    base = story.git("rev-parse", "main")
    forge(story, how)
    team.pull()
    assert "approved by" in team.fleet(team.ben, "verify", "--policy", "repository", f"{base}..origin/main")
    story.converge()
    assert runs(story) == story.images["two"]
    assert story.report().condition("Trusted").message.endswith(f"by {story.ann.email}, {team.ben.email}")


def test_one_alone_changes_nothing_nor_does_the_forge(team: Team) -> None:
    story = team.story
    story.converge()
    before = story.seen()
    pull_request(team, "two")
    team.fleet(story.ann, "approve", "origin/work", "--yes")
    forge(story, "squash")
    done = story.once()
    assert done.returncode == 40
    assert "PATH_QUORUM" in done.stderr
    assert f"signed by {story.ann.email} of them" in done.stderr
    assert story.seen() == before
    assert story.report().condition("Trusted").reason == "PATH_QUORUM"
    keys = story.device.reconciler("trust", "show")
    assert "mode       commits, policy: repository, merges: recompute" in keys.stdout
    assert team.ben.email in keys.stdout
