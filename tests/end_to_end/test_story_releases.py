"""Mode `release`, as the guide tells it: two people sign what devices get, whatever the forge does to their commits."""

import subprocess

import pytest
from story import Story
from story_team import Team, forge

from lab.operator import Operator
from reconciler.fleet.policy_file import new_policy_file

pytestmark = pytest.mark.docker


@pytest.fixture
def team(story: Story) -> Team:
    """A fleet with a policy by which both must sign, and a device that has its anchor and nothing else."""
    ben = Operator.create(story.folder / "ben", "Ben", "ben@acme.example")
    story.app("web", "one")
    story.push("The first version", sign=False)
    ben.clone(story.server.url("fleet"))
    both = Team(story, ben)
    told = both.policy(new_policy_file("stories", [story.ann.email, ben.email]))
    anchor = told.partition("anchor ")[2].split()[0]
    story.settings("{mode: commits, allowedSigners: allowed_signers}", f"{{mode: release, anchor: {anchor}}}")
    return both


def runs(story: Story) -> str:
    return story.seen()[story.container_name("web")].image


def test_what_two_people_have_signed_is_obeyed_however_it_was_merged(team: Team) -> None:
    story = team.story
    done = story.once()
    assert done.returncode == 40
    assert "NO_RELEASE" in done.stderr
    assert story.seen() == {}

    assert "release main/1 is signed; devices obey it at their next pass" in team.release()
    story.converge()
    assert runs(story) == story.images["one"]

    for number, (how, image) in enumerate((("squash", "two"), ("merge", "one"), ("rebase", "two")), start=2):
        # A pull request, merged by a button: nothing happens on the device.
        story.ann.git("switch", "--quiet", "--force-create", "work", "origin/main")
        story.app("web", image)
        story.ann.commit(f"Work for a {how}", sign=False)
        story.ann.push("work", force=True)
        forge(story, how)
        before = runs(story)
        team.pull()
        assert story.converge().stdout == "nothing to do\n"

        # One signature: still nothing, and the report says who is waited for.
        team.fleet(story.ann, "release", "prepare")
        shown = team.fleet(story.ann, "release", "sign", "--yes")
        assert f"~ apps/{story.app_name('web')}/compose.yaml (release)" in shown
        assert f"{story.app_name('web')}/serve image" in shown
        assert f"waits for 1 more of {team.ben.email}" in shown
        assert "QUORUM" in team.fleet(story.ann, "release", "verify", code=40)
        story.converge()
        assert runs(story) == before
        assert f"release main/{number} needs 2 of role `release`" in story.report().condition("Trusted").message

        # Both: the device follows.
        assert "devices obey it" in team.fleet(team.ben, "release", "sign", "--yes")
        assert f"signed by {story.ann.email}, {team.ben.email}" in team.fleet(story.ann, "release", "verify")
        story.converge()
        assert runs(story) == story.images[image]
        trusted = story.report().condition("Trusted")
        assert trusted.message == f"obeying main/{number} by {story.ann.email}, {team.ben.email}"
    assert team.fleet(story.ann, "release", "list").count("signed") == 4


def test_ssh_keygen_agrees_with_every_signature_and_sha256sum_with_every_file(team: Team) -> None:
    team.release()
    story = team.story
    work = story.ann.work
    folder = story.folder / "documents"
    folder.mkdir()
    for name in story.git("ls-tree", "-r", "--name-only", "refs/heads/releases").splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        raw = ["git", "--git-dir", str(story.server.path("fleet")), "cat-file", "blob", f"refs/heads/releases:{name}"]
        (folder / name).write_bytes(subprocess.run(raw, capture_output=True, check=True).stdout)
    for kind, namespace, file in (
        ("policies/1", "policy", "policy.json"),
        ("releases/main/1", "release", "release.json"),
    ):
        for one in (story.ann, team.ben):
            command = ["ssh-keygen", "-Y", "verify", "-f", str(folder / "policies/1/allowed_signers"), "-I", one.email]
            (signature,) = (folder / kind / "signatures").glob(f"{one.email}-*.sig")
            command += ["-n", f"{namespace}.v1@fleet", "-s", str(signature)]
            document = (folder / kind / file).read_bytes()
            assert b"Good" in subprocess.run(command, input=document, capture_output=True, check=True).stdout
    for line in (folder / "releases/main/1/files").read_text().splitlines():
        _, digest, size, path = line.split()
        told = subprocess.run(["sha256sum", str(work / path)], capture_output=True, text=True, check=True).stdout
        assert (told.split()[0], (work / path).stat().st_size) == (digest, int(size))


def test_the_containers_run_on_while_documents_are_attacked_and_the_next_good_release_is_obeyed(team: Team) -> None:
    story = team.story
    team.release()
    story.converge()
    before = story.seen()
    old = story.git("rev-parse", "refs/heads/releases")
    story.app("web", "two")
    story.push("The next", sign=False)
    team.release()
    newest = story.git("rev-parse", "refs/heads/releases")

    story.git("update-ref", "refs/heads/releases", story.git("rev-parse", "refs/heads/releases~1"))
    story.converge()
    assert story.seen() == before
    story.git("update-ref", "refs/heads/releases", newest)
    story.converge()
    after = story.seen()
    assert runs(story) == story.images["two"]

    story.git("update-ref", "refs/heads/releases", old)
    done = story.once()
    assert done.returncode == 40
    assert "ROLLBACK: release main/2, which was accepted, is on the branch no more" in done.stderr
    assert story.seen() == after
    story.git("update-ref", "refs/heads/releases", newest)
    story.converge()
    assert story.seen() == after

    # What was trusted is torn: nothing is obeyed, and what runs is healed all the same.
    state = story.device.state / "releases.json"
    good = state.read_bytes()
    state.write_bytes(good[:100])
    story.container("web").kill()
    done = story.once()
    assert done.returncode == 52
    assert story.report().condition("Trusted").reason == "TRUST_STATE"
    assert story.container("web").status == "running"
    state.write_bytes(good)
    story.converge()


def test_an_app_gets_what_its_signers_granted_within_what_the_device_allows(team: Team) -> None:
    story = team.story
    grant = "  admission:\n    grants:\n      - {capability: gpu, roles: [release]}\n"
    with_net = f"{grant}      - {{capability: cap, roles: [root], apps: ['{story.app_name('web')}']}}\n"
    text = (story.ann.work / "trust/policy.yaml").read_text()
    story.app("web", "one", cap_add=["NET_ADMIN"])
    story.push("With more rights", sign=False)
    team.release()
    done = story.once()
    assert done.returncode == 11
    assert "ADMISSION_CAP: the app" in done.stderr
    assert story.seen() == {}

    team.policy(text + with_net)
    team.release()
    done = story.once()
    assert "ADMISSION_CEILING: the app" in done.stderr
    assert story.seen() == {}

    story.settings("  identity: identity\n", "  identity: identity\n  admission: {allow: [cap:NET_ADMIN]}\n")
    story.converge()
    assert story.container("web").attrs["HostConfig"]["CapAdd"] == ["CAP_NET_ADMIN"]
