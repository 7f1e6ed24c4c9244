"""`fleet render`: what a device shall run, as Compose files that are read again as the same."""

import json

import pytest
import yaml
from fleet_desk import DEVICES, EXAMPLE, SMALL, WEB, FleetDesk, device, layer

from lab.operator import Operator
from reconciler.manifests import FleetFiles, to_compose


@pytest.fixture
def desk(ann: Operator, capsys: pytest.CaptureFixture[str]) -> FleetDesk:
    return FleetDesk(ann, capsys)


@pytest.mark.parametrize("name", DEVICES)
def test_what_was_rendered_renders_to_itself(name: str, desk: FleetDesk) -> None:
    desk.lay_example()
    rendered = yaml.safe_load(desk.fleet("render", name).out)
    assert rendered["device"] == name
    tree = {path: text.encode() for path, text in SMALL.items() if path == "fleet.yaml"}
    tree["layers/base/all.yaml"] = layer("all", f"apps: {json.dumps(sorted(rendered['apps']))}").encode()
    tree[f"devices/{name}.yaml"] = device(name).encode()
    for app in rendered["apps"]:
        tree[f"apps/{app}/compose.yaml"] = desk.fleet("render", name, app).out.encode()
        for file in (EXAMPLE / "apps" / app).glob("*.txt"):
            tree[f"apps/{app}/{file.name}"] = file.read_bytes()
    again = FleetFiles(tree).render(name)
    assert not again.problems
    assert {app.name: to_compose(app) for app in again.desired.apps} == rendered["apps"]


def test_dollars_and_odd_texts_survive_being_rendered_twice(desk: FleetDesk) -> None:
    odd = {"A": "$$HOME costs 5$$", "B": "yes", "C": "0x10", "D": "a: b # c", "E": " \t", "F": "1:20", "G": "'\"\n\x7f"}
    desk.lay({**SMALL, "apps/web/compose.yaml": json.dumps({"services": {"web": {"image": "x", "environment": odd}}})})
    once = desk.fleet("render", "d1", "web")
    assert once.code == 0, once.err
    desk.lay({"apps/web/compose.yaml": once.out})
    assert desk.fleet("render", "d1", "web").out == once.out


def test_one_app_alone_is_a_compose_file(desk: FleetDesk) -> None:
    desk.lay(SMALL)
    shown = yaml.safe_load(desk.fleet("render", "d3", "web").out)
    assert shown["services"]["web"]["environment"] == {"TITLE": "South", "LEVEL": "low"}
    assert desk.fleet("render", "d3", "web", "-o", "json").json == shown


def test_json_says_what_yaml_says(desk: FleetDesk) -> None:
    desk.lay_example()
    assert desk.fleet("render", DEVICES[0], "-o", "json").json == yaml.safe_load(desk.fleet("render", DEVICES[0]).out)


def test_a_commit_is_rendered_whatever_lies_in_the_folder(desk: FleetDesk) -> None:
    desk.commit(SMALL)
    desk.edit("apps/web/compose.yaml", "low", "high")
    assert "LEVEL: high" in desk.fleet("render", "d1", "web").out
    assert "LEVEL: low" in desk.fleet("render", "d1", "web", "--revision", "HEAD").out


def test_an_unknown_device_is_told_with_those_that_are_known(desk: FleetDesk) -> None:
    desk.lay(SMALL)
    answer = desk.fleet("render", "d9")
    assert (answer.code, answer.out) == (13, "")
    assert "known are: d1, d2, d3" in answer.err


def test_an_app_that_the_device_does_not_run_is_told_with_those_it_does(desk: FleetDesk) -> None:
    desk.lay(SMALL)
    answer = desk.fleet("render", "d1", "shop")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == "fleet: error: device d1: no app `shop`; it runs web\n"


BROKEN = {
    "a rule": (WEB + "    bogus: 1\n", 11),
    "the syntax": ("services: [\n", 10),
    "a patch": ("services: {other: {image: x}}\n", 12),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_app_leaves_the_others_and_its_exit_code(case: str, desk: FleetDesk) -> None:
    text, code = BROKEN[case]
    patch = "apps: [web, bad]\npatches:\n  - target: {app: bad, service: web}\n    merge: {init: true}"
    desk.lay({**SMALL, "apps/bad/compose.yaml": WEB, "layers/base/all.yaml": layer("all", patch)})
    assert desk.fleet("render", "d1").code == 0
    desk.lay({"apps/bad/compose.yaml": text})
    answer = desk.fleet("render", "d1")
    assert answer.code == code
    assert list(yaml.safe_load(answer.out)["apps"]) == ["web"]
    assert answer.err.startswith("fleet: error: ")


def test_outside_of_a_repository_no_revision_is_known(desk: FleetDesk) -> None:
    desk.lay(SMALL)
    (desk.folder / ".git").rename(desk.folder.parent / "away")
    assert desk.fleet("render", "d1").code == 0
    assert desk.fleet("render", "d1", "--revision", "HEAD").code == 30
