"""JSON Patch and JSON Merge Patch: the examples of their RFCs, their libraries' opinion, and what stays unchanged."""

import copy
from typing import Any

import jsonpatch
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonpointer import JsonPointerException
from patch_examples import REFUSED, RFC_6902, RFC_7396

from reconciler.manifests.merge import MAX_NODES, MAX_OPERATIONS, PatchFailed, apply_merge, apply_patch
from reconciler.model import Place
from reconciler.reading.node import Node, graft, plain

DOCUMENT = Place("document", 1, 1)
PATCH = Place("patch", 2, 2)

settings.register_profile("manifests", deadline=None, derandomize=True, max_examples=500, database=None)


def patched(document: Any, patch: list[Any]) -> Any:
    """What we make of it: a plain value, or REFUSED."""
    before = graft(document, DOCUMENT)
    kept = copy.deepcopy(before)
    operations = graft(patch, PATCH)
    try:
        result = plain(apply_patch(before, operations))
    except PatchFailed as error:
        assert error.node.place == PATCH
        result = REFUSED
    assert before == kept
    assert plain(operations) == patch
    return result


@pytest.mark.parametrize("name", RFC_6902)
def test_rfc_6902(name: str) -> None:
    document, patch, wanted = RFC_6902[name]
    assert exactly(patched(document, patch)) == exactly(wanted)


@pytest.mark.parametrize(("document", "patch", "wanted"), RFC_7396, ids=[str(n) for n in range(len(RFC_7396))])
def test_rfc_7396(document: Any, patch: Any, wanted: Any) -> None:
    before = graft(document, DOCUMENT)
    kept = copy.deepcopy(before)
    assert exactly(plain(apply_merge(before, graft(patch, PATCH)))) == exactly(wanted)
    assert before == kept


NAMES = st.sampled_from(["a", "b", "0", "1", "-", "", "a/b", "~", "m~n"])
SCALARS = st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from([0.0, 1.0, 1.5]) | st.sampled_from(["", "a"])
VALUES = st.recursive(
    SCALARS, lambda inside: st.lists(inside, max_size=3) | st.dictionaries(NAMES, inside, max_size=3), max_leaves=6
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=4) | st.lists(VALUES, max_size=4)
STEPS = NAMES | st.sampled_from(["2", "00", "01", "-1", "9"])


def escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def pointers_into(value: Any, at: str = "") -> list[str]:
    """Every pointer of the document, so that random patches often meet something."""
    found = [at]
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in members:
        found += pointers_into(child, f"{at}/{escaped(str(name))}")
    return found


@st.composite
def documents_and_patches(draw: st.DrawFn) -> tuple[Any, list[Any]]:
    document = draw(DOCUMENTS)
    known = st.sampled_from(pointers_into(document))
    near = st.builds(lambda start, step: f"{start}/{escaped(step)}", known, STEPS)
    pointers = known | near
    operations = st.one_of(
        st.fixed_dictionaries({"op": st.sampled_from(["add", "replace", "test"]), "path": pointers, "value": VALUES}),
        st.fixed_dictionaries({"op": st.just("remove"), "path": pointers}),
        st.fixed_dictionaries({"op": st.sampled_from(["move", "copy"]), "path": pointers, "from": pointers}),
    )
    return document, draw(st.lists(operations, max_size=4))


@settings(settings.get_profile("manifests"))
@given(documents_and_patches())
@example(({"a": [1]}, [{"op": "move", "from": "/a/0", "path": "/a/1"}]))
@example(({"a": {"b": 1}}, [{"op": "copy", "from": "", "path": "/a/b"}]))
def test_the_library_agrees(case: tuple[Any, list[Any]]) -> None:
    document, patch = case
    ours = patched(document, patch)
    if any(map(is_of_the_root, patch)):
        return
    theirs = by_library(document, patch)
    if theirs is REFUSED or ours is REFUSED:
        assert ours is theirs or is_lenient(document, patch)
    else:
        assert exactly(ours) == exactly(theirs)


def by_library(document: Any, patch: list[Any]) -> Any:
    try:
        return jsonpatch.apply_patch(copy.deepcopy(document), patch)
    except (jsonpatch.JsonPatchException, JsonPointerException, KeyError, TypeError, IndexError, AttributeError):
        return REFUSED


def is_of_the_root(operation: dict[str, Any]) -> bool:
    """The library can replace the root of an object only, not that of a list, and cannot copy either."""
    return "" in (operation["path"], operation.get("from"))


