"""From files to desired state: every rule and every message, as data in `tests/cases/render`."""

from typing import Any

import pytest
from render_cases import Case, read_cases, rendering_of

from reconciler.errors import ManifestError, Problem, ProblemKind, UnknownDevice
from reconciler.manifests import FleetFiles, Rendering
from reconciler.manifests.compose.declared import MAX_CONFIG_BYTES
from reconciler.model import DesiredState
from reconciler.model.codec import canonical, from_json, to_plain

CASES = read_cases()
EXPLAINED = [case for case in CASES if "explain" in case.fields]
OUTCOMES = {"state", "apps", "untouched", "errors", "refused", "unknown", "explain"}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_device_is_what_its_files_say(case: Case) -> None:
    assert case.fields.keys() & OUTCOMES, "a case must expect something"
    if "refused" in case.fields:
        with pytest.raises(ManifestError) as refused:
            FleetFiles(case.tree).render(case.device)
        check_problems(refused.value.problems, case.fields["refused"], case)
        assert str(refused.value) == "\n".join(case.fields["refused"])
        assert refused.value.exit_code == kind_of(case).value
    elif "unknown" in case.fields:
        with pytest.raises(UnknownDevice) as unknown:
            FleetFiles(case.tree).render(case.device)
        assert (str(unknown.value), unknown.value.exit_code) == (case.fields["unknown"], 13)
    else:
        check_rendering(rendering_of(case), case)


@pytest.mark.parametrize("case", EXPLAINED, ids=[case.name for case in EXPLAINED])
def test_who_set_a_value_is_told_with_file_and_line(case: Case) -> None:
    files = FleetFiles(case.tree)
    for pointer, told in case.fields["explain"].items():
        (found,) = files.explain(case.device, "shop", pointer)
        assert f"{found.settings[-1].place} {found.settings[-1].by}" == told


def test_cases_are_named_once() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
    assert len(names) >= 300


def test_a_config_over_the_limit() -> None:
    case = next(case for case in CASES if case.name.endswith("configs from a file and from content"))
    path = "apps/shop/weights.txt"
    assert FleetFiles({**case.tree, path: b"x" * MAX_CONFIG_BYTES}).render("press").problems == ()
    rendering = FleetFiles({**case.tree, path: b"x" * (MAX_CONFIG_BYTES + 1)}).render("press")
    assert [str(problem) for problem in rendering.problems] == [
        "apps/shop/compose.yaml:9:3: the config `weights` has over 1048576 bytes; put big files into an image"
    ]


def check_rendering(rendering: Rendering, case: Case) -> None:
    desired, fields = rendering.desired, case.fields
    check_problems(rendering.problems, fields.get("errors", []), case)
    for address, wanted in fields.get("state", {}).items():
        found = plain_at(desired, address)
        assert {key: found.get(key) for key in wanted} == wanted, address
    if "apps" in fields:
        assert [app.name for app in desired.apps] == fields["apps"]
    assert sorted(desired.untouched) == fields.get("untouched", ["shop"] if "errors" in fields else [])
    assert from_json(DesiredState, canonical(desired)) == desired, "the journal must give back what was put in"


def check_problems(problems: tuple[Problem, ...], wanted: list[str], case: Case) -> None:
    assert [str(problem) for problem in problems] == wanted
    assert {problem.kind for problem in problems} <= {kind_of(case)}


def kind_of(case: Case) -> ProblemKind:
    return ProblemKind[case.fields.get("kind", "rule").upper()]


def plain_at(desired: DesiredState, address: str) -> dict[str, Any]:
    name, _, service = address.partition("/")
    app = desired.app(name)
    assert app is not None, f"{name} is not rendered"
    value = to_plain(app.service(service) if service else app)
    assert isinstance(value, dict), address
    return value
