"""`fleet validate`: every problem of every file in one go, each with its place and the devices that it concerns."""

import re
from pathlib import Path

import pytest
from fleet_desk import SMALL, WEB, FleetDesk, device, layer, run_fleet

from lab.operator import Operator
from reconciler.fleet.policy_file import new_policy_file


@pytest.fixture
def desk(ann: Operator, capsys: pytest.CaptureFixture[str]) -> FleetDesk:
    return FleetDesk(ann, capsys)


def test_the_example_fleet_is_valid(desk: FleetDesk) -> None:
    desk.lay_example()
    answer = desk.fleet("validate")
    assert (answer.code, answer.out, answer.err) == (0, "3 devices and 3 apps are valid\n", "")


def test_a_valid_fleet_has_no_problems_in_json(desk: FleetDesk) -> None:
    desk.lay(SMALL)
    answer = desk.fleet("validate", "-o", "json")
    assert (answer.code, answer.json) == (0, [])


@pytest.mark.parametrize(
    ("signers", "told"),
    [
        (None, "trust/allowed_signers: the file is missing"),
        ("", "trust/allowed_signers: SIGNERS: allowed_signers: names no key"),
        ("ben", "trust/policy.yaml: POLICY_ROLE: ann@acme.example of role `re"),
    ],
)
def test_a_policy_of_which_none_could_be_made_is_told(
    desk: FleetDesk, tmp_path: Path, signers: str | None, told: str
) -> None:
    desk.lay({**SMALL, "trust/policy.yaml": new_policy_file("small", ["ann@acme.example"])})
    if signers is not None:
        ben = Operator.create(tmp_path / "ben", "Ben", "ben@acme.example")
        desk.lay({"trust/allowed_signers": f"{ben.allowed_signers_line}\n" if signers else "# nobody yet\n"})
    answer = desk.fleet("validate")
    assert answer.code == 11
    assert answer.lines[0].startswith(told[:50])


def test_a_folder_outside_of_any_repository_is_validated_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, text in SMALL.items():
        (tmp_path / "loose" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "loose" / path).write_text(text)
    assert run_fleet(capsys, "-C", str(tmp_path / "loose"), "validate").out == "3 devices and 1 app are valid\n"


