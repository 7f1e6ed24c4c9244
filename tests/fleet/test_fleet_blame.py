"""`fleet blame`: each value with the commit that wrote its line; the signature is judged by the fleet's own keys."""

import subprocess
from pathlib import Path

import pytest
from fleet_desk import SMALL, WEB, FleetDesk, device, run_fleet

from lab.operator import Operator

LEVEL = ("blame", "d1", "web", "web", "/environment/LEVEL")


@pytest.fixture
def desk(ann: Operator, capsys: pytest.CaptureFixture[str]) -> FleetDesk:
    return FleetDesk(ann, capsys)


@pytest.fixture
def signed(desk: FleetDesk) -> FleetDesk:
    desk.commit({**SMALL, "trust/allowed_signers": f"{desk.owner.allowed_signers_line}\n"})
    return desk


def last(desk: FleetDesk, *arguments: str) -> dict[str, object]:
    """The last setting of the one value that is asked for."""
    (one,) = desk.fleet(*(arguments or LEVEL), "-o", "json").json
    return dict(one["settings"][-1])


def test_a_line_has_its_commit_its_author_and_its_signer(signed: FleetDesk) -> None:
    first = signed.git("rev-parse", "HEAD")
    signed.edit("apps/web/compose.yaml", "low", "high")
    second = signed.commit()
    assert last(signed) == {
        "place": "apps/web/compose.yaml:6:14",
        "by": "the Compose file",
        "value": "'high'",
        "commit": second,
        "author": "Ann <ann@acme.example>",
        "date": last(signed)["date"],
        "signer": "ann@acme.example",
        "refused": "",
        "oldest": False,
    }
    assert last(signed, "blame", "d1", "web", "web", "/image")["commit"] == first


def test_the_text_has_a_line_for_each_commit(signed: FleetDesk) -> None:
    commit = signed.git("rev-parse", "HEAD")
    value, place, told = signed.fleet(*LEVEL).lines
    assert value == "/services/web/environment/LEVEL: 'low'"
    assert place.split()[0] == "apps/web/compose.yaml:6:14"
    assert told.strip().startswith(commit[:12])
    assert told.endswith("Ann <ann@acme.example>, signed by ann@acme.example")


def test_git_blame_says_the_same(signed: FleetDesk) -> None:
    signed.edit("apps/web/compose.yaml", "low", "high")
    signed.commit()
    said = signed.git("blame", "-l", "-s", "HEAD", "--", "apps/web/compose.yaml").splitlines()
    for one in signed.fleet("blame", "d1", "web", "-o", "json").json:
        setting = one["settings"][0]
        line = int(setting["place"].split(":")[1])
        assert said[line - 1].split()[0].lstrip("^") in setting["commit"]


def test_an_unsigned_commit_is_told_so(signed: FleetDesk) -> None:
    signed.edit("apps/web/compose.yaml", "low", "high")
    signed.owner.commit("unsigned", sign=False)
    assert (last(signed)["signer"], last(signed)["refused"]) == ("", "unsigned")
    assert signed.fleet(*LEVEL).lines[-1].endswith(", unsigned")


def test_a_key_that_the_fleet_does_not_know_is_told_so(desk: FleetDesk, tmp_path: Path) -> None:
    other = Operator.create(tmp_path / "bob", "Bob", "bob@acme.example")
    desk.commit({**SMALL, "trust/allowed_signers": f"{other.allowed_signers_line}\n"})
    assert (last(desk)["signer"], last(desk)["refused"]) == ("", "unknown key")


def test_without_a_list_of_signers_nobody_is_believed(desk: FleetDesk) -> None:
    desk.commit(SMALL)
    assert (last(desk)["signer"], last(desk)["refused"]) == ("", "SIGNERS")


def test_what_only_lies_in_the_folder_is_not_committed(signed: FleetDesk) -> None:
    signed.edit("apps/web/compose.yaml", "low", "high")
    assert last(signed)["commit"] == "not committed"
    assert last(signed, "blame", "d1", "web", "web", "/image")["commit"] == signed.git("rev-parse", "HEAD")
    assert last(signed, *LEVEL, "--revision", "HEAD")["value"] == "'low'"
    signed.lay({"devices/d4.yaml": device("d4", "variables: {TITLE: Four}")})
    title = last(signed, "blame", "d4", "web", "web", "/environment/TITLE")
    assert (title["by"], title["commit"]) == ("${TITLE} of the device", "not committed")


