"""`fleet explain`: who set each value. The place it names last is tried: what is edited there changes the value."""

import json
import re
from collections.abc import Mapping
from functools import cache

import pytest
import yaml
from fleet_desk import DEVICES, EXAMPLE, SMALL, WEB, FleetDesk, device, layer

from lab.operator import Operator
from reconciler.manifests import Explanation, FleetFiles, Setting


@pytest.fixture
def desk(ann: Operator, capsys: pytest.CaptureFixture[str]) -> FleetDesk:
    return FleetDesk(ann, capsys)


TREE = {
    path.relative_to(EXAMPLE).as_posix(): path.read_bytes()
    for path in EXAMPLE.rglob("*")
    if path.is_file() and path.parts[len(EXAMPLE.parts)] != "images"
}
RUNS = [(name, app.name) for name in DEVICES for app in FleetFiles(TREE).render(name).desired.apps]


def explained(files: FleetFiles, name: str, app: str) -> dict[str, Explanation]:
    return {one.pointer: one for one in files.explain(name, app)}


@cache
def edited_at(place: str) -> FleetFiles:
    """The example with the one value that starts at this place changed."""
    path, line, column = place.rsplit(":", 2)
    text = TREE[path].decode()
    (node,) = (
        n for n in every_value(yaml.compose(text)) if (n.start_mark.line, n.start_mark.column) == at(line, column)
    )
    changed = text[: node.start_mark.index] + another(node) + text[node.end_mark.index :]
    return FleetFiles({**TREE, path: changed.encode()})


def at(line: str, column: str) -> tuple[int, int]:
    return int(line) - 1, int(column) - 1


