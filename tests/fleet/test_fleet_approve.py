"""`fleet approve`: two people agree on a branch beside its commits; then `fleet verify`, as a device judges them."""

from pathlib import Path

import pytest
from fleet_desk import Answer
from team import Team

from lab.operator import Operator

WEB = "apps/web/compose.yaml"


@pytest.fixture
def team(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Team:
    return Team(tmp_path, capsys, monkeypatch)


def branch(team: Team, name: str = "work", level: str = "high") -> str:
    """Ann's pull request: two commits that she has signed."""
    team.ann.git("switch", "--quiet", "--create", name, "main")
    for one in ("medium", level):
        text = (team.ann.folder / WEB).read_text()
        before = text.partition("LEVEL: ")[2].split("\n")[0]
        team.ann.edit(WEB, f"LEVEL: {before}", f"LEVEL: {one}")
        team.ann.owner.commit(f"Level {one}")
    team.ann.git("push", "--quiet", "origin", f"HEAD:refs/heads/{name}")
    for desk in (team.ann, team.ben):
        desk.git("fetch", "--quiet", "origin")
    return team.ann.git("rev-parse", "HEAD")


def button(team: Team, how: str, name: str = "work") -> str:
    """What a forge makes of it, on the server; nobody's signature is on it."""
    git = team.ann.git
    who = ("-c", "user.name=forge", "-c", "user.email=forge@git.example")
    made = git("rev-parse", "origin/main")
    tree = git("merge-tree", "--write-tree", made, f"origin/{name}")
    trees = [git("rev-parse", f"origin/{name}~1^{{tree}}"), tree] if how == "rebase of both" else [tree]
    for one in trees:
        more = ["-p", f"origin/{name}"] if how == "merge" else []
        made = git(*who, "commit-tree", "--no-gpg-sign", one, "-p", made, *more, "-m", f"A {how} by a button")
    git("push", "--quiet", "origin", f"{made}:refs/heads/main")
    for desk in (team.ann, team.ben):
        desk.git("fetch", "--quiet", "origin")
    return made


def approve(team: Team, *people: str, options: tuple[str, ...] = ("origin/work",)) -> Answer:
    for name in people:
        answer = team.as_(getattr(team, name), "approve", "--yes", *options)
        assert answer.code == 0, answer.err
    return answer


def verified(team: Team, base: str) -> Answer:
    team.ben.git("fetch", "--quiet", "origin")
    return team.as_(team.ben, "verify", "--policy", "repository", f"{base}..origin/main")


@pytest.mark.parametrize("how", ["squash", "rebase", "merge"])
def test_what_two_have_approved_is_good_however_it_is_merged(team: Team, how: str) -> None:
    base = team.ann.git("rev-parse", "origin/main")
    branch(team)
    shown = approve(team, "ann")
    assert f"  {WEB} (release)" in shown.lines
    assert "LEVEL" in shown.out, "what devices would do"
    assert "waits for 1 more of ben@acme.example (role release)" in shown.lines[-1]
    assert "may be squashed or merged" in approve(team, "ben").lines[-1]
    made = button(team, how)
    done = verified(team, base)
    assert done.code == 0, done.err
    assert done.lines[-1].split()[:2] == ["good", made[:12]]
    who = "ann@acme.example, ben@acme.example"
    assert f"approved by {who}" in done.lines[-1]


def test_a_rebase_of_several_commits_would_put_on_the_branch_what_nobody_approved(team: Team) -> None:
    base = team.ann.git("rev-parse", "origin/main")
    branch(team)
    approve(team, "ann", "ben")
    button(team, "rebase of both")
    assert "UNSIGNED" in verified(team, base).err


def test_a_signature_and_an_approval_are_two_people(team: Team) -> None:
    base = team.ann.git("rev-parse", "origin/main")
    team.ann.edit(WEB, "LEVEL: low", "LEVEL: high")
    made = team.ann.owner.commit("Signed by Ann")
    team.ann.git("push", "--quiet", "origin", "HEAD:refs/heads/work")
    team.ben.git("fetch", "--quiet", "origin")
    approve(team, "ben")
    team.ann.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
    done = verified(team, base)
    assert done.lines == [line for line in done.lines if line.startswith(f"good     {made[:12]}")]
    assert "signed by ann@acme.example, approved by ben@acme.example" in done.out
    told = team.as_(team.ben, "verify", "--policy", "repository", f"{base}..origin/main", "-o", "json").json
    assert [(one["signer"], one["approvers"]) for one in told] == [("ann@acme.example", ["ben@acme.example"])]


def test_with_too_few_it_is_refused_and_told_who_is_missing(team: Team) -> None:
    base = team.ann.git("rev-parse", "origin/main")
    branch(team)
    approve(team, "ann")
    shown = team.as_(team.ben, "approve", "--show", "origin/work")
    assert (shown.code, shown.out) == (40, "approved by ann@acme.example\n")
    assert "it waits for 1 more of ben@acme.example (role release)" in shown.err
    button(team, "squash")
    done = verified(team, base)
    assert done.code == 40
    assert "PATH_QUORUM" in done.lines[0]
    assert "signed by ann@acme.example" in done.lines[0]


def test_show_is_for_a_check_of_a_pull_request(team: Team) -> None:
    branch(team)
    nobody = team.as_(team.ben, "approve", "--show", "origin/work", "-o", "json")
    assert (nobody.code, nobody.json["approvers"]) == (40, [])
    approve(team, "ann", "ben")
    both = team.as_(team.ben, "approve", "--show", "origin/work", "-o", "json")
    assert (both.code, both.json["waitsFor"]) == (0, [])
    assert both.json["approvers"] == ["ann@acme.example", "ben@acme.example"]
    again = approve(team, "ben")
    assert "ben@acme.example has approved it already" in again.lines[-1]


def test_when_something_else_was_merged_first_it_has_to_be_approved_again(team: Team) -> None:
    branch(team)
    branch(team, "other", "higher")
    approve(team, "ann", "ben")
    approve(team, "ann", "ben", options=("origin/other",))
    between = button(team, "squash", "other")
    shown = team.as_(team.ben, "approve", "--show", "origin/work")
    assert (shown.code, "conflicts with `main`" in shown.err) == (1, True)
    done = verified(team, f"{between}~1")
    assert done.code == 0, done.err


def test_a_branch_that_is_behind_is_approved_as_git_merges_it(team: Team) -> None:
    branch(team)
    team.ann.git("switch", "--quiet", "main")
    team.ann.owner.write("NOTES.md", "meanwhile\n")
    team.push("Meanwhile, on main")
    team.ann.git("fetch", "--quiet", "origin")
    base = team.ann.git("rev-parse", "origin/main")
    approve(team, "ann", "ben")
    button(team, "squash")
    done = verified(team, base)
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("origin/main",), "changes nothing on `main`"),
        (("nowhere",), "no revision 'nowhere'"),
        (("origin/work", "--onto", "nowhere"), "no branch `nowhere`"),
    ],
)
def test_what_cannot_be_approved_is_told(team: Team, arguments: tuple[str, ...], told: str) -> None:
    branch(team)
    answer = team.as_(team.ben, "approve", *arguments)
    assert answer.code == 32
    assert told in answer.err