def test_a_fleet_may_lie_in_a_folder_of_a_repository(desk: FleetDesk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.commit({f"edge/{path}": text for path, text in SMALL.items()} | {"other/devices/x.yaml": "no device"})
    for arguments in (["validate"], ["validate", "HEAD"]):
        answer = run_fleet(capsys, "-C", str(desk.folder / "edge"), *arguments)
        assert answer.out == "3 devices and 1 app are valid\n"


# Several files broken at once: each problem, and whose it is.
BROKEN = {
    "apps/web/compose.yaml": WEB + "    bogus: 1\n",
    "devices/d2.yaml": device("d2", "patches:\n  - target: {app: web}\n    patch: [{op: remove, path: /nowhere}]"),
    "devices/d4.yaml": device("d4", "variables: {A: [1]}"),
    "devices/d5.yaml": "apiVersion: fleet/v1\nkind: [Device\n",
    "devices/d6.yaml": device("d6", "identity: ssh-ed25519 AAAA"),
}
CONCERNED = {
    "apps/web/compose.yaml:7:5": ["d1", "d3", "d6"],
    "devices/d2.yaml:7:15": ["d2"],
    "devices/d4.yaml:5:18": ["d4"],
    "devices/d5.yaml:3:1": ["d5"],
    "devices/d6.yaml:5:13": ["d6"],
}


def test_all_problems_of_several_files_are_told_in_one_go(desk: FleetDesk) -> None:
    desk.lay({**SMALL, **BROKEN})
    answer = desk.fleet("validate", "-o", "json")
    assert {re.match(r"[^:]+:\d+:\d+", one["problem"])[0]: one["devices"] for one in answer.json} == CONCERNED
    assert answer.code == 11


def test_the_text_names_one_device_and_counts_the_others(desk: FleetDesk) -> None:
    desk.lay({**SMALL, **BROKEN})
    lines = desk.fleet("validate").lines
    assert [line.split(": ")[0] for line in lines] == list(CONCERNED), "in the order of files and lines"
    assert lines[0].endswith("(d1 and 2 more)")
    assert lines[1].endswith("(d2)")


def test_what_concerns_every_device_names_none(desk: FleetDesk) -> None:
    desk.lay({**SMALL, "apps/web/compose.yaml": WEB + "    bogus: 1\n"})
    (line,) = desk.fleet("validate").lines
    assert line.startswith("apps/web/compose.yaml:7:5: ")
    assert "d1" not in line


def test_problems_of_one_file_come_by_the_number_of_their_line(desk: FleetDesk) -> None:
    services = "".join(f"  s{n}:\n    image: busybox\n    bogus: 1\n" for n in range(5))
    desk.lay({**SMALL, "apps/web/compose.yaml": f"services:\n{services}"})
    places = [one["problem"].split(":")[1] for one in desk.fleet("validate", "-o", "json").json]
    assert places == ["4", "7", "10", "13", "16"]


CODES = {
    "not YAML": ({"devices/d1.yaml": "a: [1\n"}, 10),
    "a key given twice": ({"devices/d1.yaml": "a: 1\na: 2\n"}, 10),
    "a key that is not allowed": ({"devices/d1.yaml": device("d1", "colour: red")}, 11),
    "a device of another name": ({"devices/d1.yaml": device("d9")}, 11),
    "the same device twice": ({"devices/more/d1.yaml": device("d1")}, 11),
    "a layer in no tier": ({"layers/moon/x.yaml": layer("x", "variables: {}")}, 11),
    "an app that is not there": ({"layers/base/all.yaml": layer("all", "apps: [web, gone]")}, 11),
    "a file that is no YAML file": ({"devices/notes.txt": "x"}, 11),
    "a fleet without tiers": ({"fleet.yaml": SMALL["fleet.yaml"].replace("[base, site]", "[]")}, 11),
    "a patch that does not apply": ({"devices/d1.yaml": BROKEN["devices/d2.yaml"].replace("d2", "d1")}, 12),
    "a test that fails": (
        {
            "layers/base/all.yaml": layer(
                "all",
                "apps: [web]\npatches:\n  - target: {app: web, service: web}\n"
                "    patch: [{op: test, path: /environment/LEVEL, value: high}]",
            )
        },
        12,
    ),
    "a key nobody can read": ({"devices/d1.yaml": BROKEN["devices/d6.yaml"].replace("d6", "d1")}, 11),
}


@pytest.mark.parametrize("case", CODES)
def test_the_exit_code_tells_the_kind_of_the_first_problem(case: str, desk: FleetDesk) -> None:
    files, code = CODES[case]
    desk.lay({**SMALL, **files})
    assert desk.fleet("validate").code == code


def test_a_folder_without_a_fleet_is_told_so(desk: FleetDesk) -> None:
    answer = desk.fleet("validate")
    assert answer.code == 11
    assert answer.out == "fleet.yaml: the file is missing; `fleet init` makes a repository with one\n"


def test_a_commit_is_validated_whatever_lies_in_the_folder(desk: FleetDesk) -> None:
    good = desk.commit(SMALL)
    desk.lay({"devices/d1.yaml": "kind: [\n"})
    assert desk.fleet("validate").code == 10
    for name in ("HEAD", "main", good, good[:8]):
        assert desk.fleet("validate", name).code == 0


def test_a_broken_commit_is_told_though_the_folder_was_mended(desk: FleetDesk) -> None:
    desk.commit({**SMALL, "devices/d1.yaml": "kind: [\n"})
    desk.lay(SMALL)
    assert desk.fleet("validate").code == 0
    assert desk.fleet("validate", "HEAD").code == 10


def test_files_that_git_ignores_are_not_of_the_fleet(desk: FleetDesk) -> None:
    desk.lay({**SMALL, ".gitignore": "*.bak.yaml\n", "devices/d1.bak.yaml": "kind: [\n"})
    assert desk.fleet("validate").code == 0


@pytest.mark.parametrize("revision", ["nowhere", "HEAD~5", "--all", "HEAD:fleet.yaml", ""])
def test_an_unknown_revision_is_no_valid_fleet(revision: str, desk: FleetDesk) -> None:
    desk.commit({**SMALL, "fleet.yaml": "kind: [\n"})
    assert desk.fleet("validate", "--", revision).code == (10 if revision == "" else 32)


ODD = ["devices/a b.yaml", "devices/ä.yaml", "devices/x\x1b[2J.yaml", "apps/a'b/x", "devices/x\n.yaml", "layers/a./x"]


@pytest.mark.parametrize("path", ODD)
def test_a_path_with_odd_characters_is_refused_in_folder_and_commit(path: str, desk: FleetDesk) -> None:
    desk.lay({**SMALL, path: "x"})
    in_folder = desk.fleet("validate")
    desk.commit()
    in_commit = desk.fleet("validate", "HEAD")
    for answer in (in_folder, in_commit):
        assert answer.code == 30
        assert "PATH_CHARS" in answer.err
        assert "\x1b" not in answer.err
        assert answer.out == ""


def test_a_symbolic_link_is_refused_in_folder_and_commit(desk: FleetDesk) -> None:
    desk.lay(SMALL)
    (desk.folder / "devices/d9.yaml").symlink_to("/etc/hostname")
    assert desk.fleet("validate").code == 30
    desk.commit()
    assert "TREE_SYMLINK" in desk.fleet("validate", "HEAD").err


def test_a_layer_that_is_wrong_concerns_the_devices_that_it_selects(desk: FleetDesk) -> None:
    head = "apiVersion: fleet/v1\nkind: Layer\nmetadata: {name: %s}\n"
    broken = head + "spec: {selector: {matchLabels: {own: %s}}, app: [x]}\n"
    labelled = "apiVersion: fleet/v1\nkind: Device\nmetadata: {name: d2, labels: {own: d2}}\n"
    files = {"layers/site/a.yaml": broken % ("a", "d2"), "layers/site/b.yaml": broken % ("b", "nobody")}
    desk.lay({**SMALL, **files, "devices/d2.yaml": labelled})
    answer = desk.fleet("validate", "-o", "json")
    assert {one["problem"].split(":")[0]: one["devices"] for one in answer.json} == {
        "layers/site/a.yaml": ["d2"],
        "layers/site/b.yaml": [],
    }
    assert answer.code == 11
    assert desk.fleet("render", "d1").code == 0


def test_two_files_of_one_device_concern_only_that_device(desk: FleetDesk) -> None:
    desk.lay({**SMALL, "devices/more/d1.yaml": device("d1"), "devices/notes.txt": "x"})
    answer = desk.fleet("validate", "-o", "json")
    assert {one["problem"].split(":")[0]: one["devices"] for one in answer.json} == {
        "devices/more/d1.yaml": ["d1"],
        "devices/notes.txt": [],
    }
    assert desk.fleet("render", "d2").code == 0


ROLLOUT = "apiVersion: fleet/v1\nkind: Rollout\nmetadata: {name: spring}\nspec: {waves: [{name: canary, limit: %s}]}\n"


def test_what_devices_do_not_act_on_yet_is_told_and_no_error(desk: FleetDesk) -> None:
    desk.commit({**SMALL, "rollouts/spring.yaml": ROLLOUT % "1"})
    for arguments in (["validate"], ["validate", "HEAD"]):
        answer = desk.fleet(*arguments)
        assert answer.code == 0
        assert "rollouts/spring.yaml:1:1: this version checks a Rollout, and does not act on it yet" in answer.out, (
            "a rollout that is silently ignored would be believed"
        )


def test_a_rollout_that_is_wrong_is_told_with_its_place(desk: FleetDesk) -> None:
    desk.commit({**SMALL, "rollouts/spring.yaml": ROLLOUT % "none", "requests/r.yaml": "kind: [\n"})
    for arguments in (["validate"], ["validate", "HEAD"]):
        answer = desk.fleet(*arguments)
        assert [line.split(": ")[0] for line in answer.lines] == ["requests/r.yaml:2:1", "rollouts/spring.yaml:4:38"]
        assert answer.code == 10
    assert desk.fleet("render", "d1").code == 0


def test_a_note_hides_no_problem_behind_it(desk: FleetDesk) -> None:
    wrong = {"rollouts/a.yaml": ROLLOUT.replace("spring", "a") % "1", "rollouts/z.yaml": ROLLOUT % "1"}
    desk.lay({**SMALL, **wrong})
    answer = desk.fleet("validate")
    assert answer.code == 11
    assert [line.split(":")[0] for line in answer.lines] == ["rollouts/z.yaml", "rollouts/a.yaml"]
    desk.lay({"fleet.yaml": "kind: Fleet\n"})
    assert any(line.startswith("rollouts/z.yaml:3:18: ") for line in desk.fleet("validate").lines)


def test_a_version_of_the_reconciler_that_nobody_put_there_is_told(desk: FleetDesk) -> None:
    desk.lay(SMALL)
    desk.edit("layers/base/all.yaml", "apps: [web]", "apps: [web]\n  reconciler: 0.2.0")
    answer = desk.fleet("validate")
    assert answer.code == 11
    assert "there is no `reconciler/git_edge_reconciler-0.2.0-py3-none-any.whl`" in answer.lines[0]
    assert answer.lines[0].startswith("layers/base/all.yaml:")
    desk.lay({"reconciler/git_edge_reconciler-0.2.0-py3-none-any.whl": "a wheel"})
    assert desk.fleet("validate").code == 0
