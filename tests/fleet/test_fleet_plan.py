"""`fleet plan`: what a change would do on every device, and an exit code that CI can ask."""

import subprocess
import sys
from pathlib import Path

import pytest
from fleet_desk import SMALL, WEB, FleetDesk, device, layer

from lab.operator import Operator

ROOT = Path(__file__).parents[2]
NOTHING, ERROR, CHANGES = 0, 1, 2


@pytest.fixture
def desk(ann: Operator, capsys: pytest.CaptureFixture[str]) -> FleetDesk:
    return FleetDesk(ann, capsys)


def steps(desk: FleetDesk, *arguments: str) -> dict[str, list[str]]:
    """Of each device that would change, the verbs and subjects."""
    found = desk.fleet("plan", *arguments, "-o", "json").json
    return {one["device"]: [f"{s['step']} {s['subject']}" for s in one["steps"]] for one in found if one["steps"]}


def test_nothing_is_nothing(desk: FleetDesk) -> None:
    desk.commit(SMALL)
    desk.commit({"README.md": "words"})
    answer = desk.fleet("plan", "HEAD~1..HEAD")
    assert (answer.code, answer.out, answer.err) == (NOTHING, "nothing to do on any device\n", "")


def test_a_changed_app_is_a_change_on_every_device(desk: FleetDesk) -> None:
    desk.commit(SMALL)
    desk.commit({"apps/web/compose.yaml": WEB.replace("low", "high")})
    assert desk.fleet("plan", "HEAD~1..HEAD").code == CHANGES
    changed = steps(desk, "HEAD~1..HEAD")
    assert list(changed) == ["d1", "d2", "d3"]
    assert any("web" in step for step in changed["d1"])


def test_devices_with_equal_plans_stand_together_and_the_others_apart(desk: FleetDesk) -> None:
    desk.commit(SMALL)
    desk.edit("layers/base/all.yaml", "apps: [web]", "apps: [web, shop]")
    desk.lay({"apps/shop/compose.yaml": WEB})
    desk.edit("devices/d3.yaml", "{}", "{TITLE: Three}")
    lines = desk.fleet("plan", "HEAD").lines
    heads = [line for line in lines if line and not line.startswith(" ")]
    assert heads == [
        "2 devices: shop is new (web)",
        "1 device: shop is new (web); web/web environment changed, replaced",
    ]
    assert [line for line in lines if line.startswith("  on ")] == ["  on d1, d2", "  on d3"]


def test_a_service_that_restarts_with_its_dependency_stands_in_the_headline(desk: FleetDesk) -> None:
    needs = "    depends_on: {web: {condition: service_started, restart: true}}\n"
    desk.commit({**SMALL, "apps/web/compose.yaml": f"{WEB}  view:\n    image: busybox:1.36\n{needs}"})
    desk.edit("apps/web/compose.yaml", "low", "high")
    head = desk.fleet("plan", "HEAD").lines[0]
    assert head == "3 devices: web/web environment changed, replaced; web/view restarted"


def test_devices_that_hold_different_apps_have_plans_of_their_own(desk: FleetDesk) -> None:
    """Both ran the same and shall run nothing more; what is held on one is removed on the other."""
    apps = {f"apps/{app}/compose.yaml": WEB.replace("TITLE:-none", f"{app.upper()}:?") for app in "xy"}
    fleet = {path: content for path, content in SMALL.items() if not path.startswith("devices/")}
    both = "variables: {X: same, Y: same}"
    north, south = "selector: {matchLabels: {site: north}}\n", "selector: {matchLabels: {site: south}}\n"
    sites = {"layers/site/north.yaml": layer("north", north + "apps: [x, y]")}
    sites["layers/site/south.yaml"] = layer("south", south + "apps: [x, y]")
    devices = {"devices/d1.yaml": device("d1", both), "devices/d3.yaml": device("d3", both, "site: south")}
    desk.commit({**fleet, **apps, **sites, **devices})
    desk.lay(
        {
            "layers/site/north.yaml": layer("north", north + "apps: [x]"),
            "layers/site/south.yaml": layer("south", south + "apps: [y]"),
            "devices/d1.yaml": device("d1", "variables: {Y: same}"),
            "devices/d3.yaml": device("d3", "variables: {X: same}", "site: south"),
        }
    )
    found = steps(desk, "HEAD")
    assert "remove y/web" in found["d1"] and "remove x/web" in found["d3"]
    assert not any("x/web" in step for step in found["d1"]) and not any("y/web" in step for step in found["d3"])


