"""`fleet policy` and `fleet release` at desks: two people, their clones, one remote."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from team import Team

from lab.operator import Operator
from signing import load_signer


@pytest.fixture
def team(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Team:
    return Team(tmp_path, capsys, monkeypatch)


@pytest.fixture
def begun(team: Team) -> Team:
    team.begin()
    return team


def test_before_there_is_a_policy_it_is_said_how_to_begin(team: Team) -> None:
    for command in (("policy", "show"), ("release", "prepare"), ("release", "list"), ("release", "verify")):
        answer = team.as_(team.ann, *command)
        assert (answer.code, "begin it with `fleet policy propose`" in answer.err) == (32, True)


def test_after_a_key_was_replaced_the_next_release_follows_the_one_before(begun: Team, tmp_path: Path) -> None:
    begun.release("first")
    begun.release("second")
    new = Operator.create(tmp_path / "ann-new", "Ann", begun.ann.owner.email)
    old = " ".join(begun.ann.owner.public_key.split()[:2])
    begun.ann.edit("trust/allowed_signers", old, " ".join(new.public_key.split()[:2]))
    begun.push("Ann has a new key")
    assert begun.as_(begun.ann, "policy", "propose").code == 0
    assert "waits for" in begun.as_(begun.ann, "policy", "sign", "--yes").lines[-1], "the old key, for the old version"
    assert "waits for" in begun.as_(begun.ann, "policy", "sign", "--yes", "--key", str(new.key)).lines[-1]
    assert "policy 2 is in force" in begun.as_(begun.ben, "policy", "sign", "--yes").out
    assert begun.as_(begun.ben, "release", "verify").code == 40, "what runs was signed by a key that counts no more"
    assert [row["state"] for row in begun.as_(begun.ben, "release", "list", "-o", "json").json] == ["signed", "signed"]

    begun.ann.git("config", "user.signingKey", str(new.key))
    begun.release("third")
    listed = begun.as_(begun.ben, "release", "list", "-o", "json").json
    assert [row["release"] for row in listed] == ["main/3", "main/2", "main/1"]
    assert begun.as_(begun.ben, "release", "verify").code == 0
    names = begun.ben.git("ls-tree", "-r", "--name-only", "origin/releases").splitlines()
    raw = json.loads(begun.ben.git("show", "origin/releases:releases/main/3/release.json"))
    show = ["git", "-C", str(begun.ben.folder), "show", "origin/releases:releases/main/2/release.json"]
    before = subprocess.run(show, capture_output=True, check=True).stdout
    assert raw["previous"] == hashlib.sha256(before).hexdigest()
    assert len([name for name in names if name.startswith("policies/2/signatures/ann@")]) == 2


def test_a_second_person_comes_in_by_the_word_of_the_first(team: Team) -> None:
    alone = (team.ann.folder / "trust/policy.yaml").read_text().replace(", ben@acme.example", "")
    team.ann.lay({"trust/policy.yaml": alone.replace("threshold: 2", "threshold: 1")})
    team.push("Ann alone")
    team.as_(team.ann, "policy", "propose")
    assert "policy 1 is signed; anchor " in team.as_(team.ann, "policy", "sign", "--yes").out
    both = alone.replace("[ann@acme.example]", "[ann@acme.example, ben@acme.example]")
    team.ann.lay({"trust/policy.yaml": both})
    team.push("Ben, too")
    team.as_(team.ann, "policy", "propose")
    assert "policy 2 waits for 1 more of ben@acme.example" in team.as_(team.ann, "policy", "sign", "--yes").out
    assert "has signed it already" in team.as_(team.ann, "policy", "sign", "--yes").out
    assert "policy 2 is in force" in team.as_(team.ben, "policy", "sign", "--yes").out


def test_a_policy_that_waits_is_not_proposed_over(team: Team) -> None:
    team.as_(team.ann, "policy", "propose")
    answer = team.as_(team.ann, "policy", "propose")
    assert (answer.code, "policy 1 waits for 2 more of" in answer.err) == (1, True)


def test_a_revoked_key_signs_nothing(team: Team) -> None:
    team.ann.edit("trust/policy.yaml", "threshold: 2", "threshold: 1")
    team.push("One is enough")
    team.as_(team.ann, "policy", "propose")
    team.as_(team.ann, "policy", "sign", "--yes")
    key = load_signer(team.ben.owner.key).public.fingerprint
    team.ann.edit("trust/policy.yaml", "  paths:", f"  revoked: ['{key}']\n  paths:")
    team.push("Ben's key was stolen")
    team.as_(team.ann, "policy", "propose")
    assert "policy 2 is in force" in team.as_(team.ann, "policy", "sign", "--yes").out
    team.as_(team.ann, "release", "prepare")
    team.as_(team.ann, "release", "sign", "--yes")
    for command in ("release", "policy"):
        answer = team.as_(team.ben, command, "sign", "--yes")
        assert (answer.code, "KEY_REVOKED" in answer.err) == (40, True)


def test_a_release_below_the_newest_is_not_signed(begun: Team) -> None:
    begun.as_(begun.ann, "release", "prepare")
    begun.as_(begun.ann, "release", "sign", "--yes")
    begun.as_(begun.ann, "release", "prepare", "--seq", "2")
    for desk in (begun.ann, begun.ben):
        assert begun.as_(desk, "release", "sign", "2", "--yes").code == 0
    answer = begun.as_(begun.ben, "release", "sign", "1", "--yes")
    assert (answer.code, "ROLLBACK: main/2 is signed already" in answer.err) == (40, True)


@pytest.mark.parametrize(
    "options",
    [("--days", "99999999999"), ("--days", "-5"), ("--seq", "-1"), ("--seq", "9" * 20), ("--channel", "a b"),
     ("--channel", "a/b")],
)  # fmt: skip
def test_what_is_no_number_and_no_name_is_wrong_usage(begun: Team, options: tuple[str, str]) -> None:
    assert begun.as_(begun.ann, "release", "prepare", *options).code == 64


def test_what_would_be_refused_is_not_prepared(begun: Team) -> None:
    answer = begun.as_(begun.ann, "release", "prepare", "--min-agent", "foo")
    assert (answer.code, "DOC_FIELD" in answer.err) == (40, True)
    assert begun.as_(begun.ann, "release", "list").out == "no release yet; make one with `fleet release prepare`\n"


def test_in_another_working_tree_its_own_head_is_meant(begun: Team, tmp_path: Path) -> None:
    first = begun.ann.git("rev-parse", "HEAD")
    begun.ann.edit("apps/web/compose.yaml", "LEVEL: low", "LEVEL: high")
    begun.push("Higher")
    begun.ann.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "other"), first)
    answer = begun.as_(begun.ann, "-C", str(tmp_path / "other"), "release", "prepare")
    assert f"files of commit {first[:12]}" in answer.out


def test_a_policy_is_made_of_the_files_and_its_digest_is_the_anchor(team: Team) -> None:
    made = team.as_(team.ann, "policy", "propose")
    anchor = made.lines[1].split()[1]
    assert made.lines[3] == "next: fleet policy sign, by 2 more of ann@acme.example, ben@acme.example"
    assert "waits for 1 more of ben@acme.example" in team.as_(team.ann, "policy", "sign", "--yes").lines[-1]
    assert team.as_(team.ben, "policy", "sign", "--yes").lines[-1] == f"policy 1 is signed; anchor {anchor}"
    shown = team.as_(team.ben, "policy", "show", "-o", "json").json
    assert (shown["anchor"], shown["version"], shown["roles"]["root"]["threshold"]) == (anchor, 1, 2)


def test_a_second_version_shows_what_it_changes_and_is_in_force_with_both(begun: Team) -> None:
    begun.ann.edit("trust/policy.yaml", "paths:", "  admin: {principals: [ann@acme.example], threshold: 1}\n  paths:")
    grant = "{capability: gpu, roles: [admin], apps: [web], services: [web]}"
    begun.ann.lay({"trust/policy.yaml": (begun.ann.folder / "trust/policy.yaml").read_text()
                   + f"  admission: {{grants: [{grant}]}}\n"})  # fmt: skip
    begun.push("A role more")
    assert "made policy 2" in begun.as_(begun.ann, "policy", "propose").out
    assert begun.as_(begun.ann, "policy", "propose").err.startswith("fleet: error: ")
    shown = begun.as_(begun.ann, "policy", "sign", "--yes").lines
    assert shown[:3] == [
        "policy 2:",
        "+ role admin: 1 of ann@acme.example",
        "+ grant gpu to web of web on *, by admin",
    ]
    assert begun.as_(begun.ben, "policy", "show", "-o", "json").json["version"] == 1
    assert "policy 2 is in force" in begun.as_(begun.ben, "policy", "sign", "--yes").out
    assert shown[2].removeprefix("+ ") in begun.as_(begun.ben, "policy", "show").lines


def test_a_stranger_signs_nothing(begun: Team, tmp_path: Path) -> None:
    stranger = Operator.create(tmp_path / "eve", "Eve", "eve@acme.example")
    begun.as_(begun.ann, "release", "prepare")
    answer = begun.as_(begun.ann, "release", "sign", "--yes", "--key", str(stranger.key))
    assert (answer.code, "SIGNER_UNKNOWN" in answer.err) == (40, True)


def test_without_a_word_of_consent_nothing_is_signed(begun: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    begun.as_(begun.ann, "release", "prepare")
    monkeypatch.setattr("builtins.input", lambda _: "n")
    answer = begun.as_(begun.ann, "release", "sign")
    assert (answer.code, "nothing was signed" in answer.err) == (1, True)
    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert begun.as_(begun.ann, "release", "sign").code == 0


def test_what_a_signer_sees_are_the_paths_whose_they_are_and_what_devices_do(begun: Team) -> None:
    begun.release("first")
    begun.ann.edit("layers/base/all.yaml", "apps: [web]", "apps: [web]\n  variables: {TITLE: New}")
    begun.push("A title")
    begun.as_(begun.ann, "release", "prepare")
    shown = begun.as_(begun.ben, "release", "list").out
    assert shown.count("main/") == 1, "what is prepared is not pushed before somebody signs it"
    shown = begun.as_(begun.ann, "release", "sign", "--yes").out
    assert "  ~ layers/base/all.yaml (release)" in shown
    assert "web/web environment" in shown
    assert "on d1, d2" in shown


def test_releases_are_listed_with_what_they_wait_for(begun: Team) -> None:
    begun.release("first")
    begun.ann.edit("apps/web/compose.yaml", "LEVEL: low", "LEVEL: high")
    begun.push("Higher")
    begun.as_(begun.ann, "release", "prepare")
    begun.as_(begun.ann, "release", "sign", "--yes")
    rows = begun.as_(begun.ben, "release", "list", "-o", "json").json
    assert [(row["release"], row["state"]) for row in rows] == [
        ("main/2", "waits for 1 more of ben@acme.example"),
        ("main/1", "signed"),
    ]
    assert begun.as_(begun.ben, "release", "verify").code == 40
    assert begun.as_(begun.ben, "release", "verify", "1", "-o", "json").json["signers"] == [
        "ann@acme.example",
        "ben@acme.example",
    ]


def test_a_fleet_that_does_not_render_is_not_released(begun: Team) -> None:
    begun.ann.edit("apps/web/compose.yaml", "image:", "imagge:")
    begun.push("A slip of the pen")
    answer = begun.as_(begun.ann, "release", "prepare")
    assert (answer.code, "imagge" in answer.err) == (11, True)


def test_a_number_that_is_taken_is_told(begun: Team) -> None:
    begun.as_(begun.ann, "release", "prepare")
    answer = begun.as_(begun.ann, "release", "prepare")
    assert (answer.code, "release main/1 is there already; sign it, or say `--seq 2`" in answer.err) == (1, True)


def test_what_two_people_sign_at_once_is_joined(begun: Team) -> None:
    begun.as_(begun.ann, "release", "prepare")
    begun.ann.git("push", "--quiet", "origin", "releases")
    begun.ben.git("fetch", "--quiet", "origin", "releases:releases")
    for desk in (begun.ann, begun.ben):
        assert begun.as_(desk, "release", "sign", "--yes").code == 0
    assert begun.as_(begun.ann, "release", "verify").code == 0


def test_a_release_that_somebody_else_prepared_meanwhile_is_not_overwritten(begun: Team) -> None:
    begun.as_(begun.ann, "release", "prepare")
    begun.as_(begun.ben, "release", "prepare", "--days", "10")
    assert begun.as_(begun.ann, "release", "sign", "--yes").code == 0
    answer = begun.as_(begun.ben, "release", "sign", "--yes")
    assert answer.code == 0
    assert begun.as_(begun.ben, "release", "verify").code == 0, "Ben signed what Ann had pushed"


def test_a_commit_that_this_clone_has_not_is_told(begun: Team) -> None:
    begun.ann.edit("apps/web/compose.yaml", "LEVEL: low", "LEVEL: high")
    begun.ann.owner.commit("Not pushed", sign=False)
    answer = begun.as_(begun.ann, "release", "prepare")
    assert (answer.code, "nobody else has this commit; push it first" in answer.err) == (1, True)
    begun.ann.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
    begun.as_(begun.ann, "release", "prepare")
    begun.as_(begun.ann, "release", "sign", "--yes")
    answer = begun.as_(begun.ben, "release", "sign", "--yes")
    assert (answer.code, "COMMIT_MISSING" in answer.err) == (40, True)


def test_a_note_says_that_the_newest_is_still_the_newest(begun: Team) -> None:
    assert "has no `freshness`" in begun.as_(begun.ann, "release", "freshen", "--yes").err
    begun.ann.edit(
        "trust/policy.yaml", "  paths:", "    freshness: {principals: [ann@acme.example], threshold: 1}\n  paths:"
    )
    begun.ann.edit("trust/policy.yaml", "  paths:", "  freshness: {maxAge: 2h}\n  paths:")
    begun.push("Freshness")
    begun.begin()
    assert begun.as_(begun.ann, "release", "freshen", "--yes").code == 32
    begun.release("first")
    for _ in range(2):
        assert "main/1 is the newest, until" in begun.as_(begun.ann, "release", "freshen", "--yes").out
    assert "is not of role `freshness`" in begun.as_(begun.ben, "release", "freshen", "--yes").err


# Keys that only OpenSSH can use


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An `ssh-agent` of the test's own."""
    socket = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    while not socket.exists():
        assert process.poll() is None
    yield
    process.terminate()
    process.wait()