def test_a_fleet_without_a_commit_is_not_committed(desk: FleetDesk) -> None:
    desk.lay(SMALL)
    assert last(desk)["commit"] == "not committed"


def test_an_older_revision_is_blamed_as_it_was(signed: FleetDesk) -> None:
    first = signed.git("rev-parse", "HEAD")
    signed.commit({"apps/web/compose.yaml": f"# moved\n{WEB}".replace("low", "high")})
    assert last(signed, *LEVEL, "--revision", "HEAD~1")["commit"] == first
    assert last(signed, *LEVEL, "--revision", "HEAD~1")["value"] == "'low'"


def test_a_renamed_file_keeps_its_writers(signed: FleetDesk) -> None:
    first = signed.git("rev-parse", "HEAD")
    signed.lay({"devices/d1.yaml": device("d1", "variables: {TITLE: One}")})
    second = signed.commit()
    signed.git("mv", "devices/d1.yaml", "devices/one.d1.yaml")
    (signed.folder / "devices/north").mkdir()
    signed.git("mv", "devices/one.d1.yaml", "devices/north/d1.yaml")
    assert first != second != signed.commit()
    assert last(signed, "blame", "d1", "web", "web", "/environment/TITLE")["commit"] == second


def test_where_a_shallow_clone_begins_an_older_commit_is_possible(
    signed: FleetDesk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signed.edit("layers/site/south.yaml", "South", "Far south")
    newest = signed.commit()
    clone = tmp_path / "shallow"
    command = ["git", "clone", "--quiet", "--depth", "1", f"file://{signed.folder}", str(clone)]
    subprocess.run(command, check=True, env=signed.owner.env(), capture_output=True)
    answer = run_fleet(capsys, "-C", str(clone), *LEVEL)
    assert newest[:12] in answer.lines[-1]
    assert answer.lines[-1].endswith("or an older commit: the clone is shallow")


def test_a_fleet_in_a_folder_of_a_repository_is_blamed(desk: FleetDesk, capsys: pytest.CaptureFixture[str]) -> None:
    commit = desk.commit({f"fleets/one/{path}": text for path, text in SMALL.items()})
    for more in ((), ("--revision", "HEAD")):
        answer = run_fleet(capsys, "-C", str(desk.folder / "fleets/one"), *LEVEL, "-o", "json", *more)
        assert answer.json[0]["settings"][-1]["commit"] == commit


@pytest.mark.parametrize("command", ["explain", "blame"])
def test_without_an_app_all_are_told(command: str, signed: FleetDesk) -> None:
    signed.commit({"apps/shop/compose.yaml": WEB})
    signed.edit("layers/base/all.yaml", "[web]", "[web, shop]")
    found = signed.fleet(command, "d1", "-o", "json").json
    assert {one["app"] for one in found} == {"web", "shop"}
    assert "web/services/web/image: 'busybox:1.36'" in signed.fleet(command, "d1").lines


def test_a_broken_app_leaves_the_others_to_be_told(signed: FleetDesk) -> None:
    signed.lay({"apps/shop/compose.yaml": "services: [\n"})
    signed.edit("layers/base/all.yaml", "[web]", "[web, shop]")
    answer = signed.fleet("blame", "d1")
    assert answer.code == 10
    assert "web/services/web/image: 'busybox:1.36'" in answer.lines
    assert answer.err.startswith("fleet: error: apps/shop/compose.yaml:")


WRONG = {
    "an unknown device": (("d9", "web"), 13),
    "an unknown device, and no app": (("d9",), 13),
    "an app that it does not run": (("d1", "shop"), 11),
    "a pointer to nothing": (("d1", "web", "web", "/environment/NONE"), 1),
    "an unknown revision": (("d1", "web", "--revision", "nowhere"), 32),
    "a revision without the device": (("d1", "web", "--revision", "HEAD~1"), 13),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_there_is_an_error(case: str, desk: FleetDesk) -> None:
    desk.commit({"README.md": "words"})
    desk.commit(SMALL)
    arguments, code = WRONG[case]
    answer = desk.fleet("blame", *arguments)
    assert (answer.code, answer.out) == (code, "")
    assert "Traceback" not in answer.err


def test_outside_of_a_repository_there_is_nobody_to_blame(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "loose"
    for path, text in SMALL.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    assert run_fleet(capsys, "-C", str(folder), "explain", "d1").code == 0
    assert run_fleet(capsys, "-C", str(folder), "blame", "d1").code == 30