def test_many_devices_are_named_by_the_first_and_counted(desk: FleetDesk) -> None:
    desk.commit({**SMALL, **{f"devices/e{n:02}.yaml": device(f"e{n:02}") for n in range(10)}})
    desk.edit("apps/web/compose.yaml", "low", "high")
    lines = desk.fleet("plan", "HEAD").lines
    assert lines[0] == "13 devices: web/web environment changed, replaced"
    assert lines[-1] == "  on d1, d2, d3, e00, e01, e02, e03, e04, and 5 more"


def test_a_base_alone_is_compared_with_the_folder(desk: FleetDesk) -> None:
    desk.commit(SMALL)
    assert desk.fleet("plan", "HEAD").code == NOTHING
    desk.edit("devices/d2.yaml", "{}", "{TITLE: Two}")
    assert list(steps(desk, "HEAD")) == ["d2"]
    assert desk.fleet("plan", "HEAD..").code == NOTHING, "with dots, the folder is not looked at"
    assert desk.fleet("plan", "HEAD..HEAD").code == NOTHING


def test_a_label_moves_a_device_into_another_layer(desk: FleetDesk) -> None:
    desk.commit(SMALL)
    desk.edit("devices/d1.yaml", "site: north", "site: south")
    answer = desk.fleet("plan", "HEAD", "-o", "json")
    assert answer.code == CHANGES
    assert list(steps(desk, "HEAD")) == ["d1"]
    assert all(s["cause"] for one in answer.json for s in one["steps"])


def test_a_new_device_starts_from_nothing(desk: FleetDesk) -> None:
    desk.commit(SMALL)
    desk.commit({"devices/d4.yaml": device("d4")})
    assert list(steps(desk, "HEAD~1..HEAD")) == ["d4"]
    assert not any(step.startswith(("stop", "remove")) for step in steps(desk, "HEAD~1..HEAD")["d4"])


def test_a_device_that_leaves_is_told_and_is_a_change(desk: FleetDesk) -> None:
    desk.commit(SMALL)
    desk.remove("devices/d2.yaml")
    answer = desk.fleet("plan", "HEAD")
    assert answer.code == CHANGES
    head = "1 device: leaves the fleet: it keeps what it runs, and reports that it is unknown"
    assert answer.lines == [head, "  on d2"]


def test_an_app_that_leaves_a_device_is_removed_there(desk: FleetDesk) -> None:
    with_shop = layer("south", "selector: {matchLabels: {site: south}}\nvariables: {TITLE: South}\napps: [shop]")
    desk.commit({**SMALL, "apps/shop/compose.yaml": WEB, "layers/site/south.yaml": with_shop})
    desk.lay({"layers/site/south.yaml": SMALL["layers/site/south.yaml"]})
    changed = steps(desk, "HEAD")
    assert list(changed) == ["d3"]
    assert any("shop" in step for step in changed["d3"])


def test_a_first_fleet_is_all_new(desk: FleetDesk) -> None:
    desk.commit({"README.md": "words"})
    desk.commit(SMALL)
    assert list(steps(desk, "HEAD~1..HEAD")) == ["d1", "d2", "d3"]


def test_one_device_alone(desk: FleetDesk) -> None:
    desk.commit(SMALL)
    desk.edit("devices/d2.yaml", "{}", "{TITLE: Two}")
    assert desk.fleet("plan", "HEAD", "--device", "d1").code == NOTHING
    assert desk.fleet("plan", "HEAD", "--device", "d2").code == CHANGES
    unknown = desk.fleet("plan", "HEAD", "--device", "d9")
    assert (unknown.code, unknown.out) == (ERROR, "")


@pytest.mark.parametrize("revisions", ["nowhere..HEAD", "HEAD..nowhere", "nowhere", "..HEAD", "..", "HEAD...HEAD", ""])
def test_revisions_that_are_none_are_an_error_and_no_changes(revisions: str, desk: FleetDesk) -> None:
    desk.commit(SMALL)
    desk.edit("apps/web/compose.yaml", "low", "high")
    answer = desk.fleet("plan", revisions)
    assert (answer.code, answer.out) == (ERROR, "")
    assert "revision" in answer.err


