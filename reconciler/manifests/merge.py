"""JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7396) on nodes: input is never changed, places travel along.

`jsonpatch` and `jsonpointer` judge what a patch and a pointer look like; applying is done here, by copying the path
to the changed value, because the library works on plain values and would lose where each was written (decisions/0003).
"""

from collections.abc import Callable, Iterator
from typing import Any

import jsonpatch
from jsonpointer import JsonPointer, JsonPointerException

from reconciler.reading import MAX_DEPTH, Node, depth, plain, size

# A patch of one layer that copies a value 40 times into itself would double it 40 times.
MAX_OPERATIONS = 1_000
MAX_NODES = 50_000


# The library looks at these only when it applies a patch.
# The operations of RFC 6902, section 4, and the member that each needs beside `path`.
NEEDED = {"add": "value", "remove": "", "replace": "value", "move": "from", "copy": "from", "test": "value"}


class PatchFailed(Exception):
    """This operation does not apply, and why; `node` is where the operation was written."""

    def __init__(self, node: Node, why: str) -> None:
        super().__init__(why)
        self.node, self.why = node, why


def pointer_parts(pointer: str) -> tuple[str, ...]:
    """The reference tokens of a JSON pointer (RFC 6901). Raises ValueError."""
    try:
        return tuple(JsonPointer(pointer).parts)
    except JsonPointerException as error:
        raise ValueError(str(error)) from error


def written_pointers(patch: Node) -> list[tuple[str, Node]]:
    """The pointers that a JSON patch writes: what it takes away counts, a test does not."""
    written = []
    for operation in patch.elements:
        name = operation.entries["op"].value
        if name == "move":
            written.append((str(operation.entries["from"].value), operation))
        if name != "test":
            written.append((str(operation.entries["path"].value), operation))
    return written