def is_lenient(document: Any, patch: list[Any]) -> bool:
    """Does the library let something pass that its RFC does not? Operations are tried one by one, ours beside its."""
    for operation in patch:
        ours, theirs = patched(document, [operation]), by_library(document, [operation])
        if ours is REFUSED and theirs is not REFUSED:
            return is_known_leniency(document, operation)
        if theirs is REFUSED or ours is REFUSED:
            return False
        document = ours
    return False


def is_known_leniency(document: Any, operation: dict[str, Any]) -> bool:
    match operation:
        case {"op": "move", "path": path, "from": origin}:
            # It moves an element of a list into the one that comes to stand in its place (4.4: no proper prefix).
            return path.startswith(f"{origin}/")
        case {"op": "test", "value": value}:
            # Python's `True == 1` (4.6).
            return has_truth_values(document, value)
    return False


def has_truth_values(*values: Any) -> bool:
    return any("True" in repr(value) or "False" in repr(value) for value in values)


def exactly(value: Any) -> Any:
    """A form in which true is not 1; numbers stay equal by value."""
    if isinstance(value, dict):
        return {key: exactly(child) for key, child in value.items()}
    if isinstance(value, list):
        return [exactly(child) for child in value]
    return ("truth", value) if isinstance(value, bool) else value


@settings(settings.get_profile("manifests"))
@given(VALUES, VALUES)
def test_merging_follows_the_pseudo_code(document: Any, patch: Any) -> None:
    before = graft(document, DOCUMENT)
    kept = copy.deepcopy(before)
    assert exactly(plain(apply_merge(before, graft(patch, PATCH)))) == exactly(rfc_7396_section_2(document, patch))
    assert before == kept


def rfc_7396_section_2(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = rfc_7396_section_2(result.get(name), value)
    return result


def test_places_travel_with_the_values() -> None:
    document = graft({"a": {"b": 1}, "c": [2]}, DOCUMENT)
    patch = graft([{"op": "add", "path": "/a/x", "value": 3}, {"op": "move", "from": "/c", "path": "/d"}], PATCH)
    result = apply_patch(document, patch)
    assert result.entries["a"].entries["b"].place == DOCUMENT
    assert result.entries["a"].entries["x"].place == PATCH
    assert result.entries["d"].elements[0].place == DOCUMENT


HOSTILE: dict[str, tuple[Any, list[Any], str]] = {
    "copies that double": (
        {"a": ["x"] * 100},
        [{"op": "copy", "from": "", "path": f"/x{n}"} for n in range(40)],
        f"the document grows over {MAX_NODES} values",
    ),
    "copies into the depth": (
        {"a": {}},
        [{"op": "copy", "from": "", "path": "/a" * 2**n} for n in range(14)],
        "the document grows more than 32 deep",
    ),
    "many operations": (
        {},
        [{"op": "add", "path": "/a", "value": 1}] * (MAX_OPERATIONS + 1),
        f"more than {MAX_OPERATIONS} operations",
    ),
    "a deep pointer": ({}, [{"op": "add", "path": "/a" * 100_000, "value": 1}], "there is no 'a' (there is: nothing)"),
    "an index of many digits": (
        {"a": [1]},
        [{"op": "remove", "path": "/a/" + "1" * 5000}],
        "is not an index of a list",
    ),
    "an index of other digits": (
        {"a": [1, 2]},
        [{"op": "remove", "path": "/a/\u0661"}],
        "'\u0661' is not an index of a list",
    ),
    "an escape that is none": ({"a": 1}, [{"op": "remove", "path": "/a~2"}], "`path` is no JSON pointer"),
    "a path upwards": ({"a": {}}, [{"op": "remove", "path": "/a/-/../"}], "there is no '-' (there is: nothing)"),
    "no operation at all": ({}, [{}], "`op` must be one of"),
    "a list as operation": ({}, [["op"]], "an operation must be a mapping, not a list"),
    "an operation without its value": ({}, [{"op": "add", "path": "/a"}], "`add` needs `value`"),
    "an operation without its origin": ({}, [{"op": "move", "path": "/a"}], "`move` needs `from`"),
    "an origin that is a number": ({}, [{"op": "move", "path": "/a", "from": 5}], "`from` must be a JSON pointer"),
    "a path that is a list": ({}, [{"op": "remove", "path": ["a"]}], "`path` must be a JSON pointer, not a list"),
    "a name that is a list": ({}, [{"op": ["add"], "path": "/a", "value": 1}], "`op` must be one of"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_patches_are_refused(name: str) -> None:
    document, patch, why = HOSTILE[name]
    with pytest.raises(PatchFailed) as failed:
        apply_patch(graft(document, DOCUMENT), graft(patch, PATCH))
    assert why in failed.value.why
    assert isinstance(failed.value.node, Node)
