"""What holds for every input: no traceback, nothing half-written, what is written parses, no secret is told."""

import copy
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from import_cases import FLEET, Case, read_cases
from import_desk import ImportDesk

from reconciler.fleet.imports.condition import NotExpressible, demands
from reconciler.fleet.imports.parts import Part
from reconciler.fleet.imports.secret_values import SecretValues, secret_part
from reconciler.fleet.imports.source_files import MAX_BYTES, MAX_DEPTH, MAX_VALUES
from reconciler.reading import parse, plain

COUNT = int(os.environ.get("FUZZ_COUNT", "0")) // 100 or 25
SETTINGS = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=COUNT,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SECRET = "zQ7-planted/Secret+42=="
TUTORIAL = next(case for case in read_cases() if "tutorial" in case.name)
WRONG = [None, True, 5, -1, 1.5, "", "text", "${X}", [], [1], {}, {"a": {}}, "1e3", "\u2028\x85", 2**70]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[ImportDesk]:
    desk = ImportDesk(tmp_path / "desk", monkeypatch, capsys)
    desk.lay({"fleet.yaml": FLEET}, {})
    yield desk


numbers = itertools.count()


def tried(desk: ImportDesk, text: str | bytes) -> int:
    """Import a deployment as an app of its own, check what must hold, and give the exit code."""
    name = f"app-{next(numbers)}"
    (desk.inputs / "deployment.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    before = set(desk.findings())
    answer = desk.run(["iotedge", "deployment.json", "--app", name])
    assert SECRET not in answer.out + answer.err
    for path, content in answer.files.items():
        parse(content, path)
        assert SECRET.encode() not in content
    if answer.code not in (0, 2):
        assert answer.files == {}
        assert answer.err.startswith("fleet: error: ")
    if answer.code == 0:
        assert set(desk.findings()) <= before
    for path in answer.files:
        (desk.repository / path).unlink()
    return answer.code


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in steps:
        yield from places(child, (*path, key))


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    result = copy.deepcopy(document)
    here = result
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = value
    return result


def tutorial() -> Any:
    """The tutorial's deployment, with its create options as objects so that wrong values reach into them."""
    document = json.loads(TUTORIAL.inputs["thermo/deployment.json"])
    agent = document["content"]["modulesContent"]["$edgeAgent"]["properties.desired"]
    for module in agent["modules"].values():
        module["settings"]["createOptions"] = json.loads(module["settings"]["createOptions"])
    credentials = agent["runtime"]["settings"]["registryCredentials"]
    credentials["acme"]["password"] = SECRET
    agent["modules"]["filter"]["env"] = {"API_KEY": {"value": SECRET}}
    return document


def test_every_wrong_value_at_every_place_is_one_clear_line(desk: ImportDesk) -> None:
    document = tutorial()
    codes = set()
    for index, path in enumerate(places(document)):
        for wrong in WRONG[index % 8 :: 8]:
            codes.add(tried(desk, json.dumps(changed(document, path, wrong))))
    assert codes <= {0, 1, 2, 10, 11}
    assert {2, 11} <= codes


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "Env": st.lists(st.tuples(st.sampled_from("ABC"), texts).map("=".join), max_size=3),
        "Cmd": st.lists(texts, max_size=3),
        "User": texts,
        "Labels": st.dictionaries(texts, texts, max_size=2),
        "HostConfig": st.fixed_dictionaries(
            {},
            optional={
                "Binds": st.lists(st.sampled_from(["v:/v", "w:/w:ro", "/h:/h"]), unique=True, max_size=3),
                "PortBindings": st.dictionaries(
                    st.sampled_from(["80/tcp", "53/udp"]), st.just([{"HostPort": "8080"}]), max_size=2
                ),
                "Memory": st.integers(0, 2**40),
                "NanoCpus": st.integers(0, 2**34),
                "CapDrop": st.lists(st.sampled_from(["ALL", "NET_RAW"]), unique=True),
                "Tmpfs": st.dictionaries(st.sampled_from(["/a", "/b"]), st.sampled_from(["", "size=1m"])),
            },
        ),
    },
)
MODULES = st.dictionaries(
    st.sampled_from(["a", "B", "c d", "c!d"]),
    st.fixed_dictionaries(
        {
            "settings": st.fixed_dictionaries(
                {"image": st.just("i:1"), "createOptions": OPTIONS | OPTIONS.map(json.dumps)}
            )
        },
        optional={
            "env": st.dictionaries(
                st.sampled_from(["X", "Y"]), st.fixed_dictionaries({"value": texts | st.integers()})
            ),
            "status": st.sampled_from(["running", "stopped"]),
            "restartPolicy": st.sampled_from(["always", "never", "on-failure", "on-unhealthy"]),
            "startupOrder": st.integers(0, 4),
            "version": texts,
        },
    ),
    min_size=1,
)


@given(MODULES)
@SETTINGS
def test_what_is_written_parses_and_validates_when_nothing_was_reported(desk: ImportDesk, modules: Any) -> None:
    manifest = {"modulesContent": {"$edgeAgent": {"properties.desired": {"modules": modules}}}}
    assert tried(desk, json.dumps(manifest)) in (0, 2, 10, 11)