def merged_pointers(patch: Node, pointer: str = "") -> Iterator[tuple[str, Node]]:
    """The pointers that a merge patch writes: its ends. An empty mapping changes nothing of one that is there."""
    if not patch.is_mapping:
        yield pointer, patch
    for key, child in patch.entries.items():
        yield from merged_pointers(child, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")


def check_patch(patch: Node) -> None:
    """Raises PatchFailed when this is not a well-formed JSON patch."""
    if not patch.is_list:
        raise PatchFailed(patch, f"`patch` must be a list of operations, not {patch.kind}")
    if len(patch.elements) > MAX_OPERATIONS:
        raise PatchFailed(patch, f"more than {MAX_OPERATIONS} operations")
    for operation in patch.elements:
        _check_operation(operation)


def _check_operation(operation: Node) -> None:
    """Its shape, in words that are the same under every version of the library; which then has the last word."""
    if not operation.is_mapping:
        raise PatchFailed(operation, f"an operation must be a mapping, not {operation.kind}")
    known = {"op", "path", "value", "from"}
    if unknown := sorted(key for key in operation.entries if key not in known and not key.startswith("x-")):
        raise PatchFailed(operation, f"unknown key `{unknown[0]}` in an operation (RFC 6902 has op, path, value, from)")
    name = operation.entries["op"].value if "op" in operation.entries else None
    if not isinstance(name, str) or name not in NEEDED:
        raise PatchFailed(operation, f"`op` must be one of {', '.join(NEEDED)}")
    for member in ("path", NEEDED[name]):
        if member and member not in operation.entries:
            raise PatchFailed(operation, f"`{name}` needs `{member}`")
    for member in ("path", "from"):
        if member in operation.entries:
            _check_pointer(operation, member)
    judged: Any = [plain(operation)]
    try:
        jsonpatch.JsonPatch(judged)
    except (jsonpatch.JsonPatchException, JsonPointerException, TypeError) as error:
        raise PatchFailed(operation, "not an operation of a JSON patch") from error


def _check_pointer(operation: Node, member: str) -> None:
    pointer = operation.entries[member].value
    if not isinstance(pointer, str):
        raise PatchFailed(operation, f"`{member}` must be a JSON pointer, not {operation.entries[member].kind}")
    try:
        pointer_parts(pointer)
    except ValueError as error:
        advice = "it starts with `/`, or is empty, and holds `~` only as `~0` and `~1`"
        raise PatchFailed(operation, f"`{member}` is no JSON pointer: {advice}") from error


def apply_patch(document: Node, patch: Node) -> Node:
    """Apply a JSON patch, all of it or nothing. Raises PatchFailed."""
    check_patch(patch)
    return apply_checked(document, patch)


def apply_checked(document: Node, patch: Node) -> Node:
    """The same, for a patch that has passed `check_patch`: a layer is checked once, and applied to many devices."""
    for operation in patch.elements:
        document = _OPERATIONS[str(operation.entries["op"].value)](document, operation)
        if size(document, MAX_NODES) > MAX_NODES:
            raise PatchFailed(operation, f"the document grows over {MAX_NODES} values")
        if depth(document) > MAX_DEPTH:
            raise PatchFailed(operation, f"the document grows more than {MAX_DEPTH} deep")
    return document


def apply_merge(document: Node, patch: Node) -> Node:
    """Apply a JSON merge patch (RFC 7396, section 2): null removes, mappings merge, all else replaces."""
    if not patch.is_mapping:
        return patch
    entries = dict(document.entries)
    for key, value in patch.entries.items():
        if value.value is None:
            entries.pop(key, None)
        else:
            # Merging into nothing still drops the nulls of the patch.
            entries[key] = apply_merge(entries.get(key, Node({}, value.place, value.key)), value)
    return Node(entries, document.place if document.is_mapping else patch.place, document.key)


def _path(operation: Node, member: str = "path") -> tuple[str, ...]:
    return pointer_parts(str(operation.entries[member].value))


def _value(operation: Node) -> Node:
    value = operation.entries["value"]
    return value._replace(key=operation.entries["path"].place)


def _add(document: Node, operation: Node) -> Node:
    return _put(document, _path(operation), operation, _value(operation))


def _put(document: Node, path: tuple[str, ...], operation: Node, value: Node) -> Node:
    if not path:
        return value

    def insert(parent: Node, step: str) -> Node:
        if parent.is_mapping:
            return parent._replace(value={**parent.entries, step: value})
        elements = parent.elements
        index = len(elements) if step == "-" else _index(step, len(elements) + 1, operation)
        return parent._replace(value=(*elements[:index], value, *elements[index:]))

    return _change(document, path, operation, insert)


def _remove(document: Node, operation: Node) -> Node:
    return _take_out(document, _path(operation), operation)


def _take_out(document: Node, path: tuple[str, ...], operation: Node) -> Node:
    if not path:
        raise PatchFailed(operation, "the whole document cannot be removed")

    def drop(parent: Node, step: str) -> Node:
        _child(parent, step, operation)
        if parent.is_mapping:
            return parent._replace(value={key: child for key, child in parent.entries.items() if key != step})
        index = int(step)
        return parent._replace(value=parent.elements[:index] + parent.elements[index + 1 :])

    return _change(document, path, operation, drop)


def _replace(document: Node, operation: Node) -> Node:
    path, value = _path(operation), _value(operation)
    if not path:
        return value

    def swap(parent: Node, step: str) -> Node:
        _child(parent, step, operation)
        return _with_child(parent, step, value)

    return _change(document, path, operation, swap)


def _move(document: Node, operation: Node) -> Node:
    source, target = _path(operation, "from"), _path(operation)
    if source == target[: len(source)] and len(source) < len(target):
        raise PatchFailed(operation, "a value cannot be moved into itself")
    value = _find(document, source, operation)
    if source == target:
        return document
    return _put(_take_out(document, source, operation), target, operation, value)


def _copy(document: Node, operation: Node) -> Node:
    return _put(document, _path(operation), operation, _find(document, _path(operation, "from"), operation))


def _test(document: Node, operation: Node) -> Node:
    found = _find(document, _path(operation), operation)
    if not _equal(found, operation.entries["value"]):
        # Neither value is told: a report goes further than the file that holds them.
        raise PatchFailed(operation, f"test failed: another value was set at {found.place}")
    return document


_OPERATIONS: dict[str, Callable[[Node, Node], Node]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _change(document: Node, path: tuple[str, ...], operation: Node, act: Callable[[Node, str], Node]) -> Node:
    """Copy the path down to the last token's parent, and let `act` make the new parent."""
    if len(path) == 1:
        if not (document.is_mapping or document.is_list):
            raise PatchFailed(operation, f"{document.kind} at {document.place} has no member {path[0]!r}")
        return act(document, path[0])
    child = _child(document, path[0], operation)
    return _with_child(document, path[0], _change(child, path[1:], operation, act))


def _with_child(parent: Node, step: str, child: Node) -> Node:
    if parent.is_mapping:
        return parent._replace(value={**parent.entries, step: child})
    index = int(step)
    return parent._replace(value=(*parent.elements[:index], child, *parent.elements[index + 1 :]))


def _child(parent: Node, step: str, operation: Node) -> Node:
    if parent.is_list:
        return parent.elements[_index(step, len(parent.elements), operation)]
    if step not in parent.entries:
        known = ", ".join(sorted(parent.entries)) or "nothing"
        raise PatchFailed(operation, f"there is no {step!r} (there is: {known})")
    return parent.entries[step]


def _index(step: str, length: int, operation: Node) -> int:
    # RFC 6901, section 4: digits without a leading zero.
    if not (step == "0" or (step.isascii() and step.isdigit() and step[0] != "0" and len(step) < 10)):
        raise PatchFailed(operation, f"{step!r} is not an index of a list")
    if int(step) >= length:
        raise PatchFailed(operation, f"index {step} is past the end of the list")
    return int(step)


def _find(document: Node, path: tuple[str, ...], operation: Node) -> Node:
    for step in path:
        document = _child(document, step, operation)
    return document


def _equal(left: Node, right: Node) -> bool:
    """RFC 6902, section 4.6: numbers are equal by value, and true is not 1."""
    one, other = left.value, right.value
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if left.is_mapping and right.is_mapping:
        keys = left.entries.keys()
        return keys == right.entries.keys() and all(_equal(left.entries[key], right.entries[key]) for key in keys)
    if left.is_list and right.is_list:
        pairs = zip(left.elements, right.elements, strict=False)
        return len(left.elements) == len(right.elements) and all(_equal(a, b) for a, b in pairs)
    return one == other