def test_a_key_in_an_agent_signs(begun: Team, agent: None) -> None:
    key = begun.ben.owner.key
    subprocess.run(["ssh-add", "-q", str(key)], check=True, env=dict(os.environ))
    key.rename(key.with_name("elsewhere"))
    begun.as_(begun.ann, "release", "prepare")
    begun.as_(begun.ann, "release", "sign", "--yes")
    answer = begun.as_(begun.ben, "release", "sign", "--yes", "--key", f"{key}.pub")
    assert "is signed; devices obey it" in answer.out, answer.err


def test_a_key_with_a_passphrase_signs_by_ssh_keygen(
    begun: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = begun.ben.owner.key
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "a secret word", "-f", str(key)], check=True)
    ask = tmp_path / "ask"
    ask.write_text("#!/bin/sh\necho 'a secret word'\n")
    ask.chmod(0o755)
    monkeypatch.setenv("SSH_ASKPASS", str(ask))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    begun.as_(begun.ann, "release", "prepare")
    begun.as_(begun.ann, "release", "sign", "--yes")
    answer = begun.as_(begun.ben, "release", "sign", "--yes")
    assert "is signed; devices obey it" in answer.out, answer.err


def test_a_key_that_cannot_be_used_is_told(begun: Team, tmp_path: Path) -> None:
    begun.as_(begun.ann, "release", "prepare")
    garbage = tmp_path / "garbage"
    garbage.write_text("no key")
    garbage.chmod(0o600)
    for name in (tmp_path / "nothing", garbage):
        answer = begun.as_(begun.ann, "release", "sign", "--yes", "--key", str(name))
        assert (answer.code, str(name) in answer.err) == (51, True)
    begun.ann.git("config", "user.signingKey", "key::ssh-ed25519 AAAA")
    assert "holds a key and not the name of a file" in begun.as_(begun.ann, "release", "sign", "--yes").err


def test_json_is_json(begun: Team) -> None:
    begun.release("first")
    for command in (("policy", "show"), ("release", "list"), ("release", "verify")):
        assert json.loads(begun.as_(begun.ann, *command, "-o", "json").out)
