"""What `fleet import` makes and says, as data in `tests/cases/import`; and what must hold for every one of them."""

import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from import_cases import FLEET, Case, read_cases
from import_desk import Answer, ImportDesk

from reconciler.reading import parse, plain

CASES = read_cases()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> ImportDesk:
    return ImportDesk(tmp_path / "desk", monkeypatch, capsys)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_an_import_makes_and_says(case: Case, desk: ImportDesk) -> None:
    desk.lay(case.fleet, case.inputs)
    before = desk.findings()
    dry = desk.run([*case.arguments, "--dry-run"])
    assert not dry.files, "a dry run writes nothing"
    answer = desk.run(case.arguments, json_too=True)
    check_answer(answer, case.fields)
    assert dry.code == answer.code
    for path, content in answer.files.items():
        if path.endswith(".yaml"):
            parse(content, path)
    if answer.code == 0:
        assert set(desk.findings()) <= set(before), "nothing was reported, so nothing may be found"
    printed = dry.out + dry.err + answer.out + answer.err
    for secret in case.fields.get("hidden", []):
        assert secret not in printed
        if case.arguments[0] == "iotedge":
            assert not any(secret.encode() in content for content in answer.files.values())


def test_cases_are_named_once() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
    assert len(names) >= 120


def check_answer(answer: Answer, wanted: dict[str, Any]) -> None:
    if "error" in wanted:
        assert answer.err == f"fleet: error: {wanted['error']}\n"
        assert (answer.code, answer.files) == (wanted["exit"], {})
        return
    assert answer.err == ""
    assert answer.code == wanted.get("exit", 2 if "told" in wanted else 0), answer.out
    check_lines(answer.not_carried, wanted.get("told", answer.not_carried if "exit" in wanted else []))
    if "carried" in wanted:
        carried = [f"{part['what']} | {part['reason']}" for part in answer.parts if part["outcome"] == "carried"]
        check_lines(carried, wanted["carried"])
    for path, text in wanted.get("files", {}).items():
        check_file(answer, path, text)
    if "service" in wanted:
        document: Any = plain(parse(answer.files["apps/in/compose.yaml"], "compose.yaml"))
        assert document["services"]["web"] == {"image": "web:1", "restart": "always", **wanted["service"]}


def check_lines(found: list[str], wanted: list[str]) -> None:
    assert len(found) == len(wanted), found
    for line, pattern in zip(found, wanted, strict=True):
        escaped = pattern.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]").replace("...", "*")
        assert fnmatch.fnmatchcase(line, escaped), f"{line!r} is not {pattern!r}"


def check_file(answer: Answer, path: str, wanted: Any) -> None:
    if wanted is None:
        assert path not in answer.files
    elif isinstance(wanted, str):
        assert answer.files[path].decode() == wanted
    else:
        assert yaml.safe_load(answer.files[path]) == wanted


def test_nothing_is_written_when_one_file_is_in_the_way(desk: ImportDesk) -> None:
    desk.lay(
        {"fleet.yaml": FLEET, "layers": "a file, where a folder must be"}, {"compose.yaml": "services: {a: {image: a}}"}
    )
    answer = desk.run(["compose", "compose.yaml"])
    assert answer.code == 1
    assert "layers/base/in.yaml: cannot write, so nothing was written" in answer.err
    assert not answer.files
    assert not (desk.repository / "apps" / "in" / "compose.yaml").exists()


def test_a_link_is_in_the_way_too(desk: ImportDesk) -> None:
    desk.lay({"fleet.yaml": FLEET}, {"compose.yaml": "services: {a: {image: a}}"})
    (desk.repository / "apps" / "in").mkdir(parents=True)
    (desk.repository / "apps" / "in" / "compose.yaml").symlink_to("/nowhere")
    answer = desk.run(["compose", "compose.yaml"])
    assert answer.code != 0
    assert not answer.files


def test_wrong_usage_has_its_own_code(desk: ImportDesk) -> None:
    with pytest.raises(SystemExit) as exit_:
        desk.run(["kubernetes", "pod.yaml"])
    assert exit_.value.code == 64


def test_a_config_is_not_fetched_through_a_link_out_of_its_folder(desk: ImportDesk) -> None:
    compose = "services: {web: {image: web, configs: [c]}}\nconfigs: {c: {file: c.conf}}\n"
    desk.lay({"fleet.yaml": FLEET}, {"shop/compose.yaml": compose, "outside": "private"})
    (desk.inputs / "shop" / "c.conf").symlink_to("../outside")
    answer = desk.run(["compose", "shop/compose.yaml"])
    assert answer.code == 2
    assert "apps/shop/c.conf" not in answer.files