def test_a_stranger_approves_nothing(team: Team, tmp_path: Path) -> None:
    branch(team)
    stranger = Operator.create(tmp_path / "mallory", "Mallory", "mallory@evil.example")
    answer = team.as_(team.ben, "approve", "origin/work", "--yes", "--key", str(stranger.key))
    assert (answer.code, "SIGNER_UNKNOWN" in answer.err) == (40, True)


def test_without_a_word_of_consent_nothing_is_approved(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    branch(team)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert "nothing was signed" in team.as_(team.ben, "approve", "origin/work").err
    assert team.as_(team.ben, "approve", "--show", "origin/work").out == "approved by nobody\n"


def test_verify_must_know_where_to_begin(team: Team) -> None:
    answer = team.as_(team.ben, "verify", "--policy", "repository", "origin/main")
    assert "write BASE..HEAD" in answer.err


def test_audit_knows_who_approved(team: Team) -> None:
    branch(team)
    approve(team, "ann", "ben")
    made = button(team, "squash")
    told = team.as_(team.ben, "audit", "--commit", made)
    assert "ann@acme.example, ben@acme.example" in told.out, told.out + told.err
    made = button(team, "rebase of both")
    assert "ann@acme.example, ben" not in team.as_(team.ben, "audit", "--commit", made).out