def test_a_broken_change_is_an_error_though_there_are_changes_too(desk: FleetDesk) -> None:
    desk.commit(SMALL)
    desk.edit("devices/d2.yaml", "{}", "{TITLE: Two}")
    desk.lay({"devices/d3.yaml": device("d3", "colour: red")})
    answer = desk.fleet("plan", "HEAD")
    assert answer.code == ERROR
    assert answer.lines[0] == "1 device: web/web environment changed, replaced"
    assert answer.lines[-3] == "1 device: problems, nothing changes for the apps that they are about"
    assert answer.lines[-2].startswith("  devices/d3.yaml:5:3: ")
    assert answer.lines[-1] == "  on d3"
    assert answer.err.startswith("fleet: error: devices/d3.yaml:5:3: ")


def test_a_mended_fleet_is_no_error(desk: FleetDesk) -> None:
    desk.commit({**SMALL, "fleet.yaml": "kind: [\n", "devices/d3.yaml": "kind: [\n"})
    desk.commit(SMALL)
    assert desk.fleet("plan", "HEAD~1..HEAD").code == CHANGES
    assert desk.fleet("plan", "HEAD..HEAD~1").code == ERROR


def test_a_commit_that_no_device_reads_is_an_error(desk: FleetDesk) -> None:
    desk.commit(SMALL)
    desk.commit({"a b": "x"})
    assert desk.fleet("plan", "HEAD~1..HEAD").code == ERROR
    assert desk.fleet("plan", "HEAD..HEAD~1").code == ERROR


def test_markdown_is_for_a_pull_request(desk: FleetDesk) -> None:
    desk.commit(SMALL)
    desk.edit("apps/web/compose.yaml", "low", "high")
    desk.lay({"devices/d3.yaml": device("d3", "colour: red")})
    answer = desk.fleet("plan", "HEAD", "-o", "markdown")
    assert answer.lines[:3] == ["### Fleet plan for `HEAD`", "", "2 devices would change."]
    assert "<summary>2 devices: web/web environment changed, replaced</summary>" in answer.lines
    assert answer.lines.count("```text") == answer.lines.count("```") == answer.lines.count("</details>") == 2
    assert any(line.startswith("devices/d3.yaml:5:3: ") for line in answer.lines)


def test_json_tells_every_device_with_steps_problems_and_note(desk: FleetDesk) -> None:
    desk.commit(SMALL)
    desk.remove("devices/d1.yaml")
    desk.lay({"devices/d3.yaml": device("d3", "colour: red")})
    leaves, same, broken = desk.fleet("plan", "HEAD", "-o", "json").json
    assert (leaves["device"], leaves["steps"], leaves["problems"]) == ("d1", [], [])
    assert leaves["note"].startswith("leaves the fleet")
    nothing: dict[str, object] = {key: [] for key in ("steps", "reasons", "problems", "entered", "left")}
    assert same == {**nothing, "device": "d2", "note": "", "moved": ""}
    assert broken["problems"][0].startswith("devices/d3.yaml:5:3: ")


def test_a_device_that_would_lose_everything_is_a_problem_unless_it_says_so(desk: FleetDesk) -> None:
    desk.commit(SMALL)
    desk.lay({"layers/base/all.yaml": layer("all", "apps: []")})
    assert desk.fleet("plan", "HEAD").code == ERROR
    for name in ("d1", "d2", "d3"):
        desk.lay({f"devices/{name}.yaml": device(name, "allowEmpty: true")})
    assert desk.fleet("plan", "HEAD").code == CHANGES


def test_ci_sees_the_exit_code_of_the_program(desk: FleetDesk) -> None:
    desk.commit(SMALL)
    desk.commit({"apps/web/compose.yaml": WEB.replace("low", "high")})
    for revisions, code in (("HEAD..HEAD", NOTHING), ("HEAD~1..HEAD", CHANGES), ("nowhere..HEAD", ERROR)):
        command = [sys.executable, "-m", "reconciler.fleet", "plan", revisions]
        env = {**desk.owner.env(), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=desk.folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr


def test_another_version_of_the_reconciler_is_a_change(desk: FleetDesk) -> None:
    desk.commit(SMALL)
    desk.edit("devices/d2.yaml", "spec:", "spec:\n  reconciler: 0.2.0")
    desk.commit({"README.md": "words"})
    answer = desk.fleet("plan", "HEAD~1..HEAD")
    assert answer.code == CHANGES
    assert answer.out == "1 device: the reconciler itself becomes 0.2.0\n  on d2\n"
