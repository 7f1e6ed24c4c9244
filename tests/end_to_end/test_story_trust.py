"""Whom a device obeys, said and changed on the device itself; and the mode that obeys anybody."""

import json

import pytest
from story import Story

pytestmark = pytest.mark.docker


def trust(story: Story, *arguments: str, code: int = 0) -> str:
    done = story.device.reconciler("trust", *arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_a_device_says_whom_it_obeys(running: Story) -> None:
    commit = running.ann.git("rev-parse", "HEAD")
    told = trust(running, "show")
    assert f"trusted    {commit}\n" in told
    assert "mode       commits, policy: device, merges: recompute\n" in told
    plain = json.loads(trust(running, "show", "-o", "json"))
    assert plain["trusted"]["commit"] == commit
    assert plain["trusted"]["principal"] == running.ann.email
    assert [key["fingerprint"] for key in plain["keys"]] == [plain["trusted"]["fingerprint"]]


def test_after_the_branch_was_rewritten_a_device_trusts_anew_by_a_word_on_it(running: Story) -> None:
    before = running.seen()
    running.ann.git("switch", "--quiet", "--orphan", "anew")
    running.write("fleet.yaml", "apiVersion: fleet/v1\nkind: Fleet\nmetadata: {name: anew}\nspec: {tiers: [base]}\n")
    running.ann.git("checkout", "--quiet", "main", "--", "devices", "layers", "apps")
    root = running.ann.commit("A new history")
    running.ann.push(force=True)
    assert running.once().returncode == 40

    asked = trust(running, "reset", "--to", root, code=1)
    assert f"this device would trust commit {root} instead of commit" in asked
    assert "say `--yes`" in asked
    assert running.once().returncode == 40, "nothing was changed"
    assert "is no commit id" in trust(running, "reset", "--to", "main", "--yes", code=51)

    assert f"it starts with commit {root}" in trust(running, "reset", "--to", root, "--yes")
    running.converge()
    assert running.seen() == before
    assert running.report().revision("trusted") == root


def test_trust_is_not_reset_under_an_agent_at_work(running: Story) -> None:
    process = running.start("run")
    assert process.stderr is not None
    with process, process.stderr:
        for line in process.stderr:
            if " pass " in line:
                break
        assert "another reconciler is at work" in trust(running, "reset", "--yes", code=52)
        process.terminate()


def test_torn_trust_is_mended_by_a_reset(running: Story) -> None:
    (running.device.state / "trusted.json").write_text("{")
    assert running.once().returncode == 52
    assert "nothing that could be believed" in trust(running, "reset", "--yes")
    running.converge()


def test_in_mode_unsafe_head_anybody_is_obeyed_and_every_report_says_so(running: Story) -> None:
    good = running.ann.git("rev-parse", "HEAD")
    running.settings("mode: commits", "mode: unsafe-head")
    running.app("web", "two")
    unsigned = running.push("By anybody", sign=False)
    running.converge()
    assert running.seen()[running.container_name("web")].image == running.images["two"]
    told = running.report()
    assert told.revision("healthy") == unsigned
    assert (told.condition("Trusted").status, told.condition("Trusted").reason) == ("False", "UNSAFE_HEAD")

    running.ann.git("reset", "--quiet", "--hard", good)
    running.ann.push(force=True)
    running.converge()
    assert running.seen()[running.container_name("web")].image == running.images["one"], "also backwards"

    before = running.seen()
    running.settings("mode: unsafe-head", "mode: commits")
    done = running.once()
    assert done.returncode == 40
    assert "was taken in mode unsafe-head" in done.stderr
    assert running.seen() == before
    trust(running, "reset", "--yes")
    running.converge()
    assert running.report().condition("Trusted").reason == "Verified"
