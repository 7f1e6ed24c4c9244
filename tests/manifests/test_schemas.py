"""The published schemas say what the reader says: of every document of ours, and of what chance makes of them."""

import json
from pathlib import Path
from typing import Any

import pytest
from document_cases import read_document_cases
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from render_cases import read_cases

from reconciler.errors import ManifestError
from reconciler.manifests import json_schemas
from reconciler.manifests.announced import REQUEST, ROLLOUT
from reconciler.manifests.kinds import DEVICE, FLEET, LAYER
from reconciler.manifests.policy import POLICY
from reconciler.manifests.shape import has_shape
from reconciler.reading import Node, parse, plain

SHAPES = {"Fleet": FLEET, "Layer": LAYER, "Device": DEVICE, "Policy": POLICY, "Rollout": ROLLOUT, "Request": REQUEST}
VALIDATORS = {kind: Draft202012Validator(schema) for kind, schema in json_schemas().items()}
EXAMPLE = Path(__file__).parents[2] / "fleet-repo-example"


def kind_of(path: str) -> str | None:
    folder = path.partition("/")[0]
    kinds = {"fleet.yaml": "Fleet", "layers": "Layer", "devices": "Device"}
    return kinds.get(folder) if path.endswith(".yaml") else None


def documents() -> list[tuple[str, Node]]:
    """Every document of the example fleet and of the cases that is YAML, with the kind that its path implies."""
    example = {str(path.relative_to(EXAMPLE)): path.read_bytes() for path in EXAMPLE.rglob("*.yaml")}
    trees = [example, *(case.tree for case in read_cases())]
    files = {(kind_of(path), path, text) for tree in trees for path, text in tree.items() if kind_of(path)}
    files |= {(case.kind, case.path, case.text) for case in read_document_cases() if case.path.endswith(".yaml")}
    found = []
    for kind, path, text in sorted(files, key=str):
        try:
            found.append((str(kind), parse(text, path)))
        except ManifestError:
            continue
    return found


DOCUMENTS = documents()
GOOD = [(kind, node) for kind, node in DOCUMENTS if has_shape(SHAPES[kind], node)]


def check_agreement(kind: str, node: Node) -> bool:
    """Both say the same of this document; what they say."""
    errors = [error.message for error in VALIDATORS[kind].iter_errors(plain(node))]
    good = has_shape(SHAPES[kind], node)
    assert good == (not errors), f"{kind} {json.dumps(plain(node))}: {errors or 'the schema has nothing against it'}"
    return good


@pytest.mark.parametrize("kind", SHAPES)
def test_a_schema_is_one(kind: str) -> None:
    Draft202012Validator.check_schema(json_schemas()[kind])
    assert {kind for kind, _ in GOOD} == SHAPES.keys(), "the cases must hold good documents of every kind"


def test_schema_and_reader_agree_on_every_document_of_ours() -> None:
    said = {check_agreement(kind, node) for kind, node in DOCUMENTS}
    assert said == {True, False}
    assert len(DOCUMENTS) > 150


# What a hurried hand writes; and near misses of what patterns and numbers demand.
VALUES: list[Any] = [None, True, "true", 0, 1, -1, 2.0, 2.5, 10**7, "", "a", "A b", "7", "x" * 64, "10%", "30m", [], {}]
VALUES += [["a", "a"], ["a", 1], [None], {"a": 1}, {"A b": None}, {"x-a": 1}, "/a~2", "/a/b", "In", "Exists", "logs"]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, child in inner for found in places(child, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], change: Any) -> Any:
    """A copy with one place replaced; left out, when the change is `...`; a key beside it, when it is a pair."""
    if not path:
        return {} if change is ... else change
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1 and change is ...:
        del copy[path[0]]
    elif len(path) == 1 and isinstance(change, tuple) and isinstance(copy, dict):
        copy[change[0]] = change[1]
    else:
        copy[path[0]] = changed(copy[path[0]], path[1:], change[1] if isinstance(change, tuple) else change)
    return copy


@given(st.data())
def test_schema_and_reader_agree_on_what_chance_makes_of_them(data: st.DataObject) -> None:
    kind, node = data.draw(st.sampled_from(GOOD))
    value: Any = plain(node)
    keys = ["x-note", "nonsense", "optional", "values", "value", "patch", "merge", "target", "lines", "until", "apps"]
    changes = st.one_of(
        st.just(...), st.sampled_from(VALUES), st.tuples(st.sampled_from(keys), st.sampled_from(VALUES))
    )
    for _ in range(data.draw(st.integers(1, 3))):
        value = changed(value, data.draw(st.sampled_from(places(value))), data.draw(changes))
    # YAML is a superset of JSON.
    check_agreement(kind, parse(json.dumps(value).encode(), "file.yaml"))
