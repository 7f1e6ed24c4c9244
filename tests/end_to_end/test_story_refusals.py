"""Commits that the device must not obey: nothing is touched, and the report says which commit, and why."""

import subprocess
from pathlib import Path

import pytest
from story import Story

from lab.operator import Operator

pytestmark = pytest.mark.docker


def test_an_unsigned_commit(running: Story) -> None:
    running.app("web", "two")
    refused(running, running.push("Unsigned", sign=False), "UNSIGNED")
    reports = running.history()
    assert running.once().returncode == 40
    assert running.history() == reports, "the second pass has no news"
    running.container("web").stop()
    healed = running.once()
    assert healed.returncode == 40
    assert "had exited with 0" in healed.stdout
    assert running.seen()[running.container_name("web")].state == "running"
    recovered(running)


def test_a_commit_by_a_key_that_the_device_does_not_know(running: Story, tmp_path: Path) -> None:
    mallory = Operator.create(tmp_path / "mallory", "Mallory", "ann@acme.example")  # the name says nothing
    mallory.clone(running.server.url("fleet"))
    mallory.write("layers/base/all.yaml", (running.ann.work / "layers/base/all.yaml").read_text() + "\n")
    commit = mallory.commit("I am Ann")
    mallory.push()
    refused(running, commit, "SIGNER_UNKNOWN")
    recovered(running)


def test_a_commit_with_one_byte_changed(running: Story) -> None:
    running.app("web", "two")
    good = running.ann.commit("Two apples")
    raw = running.ann.git("cat-file", "commit", good) + "\n"
    forged = running.folder / "forged"
    forged.write_text(raw.replace("Two apples", "Ten apples"))
    assert raw != forged.read_text()
    commit = running.ann.git("hash-object", "-t", "commit", "-w", str(forged))
    assert _verify(running, good) == 0, "git is the oracle"
    assert _verify(running, commit) != 0
    running.ann.git("reset", "--quiet", "--hard", commit)
    running.ann.push()
    refused(running, commit, "SIG_INVALID")
    recovered(running)


def test_a_branch_that_was_rewound(running: Story) -> None:
    older = running.ann.git("rev-parse", "HEAD")
    running.app("web", "two")
    newer = running.push("The second version")
    running.converge()

    running.ann.git("push", "--quiet", "--force", "origin", f"{older}:refs/heads/main")
    refused(running, older, "FORK_OR_REWIND", trusted=newer)

    running.ann.push()
    running.app("web", "one")
    running.push("A rollback is a new commit")
    running.converge()
    assert running.seen()[running.container_name("web")].image == running.images["one"]


def test_a_branch_that_was_forked(running: Story) -> None:
    older = running.ann.git("rev-parse", "HEAD")
    running.app("web", "two")
    newer = running.push("One future")
    running.converge()

    running.ann.git("reset", "--quiet", "--hard", older)
    running.app("other", "one")
    fork = running.ann.commit("Another future")
    running.ann.push(force=True)
    refused(running, fork, "FORK_OR_REWIND", trusted=newer)

    recovered(running)


def test_good_commits_below_a_bad_one_are_followed(running: Story) -> None:
    running.app("web", "two")
    good = running.ann.commit("The second version")
    running.app("other", "one")
    bad = running.push("Not signed", sign=False)

    done = running.once()

    assert done.returncode == 40, done.stderr
    assert list(running.seen()) == [running.container_name("web")]
    assert running.seen()[running.container_name("web")].image == running.images["two"]
    told = running.report()
    assert (told.revision("seen"), told.revision("trusted"), told.revision("healthy")) == (bad, good, good)
    assert (told.condition("Trusted").status, told.condition("Trusted").reason) == ("False", "UNSIGNED")


def test_a_first_commit_that_is_not_signed_starts_nothing(story: Story) -> None:
    story.app("web")
    commit = story.push("Unsigned", sign=False)
    done = story.once()
    assert done.returncode == 40
    assert commit[:12] in done.stderr
    assert story.seen() == {}
    told = story.report()
    assert (told.phase, told.revision("trusted"), told.revision("seen")) == ("Pending", "", commit)
    assert told.condition("Trusted").reason == "UNSIGNED"


def test_nobody_is_obeyed_whose_keys_others_may_edit(running: Story) -> None:
    running.app("web", "two")
    commit = running.push("The second version")
    signers = running.device.folder / "allowed_signers"
    signers.chmod(0o666)
    refused(running, commit, "TRUST_CONFIG")
    signers.chmod(0o644)
    running.converge()
    assert running.seen()[running.container_name("web")].image == running.images["two"]


def refused(story: Story, commit: str, code: str, trusted: str | None = None) -> None:
    """The next pass refuses this commit; nothing changes on the Engine, and the report tells it."""
    before = story.seen()
    trusted = trusted or story.report().revision("trusted")
    story.recorder.calls.clear()
    done = story.once()
    assert done.returncode == 40, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert code in done.stderr
    assert commit[:12] in done.stderr
    assert story.seen() == before
    assert story.recorder.writes == []
    told = story.report()
    assert told.condition("Trusted").status == "False"
    assert told.condition("Trusted").reason == code
    assert commit[:12] in told.condition("Trusted").message
    assert (told.revision("seen"), told.revision("trusted")) == (commit, trusted)


def recovered(story: Story) -> None:
    """The branch goes back to what was trusted, and a good commit follows."""
    story.ann.git("fetch", "--quiet")
    story.ann.git("reset", "--quiet", "--hard", story.report().revision("trusted"))
    story.ann.push(force=True)
    story.apps = ["web"]
    story.app("after", "one")
    commit = story.push("Good again")
    story.converge()
    told = story.report()
    assert told.revision("healthy") == told.revision("trusted") == told.revision("seen") == commit
    assert told.condition("Trusted").status == "True"
    assert story.seen()[story.container_name("after")].state == "running"


def _verify(story: Story, commit: str) -> int:
    command = ["git", "verify-commit", commit]
    done = subprocess.run(command, cwd=story.ann.work, env=story.ann.env(), capture_output=True, check=False)
    return done.returncode
