"""`fleet verify`: the verdict of a device on commits and tags, at the desk."""

from pathlib import Path

import pytest
from fleet_desk import SMALL, Answer, FleetDesk

from lab.operator import Operator


@pytest.fixture
def desk(ann: Operator, capsys: pytest.CaptureFixture[str]) -> FleetDesk:
    made = FleetDesk(ann, capsys)
    made.commit({**SMALL, "trust/allowed_signers": f"{ann.allowed_signers_line}\n"})
    return made


def refused(desk: FleetDesk, *arguments: str, code: int = 40) -> Answer:
    done = desk.fleet("verify", *arguments)
    assert done.code == code, done.err
    return done


def change(desk: FleetDesk, message: str, *, sign: bool = True) -> str:
    desk.owner.write("NOTES.md", f"{message}\n")
    return desk.owner.commit(message, sign=sign)


def test_each_commit_has_a_verdict(desk: FleetDesk) -> None:
    base = desk.git("rev-parse", "HEAD")
    one, two = change(desk, "One change"), change(desk, "Another")
    done = desk.fleet("verify", f"{base}..HEAD")
    assert done.code == 0
    assert [line.split()[:2] for line in done.lines] == [["good", one[:12]], ["good", two[:12]]]
    assert f"signed by {desk.owner.email}" in done.lines[0]
    assert done.lines[1].endswith("Another")
    assert desk.fleet("verify", f"{two}..HEAD").out == "nothing new\n"
    assert len(desk.fleet("verify").lines) == 3, "from the first commit"


def test_what_no_device_follows_is_told_with_the_code_and_what_hides_behind_it(desk: FleetDesk) -> None:
    base = desk.git("rev-parse", "HEAD")
    good = change(desk, "Good")
    bad = change(desk, "Not signed", sign=False)
    change(desk, "Signed, behind it")
    done = refused(desk, f"{base}..HEAD")
    assert [line.split()[:2] for line in done.lines[:2]] == [["good", good[:12]], ["refused", bad[:12]]]
    assert "UNSIGNED" in done.lines[1]
    assert done.lines[2].strip().startswith("1 more behind it")
    assert "UNSIGNED" in done.err
    told = refused(desk, f"{base}..HEAD", "-o", "json").json
    assert [(one["commit"], one["verdict"]) for one in told] == [(good, "good"), (bad, "refused")]
    assert told[1]["code"] == "UNSIGNED"


def test_a_merge_of_a_forge_is_told_apart(desk: FleetDesk) -> None:
    base = desk.git("rev-parse", "HEAD")
    desk.owner.git("switch", "--quiet", "--create", "side")
    change(desk, "On the side")
    desk.owner.git("switch", "--quiet", "main")
    merge = desk.owner.merge("side", sign=False)
    done = desk.fleet("verify", f"{base}..HEAD")
    assert done.lines[0].split()[:2] == ["good", merge[:12]]
    assert f"a merge made again, for {desk.owner.email}" in done.lines[0]
    assert refused(desk, "--merges", "signed", f"{base}..HEAD")


def test_the_keys_of_a_device_decide_where_they_are_named(desk: FleetDesk, tmp_path: Path) -> None:
    bob = Operator.create(tmp_path / "bob", "Bob", "bob@acme.example")
    keys = tmp_path / "allowed_signers"
    keys.write_text(f"{bob.allowed_signers_line}\n")
    assert "SIGNER_UNKNOWN" in refused(desk, "--signers", str(keys)).err
    assert "cannot be read" in refused(desk, "--signers", str(tmp_path / "none"), code=30).err


def test_a_branch_that_went_back_is_not_followed(desk: FleetDesk) -> None:
    base = desk.git("rev-parse", "HEAD")
    newer = change(desk, "Newer")
    assert "FORK_OR_REWIND" in refused(desk, f"{newer}..{base}").err
    desk.owner.git("reset", "--quiet", "--hard", base)
    change(desk, "Another")
    assert "FORK_OR_REWIND" in refused(desk, f"{newer}..HEAD").err


def test_without_a_list_of_keys_nothing_is_judged(desk: FleetDesk) -> None:
    desk.owner.git("rm", "--quiet", "trust/allowed_signers")
    desk.owner.commit("No keys")
    done = refused(desk)
    assert "no trust/allowed_signers; name the file that devices have with `--signers`" in done.err


def test_a_tag_is_judged_as_mode_tag_does(desk: FleetDesk) -> None:
    commit = desk.git("rev-parse", "HEAD")
    desk.owner.git("tag", "--sign", "--message", "Version 1", "v1.0.0")
    desk.owner.git("tag", "v2.0.0")
    done = desk.fleet("verify", "--tag", "v1.0.0")
    assert done.out.startswith(f"good     v1.0.0 {commit[:12]}")
    assert desk.fleet("verify", "--tag", "v1.0.0", "-o", "json").json["commit"] == commit
    assert "UNSIGNED" in refused(desk, "--tag", "v2.0.0").err
    assert refused(desk, "--tag", "v3.0.0", code=32)
    desk.owner.git("update-ref", "refs/tags/v9.0.0", desk.git("rev-parse", "refs/tags/v1.0.0"))
    assert "TAG_NAME" in refused(desk, "--tag", "v9.0.0").err