@given(texts)
@SETTINGS
def test_a_variable_keeps_its_value_to_the_byte(desk: ImportDesk, value: str) -> None:
    modules = {"web": {"settings": {"image": "i"}, "env": {"GREETING": {"value": value}}}}
    manifest = {"modulesContent": {"$edgeAgent": {"properties.desired": {"modules": modules}}}}
    (desk.inputs / "one.json").write_text(json.dumps(manifest))
    answer = desk.run(["iotedge", "one.json", "--app", f"app-{next(numbers)}"])
    for path, content in answer.files.items():
        if path.endswith("compose.yaml"):
            document: Any = plain(parse(content, path))
            assert document["services"]["web"]["environment"]["GREETING"] == value.replace("$", "$$")
        (desk.repository / path).unlink()
    # What YAML cannot hold is refused, and not written as something else.
    assert answer.code in ((0,) if answer.files else (10, 11))


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from("( ) NOT AND OR tags.a deviceId = IN [ ] , 'x' 5".split())).map(" ".join)
)
@SETTINGS
def test_a_condition_is_read_or_told_and_nothing_else(text: str) -> None:
    try:
        demands(text)
    except NotExpressible as error:
        assert str(error)


@given(st.lists(st.text(max_size=30) | st.sampled_from(["A=1", "B='x", 'C="\\$5"', "D=${A}", "export E=a #b"])))
@SETTINGS
def test_any_env_file_is_read_or_refused(desk: ImportDesk, lines: list[str]) -> None:
    (desk.inputs / "compose.yaml").write_text("services: {web: {image: web}}\n")
    (desk.inputs / "any.env").write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    name = f"app-{next(numbers)}"
    answer = desk.run(["compose", "compose.yaml", "--env-file", "any.env", "--app", name])
    assert answer.code in (0, 2, 10, 11)
    assert bool(answer.files) == (answer.code in (0, 2))
    if answer.code == 0:
        assert desk.findings() == []
    for path in answer.files:
        (desk.repository / path).unlink()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"[" * 1_000_000, f"deployment.json: nested more than {MAX_DEPTH} deep"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, f"nested more than {MAX_DEPTH} deep; flatten it"),
        (b"[" + b"1," * MAX_VALUES + b"1]", f"more than {MAX_VALUES} values; split the file"),
        (b'"' + b"x" * MAX_BYTES + b'"', f"deployment.json: the file has over {MAX_BYTES} bytes"),
        (b'{"' + b"k" * 300 + b'": 1}', "deployment.json: a key with over 256 characters"),
        (b"1" * 5000, "deployment.json: not JSON: Exceeds the limit (4300 digits)"),
        (b"\xff\xfe{}", "deployment.json: not UTF-8"),
        (
            b'{"modulesContent": {"$edgeAgent": {"properties.desired": {"modules": {'
            + b",".join(b'"m%d": {}' % number for number in range(1001))
            + b"}}}}}",
            "deployment.json: more than 1000 modules",
        ),
    ],
)
def test_limits_are_named(desk: ImportDesk, text: bytes, told: str, tmp_path: Path) -> None:
    (desk.inputs / "deployment.json").write_bytes(text)
    answer = desk.run(["iotedge", "deployment.json"])
    assert told in answer.err
    assert answer.err.count("\n") == 1
    assert len(answer.err) < 500
    assert answer.files == {}


def test_secrets_are_hidden_also_when_a_message_cuts_them() -> None:
    secrets = SecretValues()
    secrets.note(SECRET)
    secrets.note("abc")
    assert secrets.hide(f"x {SECRET} y {SECRET[:12]}... abc {SECRET[:5]}") == f"x *** y ***... *** {SECRET[:5]}"
    secrets.note("it's $5, so")
    assert secrets.hide("it's $5, so") == secrets.hide("it's $$5, so") == secrets.hide("it\\'s $5, so") == "***"
    for number in range(200):
        secrets.note(f"AccountKey={number:04}")
    assert secrets.hide("see AccountKey=0007 there") == "see ***"


@pytest.mark.parametrize(
    ("name", "value", "before", "secret"),
    [
        ("DB_PASSWORD", "hunter2", "", "hunter2"),
        ("dbPassword", "hunter2", "", "hunter2"),
        ("DB_PASSWORD_FILE", "/run/x", "", ""),
        ("DB_PASSWORD", "${DB_PASSWORD}", "", ""),
        ("TOKEN_TTL", "3600", "", ""),
        ("COMPASS", "north", "", ""),
        ("PGPASS", "x1y2z3", "", "x1y2z3"),
        ("LEVEL", "debug", "", ""),
        ("0", "API_TOKEN=abc", "", "abc"),
        ("1", "abc", "--api-token", "abc"),
        ("1", "--verbose", "--api-token", ""),
        ("command", "serve --token abc -v", "", "serve --token abc -v"),
        ("URL", "https://example.org:80/a@b", "", ""),
        ("URL", "amqp://u:p@h", "", "amqp://u:p@h"),
    ],
)
def test_what_looks_like_a_secret(name: str, value: str, before: str, secret: str) -> None:
    assert secret_part(name, value, before) == secret


def test_a_case_knows_its_inputs() -> None:
    assert isinstance(TUTORIAL, Case)
    assert Part({"a~/b": 1}, "f").entries()["a~/b"].where == "f#/a~0~1b"
