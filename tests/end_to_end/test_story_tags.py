"""Mode `tag`: the newest signed version is obeyed, however the branch came to be, and never a lower one."""

import pytest
from story import Story

pytestmark = pytest.mark.docker


@pytest.fixture
def tagged(story: Story) -> Story:
    """A device that obeys tags, and runs version 1.0.0 of an app; nobody signed the commit."""
    story.settings("mode: commits", "mode: tag")
    version(story, "v1.0.0", "one")
    story.converge()
    assert runs(story) == story.images["one"]
    return story


def version(story: Story, name: str, image: str, how: str = "--sign") -> str:
    """Tag an unsigned commit with the app at this image; gives the commit."""
    story.app("web", image)
    commit = story.push(f"Version {name}", sign=False)
    story.ann.git("tag", how, *(["--message", f"Version {name}"] if how != "--force" else []), name)
    story.ann.git("push", "--quiet", "--force", "origin", f"refs/tags/{name}")
    return commit


def runs(story: Story) -> str:
    return story.seen()[story.container_name("web")].image


def test_a_higher_signed_version_is_obeyed_and_a_lower_one_never(tagged: Story) -> None:
    newer = version(tagged, "v1.10", "two")
    tagged.converge()
    assert runs(tagged) == tagged.images["two"]
    told = tagged.report()
    assert told.data["revisions"]["healthy"] == f"v1.10@sha1:{newer}"
    assert told.condition("Trusted").message == f"obeying v1.10 by {tagged.ann.email}"

    before = tagged.seen()
    version(tagged, "v1.9.9", "one")
    version(tagged, "v2.0.0-rc1", "one")
    tagged.ann.git("push", "--quiet", "origin", ":refs/tags/v1.10")
    assert tagged.converge().stdout == "nothing to do\n"
    assert tagged.seen() == before


@pytest.mark.parametrize(("how", "code"), [("--annotate", "UNSIGNED"), ("--force", "UNSIGNED")])
def test_a_version_that_nobody_signed_is_refused_and_does_not_hide_a_good_one_below(
    tagged: Story, how: str, code: str
) -> None:
    good = version(tagged, "v1.1.0", "two")
    version(tagged, "v9.0.0", "one", how)
    done = tagged.once()
    assert done.returncode == 40
    assert f"{code}: v9.0.0" in done.stderr
    assert runs(tagged) == tagged.images["two"]
    assert tagged.report().revision("healthy") == good
    assert tagged.report().condition("Trusted").reason == code


def test_a_tag_that_was_moved_is_refused(tagged: Story) -> None:
    before = tagged.seen()
    tagged.app("web", "two")
    tagged.push("Another version one", sign=False)
    tagged.ann.git("tag", "--sign", "--force", "--message", "Version 1, again", "v1.0.0")
    tagged.ann.git("push", "--quiet", "--force", "origin", "refs/tags/v1.0.0")
    done = tagged.once()
    assert done.returncode == 40
    assert "EQUIVOCATION: v1.0.0 is another tag now" in done.stderr
    assert tagged.seen() == before


def test_an_old_tag_object_under_a_new_name_is_refused(tagged: Story) -> None:
    before = tagged.seen()
    old = tagged.git("rev-parse", "refs/tags/v1.0.0")
    tagged.git("update-ref", "refs/tags/v3.0.0", old)
    done = tagged.once()
    assert done.returncode == 40
    assert "TAG_NAME" in done.stderr
    assert tagged.seen() == before


def test_without_any_version_nothing_is_obeyed(story: Story) -> None:
    story.settings("mode: commits", "mode: tag")
    story.app("web", "one")
    story.push("No version yet")
    done = story.once()
    assert done.returncode == 32
    assert "no tag `vVERSION`" in done.stderr
    assert story.seen() == {}
