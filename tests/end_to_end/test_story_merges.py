"""Pull requests that are merged by the button of a forge, which nobody allowed has signed."""

import pytest
from story import Story

pytestmark = pytest.mark.docker


def branch(story: Story, name: str, sign: bool = True) -> str:
    """Commit what was written on a branch of that name, push it, and go back to main."""
    story.ann.git("switch", "--quiet", "--create", name)
    commit = story.ann.commit(f"Work on {name}", sign=sign)
    story.ann.push(name)
    story.ann.git("switch", "--quiet", "main")
    return commit


def button(story: Story, name: str, tree: str = "") -> str:
    """Merge the branch on the server, as a forge does: with no signature of any person."""
    made = tree or story.git("merge-tree", "--write-tree", "--no-messages", "main", name)
    who = ("-c", "user.name=forge", "-c", "user.email=forge@git.example")
    merge = story.git(*who, "commit-tree", made, "-p", "main", "-p", name, "-m", f"Merge branch {name}")
    story.git("update-ref", "refs/heads/main", merge)
    story.ann.git("pull", "--quiet", "--ff-only")
    return merge


def test_a_merge_of_signed_commits_is_made_again_and_applied(story: Story) -> None:
    story.app("web", "one")
    story.push("The first version")
    story.converge()
    story.app("web", "two")
    branch(story, "update")
    story.write("NOTES.md", "Meanwhile, on main.\n")
    story.push("Something else")
    merge = button(story, "update")
    story.converge()
    assert story.seen()[story.container_name("web")].image == story.images["two"]
    assert story.report().revision("healthy") == merge
    assert story.report().condition("Trusted").message.endswith(f"by {story.ann.email}")


def test_a_merge_with_anything_else_in_it_is_refused_and_nothing_touched(story: Story) -> None:
    story.app("web", "one")
    good = story.push("The first version")
    story.converge()
    before = story.seen()

    story.app("web", "two")
    branch(story, "theirs", sign=False)
    button(story, "theirs")
    done = story.once()
    assert done.returncode == 40
    assert "UNSIGNED" in done.stderr

    story.ann.git("reset", "--quiet", "--hard", good)
    story.ann.push(force=True)
    branch(story, "ours")
    evil = story.git("rev-parse", "theirs^{tree}")
    button(story, "ours", evil)
    done = story.once()
    assert done.returncode == 40
    assert "MERGE_NOT_REPRODUCIBLE" in done.stderr
    assert story.seen() == before
    assert story.report().condition("Trusted").reason == "MERGE_NOT_REPRODUCIBLE"


def test_a_device_may_insist_on_a_signature_under_every_merge(story: Story) -> None:
    story.app("web", "one")
    story.push("The first version")
    story.settings("mode: commits", "mode: commits, merges: signed")
    story.converge()
    story.app("web", "two")
    branch(story, "update")
    button(story, "update")
    assert story.once().returncode == 40