def every_value(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        found = [one for _, value in node.value for one in every_value(value)]
    elif isinstance(node, yaml.SequenceNode):
        found = [one for value in node.value for one in every_value(value)]
    else:
        return [node]
    return found or [node]


def another(node: yaml.Node) -> str:
    """A value of the same kind that is not this one."""
    if not isinstance(node, yaml.ScalarNode):
        return "{name: another}"
    if node.tag.endswith("bool"):
        return "false" if node.value == "true" else "true"
    if node.tag.endswith(("int", "float")):
        return f"{node.value}7"
    return json.dumps(f"{node.value}7")


def test_the_example_runs_all_its_apps_and_each_has_values() -> None:
    assert len(RUNS) == 8
    assert sum(len(explained(FleetFiles(TREE), *run)) for run in RUNS) > 150


@pytest.mark.parametrize(("name", "app"), RUNS)
def test_what_is_edited_at_the_last_place_changes_the_value_of_every_pointer(name: str, app: str) -> None:
    for pointer, before in explained(FleetFiles(TREE), name, app).items():
        after = explained(edited_at(str(before.settings[-1].place)), name, app).get(pointer)
        assert after is None or after.value != before.value, f"{pointer} is not set at {before.settings[-1].place}"


@pytest.mark.parametrize(("name", "app"), RUNS)
def test_every_place_lies_in_a_file_of_whom_it_names(name: str, app: str) -> None:
    for one in FleetFiles(TREE).explain(name, app):
        for setting in one.settings:
            assert str(setting.place).rsplit(":", 2)[0] == file_of(setting, name, app)


def file_of(setting: Setting, name: str, app: str) -> str:
    by = setting.by.rpartition(" of ")[2] if setting.by.startswith("${") else setting.by
    if by == "the Compose file":
        return f"apps/{app}/compose.yaml"
    if by == "the device":
        return next(path for path in TREE if path.endswith(f"/{name}.yaml"))
    return f"layers/{by.removeprefix('layer ')}.yaml"


@pytest.mark.parametrize(("name", "app"), RUNS)
def test_the_values_are_those_that_are_rendered(name: str, app: str, desk: FleetDesk) -> None:
    desk.lay_example()
    shown = desk.fleet("render", name, app, "-o", "json").json
    for one in desk.fleet("explain", name, app, "-o", "json").json:
        if re.fullmatch(r"/services/\w+/environment/\w+|/services/\w+/(image|restart)", one["pointer"]):
            _, service, *path = one["pointer"][1:].split("/")
            found: object = shown["services"][service]
            for part in path:
                assert isinstance(found, Mapping)
                found = found[part]
            assert one["value"] == repr(found)


def test_the_chain_goes_from_the_file_over_the_layers_to_the_variables(desk: FleetDesk) -> None:
    desk.lay_example()
    (title,) = desk.fleet("explain", "press-0041", "andon", "board", "/environment/TITLE", "-o", "json").json
    assert title == {
        "app": "andon",
        "pointer": "/services/board/environment/TITLE",
        "value": "'Plant 7, presses (canary)'",
        "settings": [
            {"place": "apps/andon/compose.yaml:6:14", "by": "the Compose file", "value": "'${TITLE:-Press shop}'"},
            {"place": "layers/ring/canary.yaml:13:58", "by": "layer ring/canary", "value": "'${TITLE} (canary)'"},
            {
                "place": "layers/site/plant-7.yaml:9:22",
                "by": "${TITLE} of layer site/plant-7",
                "value": "'Plant 7, presses'",
            },
        ],
    }


def test_a_variable_that_layers_and_device_set_is_told_in_their_order(desk: FleetDesk) -> None:
    desk.lay({**SMALL, "layers/base/all.yaml": layer("all", "apps: [web]\nvariables: {TITLE: All}")})
    desk.lay({"devices/d3.yaml": device("d3", "variables: {TITLE: Mine}", "site: south")})
    (title,) = desk.fleet("explain", "d3", "web", "web", "/environment/TITLE", "-o", "json").json
    assert [one["value"] for one in title["settings"]] == ["'${TITLE:-none}'", "'All'", "'South'", "'Mine'"]
    assert title["value"] == "'Mine'"


def test_a_default_that_nobody_overrides_is_of_the_compose_file(desk: FleetDesk) -> None:
    desk.lay(SMALL)
    (title,) = desk.fleet("explain", "d1", "web", "web", "/environment/TITLE", "-o", "json").json
    assert [one["by"] for one in title["settings"]] == ["the Compose file"]
    assert title["value"] == "'none'"


def test_two_dollars_are_no_variable(desk: FleetDesk) -> None:
    desk.lay({**SMALL, "apps/web/compose.yaml": WEB.replace("${TITLE:-none}", "$$TITLE")})
    (title,) = desk.fleet("explain", "d3", "web", "web", "/environment/TITLE", "-o", "json").json
    assert [one["by"] for one in title["settings"]] == ["the Compose file"]


def test_the_text_has_a_line_for_each_place(desk: FleetDesk) -> None:
    desk.lay(SMALL)
    value, *places = desk.fleet("explain", "d3", "web", "web", "/environment/TITLE").lines
    assert value == "/services/web/environment/TITLE: 'South'"
    assert [line.split()[0] for line in places] == ["apps/web/compose.yaml:5:14", "layers/site/south.yaml:6:22"]


FILTERS = {
    (): 4,
    ("web",): 3,
    ("web", "/environment"): 2,
    ("web", "/environment/"): 2,
    ("web", "/environment/LEVEL"): 1,
    ("web", "/image"): 1,
}


@pytest.mark.parametrize("only", FILTERS)
def test_a_pointer_chooses_what_lies_below_it(only: tuple[str, ...], desk: FleetDesk) -> None:
    desk.lay({**SMALL, "apps/web/compose.yaml": WEB + "volumes:\n  data: {}\n"})
    found = desk.fleet("explain", "d1", "web", *only, "-o", "json").json
    assert len(found) == FILTERS[only]
    assert all(one["pointer"].startswith("/services/web" if only else "/") for one in found)


NOTHING_THERE = [("shop",), ("we",), ("web", "/env"), ("web", "/environment/NONE"), ("web", "environment")]


@pytest.mark.parametrize("only", NOTHING_THERE)
def test_a_pointer_to_nothing_is_an_error(only: tuple[str, ...], desk: FleetDesk) -> None:
    desk.lay(SMALL)
    answer = desk.fleet("explain", "d1", "web", *only)
    assert (answer.code, answer.out) == (1, "")
    assert "nothing at /services/" in answer.err


@pytest.mark.parametrize(("run", "code"), [(("d9", "web"), 13), (("d1", "shop"), 11)])
def test_an_unknown_device_or_app_is_an_error(run: tuple[str, str], code: int, desk: FleetDesk) -> None:
    desk.lay(SMALL)
    answer = desk.fleet("explain", *run)
    assert (answer.code, answer.out) == (code, "")


def test_a_commit_is_explained_whatever_lies_in_the_folder(desk: FleetDesk) -> None:
    desk.commit(SMALL)
    desk.edit("apps/web/compose.yaml", "low", "high")
    level = ("explain", "d1", "web", "web", "/environment/LEVEL")
    assert desk.fleet(*level).lines[0].endswith("'high'")
    assert desk.fleet(*level, "--revision", "HEAD").lines[0].endswith("'low'")


# Where two variables are named, and the one that is named first decides.
DECIDED_BY_THE_FIRST = ["${TITLE:-${OTHER}}", "${TITLE-$OTHER}", "${TITLE:-${OTHER:-none}}"]


@pytest.mark.parametrize("text", DECIDED_BY_THE_FIRST)
def test_a_variable_in_a_default_that_is_not_used_is_not_the_last_place(text: str, desk: FleetDesk) -> None:
    desk.lay({**SMALL, "apps/web/compose.yaml": WEB.replace("${TITLE:-none}", text)})
    desk.lay({"layers/base/all.yaml": layer("all", "apps: [web]\nvariables: {OTHER: unused}")})
    (title,) = desk.fleet("explain", "d3", "web", "web", "/environment/TITLE", "-o", "json").json
    assert title["value"] == "'South'"
    assert title["settings"][-1]["by"] == "${TITLE} of layer site/south"
