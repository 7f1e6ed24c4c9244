"""What a document may look like, written once: the check of a file and its JSON Schema (schema.py) come from it.

A shape is a plain value. What it cannot say, such as a threshold above the number of its principals, is a rule of who
reads the document.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.reading import Node, Problems, check_keys, excerpt, is_scalar, scalar_text


@dataclass(frozen=True, slots=True)
class Text:
    """A text, or a number or truth value taken as the text that it is. The whole of it matches the pattern."""

    pattern: str = ""
    # What a message calls the value, when it is not its key; and what it should be.
    called: str = ""
    noun: str = "name"
    advice: str = ""
    # Is nothing at all the empty text?
    may_be_nothing: bool = False
    # Somebody may have pasted the private half of a key here.
    is_hidden: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these texts."""

    values: tuple[str, ...]
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Truth:
    """true or false; also as text."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Anything:
    """Any value."""


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list; `may_be_single` lets one element stand for a list of one."""

    element: "Shape"
    least: int = 0
    most: int = 0
    unique: bool = False
    may_be_single: bool = False


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping with free keys. Nothing at all is an empty one, unless `never_nothing` says what to write instead."""

    value: "Shape"
    key: Text | None = None
    never_nothing: str = ""


@dataclass(frozen=True, slots=True)
class Either:
    """What one of these shapes allows."""

    shapes: "tuple[Shape, ...]"
    wanted: str


@dataclass(frozen=True, slots=True)
class Field:
    """A key of a document. `needed` is the advice for who leaves it out; without it, it may be left out."""

    shape: "Shape"
    says: str
    needed: str = ""


@dataclass(frozen=True, slots=True)
class Demand:
    """What the value of one key asks of the keys beside it."""

    needs: Mapping[str, str] = field(default_factory=dict)
    lacks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping with these keys, and `x-` extensions. `owner` is what messages call it, `prefix` stands before keys.

    `refused` are keys with the advice for who writes them; of `one_of`, exactly one must be there; `by` is a key whose
    value makes `demands` on the others.
    """

    owner: str
    keys: Mapping[str, Field]
    prefix: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    one_of: Mapping[str, str] = field(default_factory=dict)
    by: str = ""
    demands: Mapping[str, Demand] = field(default_factory=dict)
    never_nothing: str = ""

    @property
    def may_be_nothing(self) -> bool:
        return not (self.never_nothing or self.one_of or any(key.needed for key in self.keys.values()))


Shape = Text | Choice | Truth | Whole | Anything | ListOf | MapOf | Either | Fields


def check(shape: Shape, node: Node, name: str, problems: Problems) -> None:
    """Every problem that keeps this node from having the shape; `name` is what messages call it."""
    match shape:
        case Text():
            _check_text(shape, node, name, problems)
        case ListOf():
            _check_list(shape, node, name, problems)
        case MapOf():
            _check_map(shape, node, name, problems)
        case Fields():
            _check_fields(shape, node, problems)
        case Choice(values, advice):
            if not isinstance(node.value, str) or node.value not in values:
                wanted = f"one of {', '.join(values)}" if len(values) > 1 else values[0]
                problems.add(node.place, f"`{name}` must be {wanted}", advice)
        case _ if not _is(shape, node):
            problems.add(node.place, f"`{name}` must be {_wanted(shape)}, not {excerpt(node)}")


def _is(shape: "Truth | Whole | Anything | Either", node: Node) -> bool:
    match shape:
        case Truth():
            return isinstance(node.value, bool) or node.value in ("true", "false")
        case Whole(least, most):
            # As JSON Schema has it: 3.0 is one, true is none.
            number = node.value if isinstance(node.value, int | float) and not isinstance(node.value, bool) else 0.5
            return number % 1 == 0 and least <= number <= most
        case Either(shapes):
            return any(has_shape(one, node) for one in shapes)
    return True


def _wanted(shape: "Truth | Whole | Anything | Either") -> str:
    match shape:
        case Whole(least, most):
            return f"a whole number from {least} to {most}"
        case Either(_, wanted):
            return wanted
    return "true or false"


def has_shape(shape: Shape, node: Node) -> bool:
    """Would `check` find nothing?"""
    problems = Problems()
    check(shape, node, "", problems)
    return not problems


def _check_text(shape: Text, node: Node, name: str, problems: Problems) -> None:
    if not is_scalar(node) or (node.value is None and not shape.may_be_nothing):
        problems.expected(node, name, "text")
    elif shape.pattern and not re.fullmatch(shape.pattern, scalar_text(node)):
        problems.add(node.place, _no(shape, scalar_text(node), name), shape.advice)


def _no(shape: Text, written: str, name: str) -> str:
    short = written if len(written) <= 60 else f"{written[:57]}..."
    shown = "" if shape.is_hidden else f" {short!r}"
    return f"{shape.called or f'`{name}`'}{shown} is no {shape.noun}"


def _check_list(shape: ListOf, node: Node, name: str, problems: Problems) -> None:
    if shape.may_be_single and is_scalar(node) and node.value is not None:
        check(shape.element, node, name, problems)
        return
    if not node.is_list:
        problems.expected(node, name, "a list")
        return
    if len(node.elements) < shape.least:
        problems.add(node.place, f"`{name}` is empty", "list at least one")
    if shape.most and len(node.elements) > shape.most:
        problems.add(node.place, f"`{name}` has more than {shape.most} elements", "split it")
    for element in node.elements:
        check(shape.element, element, name, problems)
    seen: set[str] = set()
    for element in node.elements if shape.unique else ():
        if is_scalar(element) and scalar_text(element) in seen:
            problems.add(element.place, f"`{name}` has {excerpt(element)} twice", "remove one of them")
        seen.add(scalar_text(element) if is_scalar(element) else "")


def _check_map(shape: MapOf, node: Node, name: str, problems: Problems) -> None:
    if node.value is None and shape.never_nothing:
        problems.add(node.key, f"`{name}` is empty", shape.never_nothing)
    elif not node.is_mapping and node.value is not None:
        problems.expected(node, name, "a mapping")
    for key, child in node.entries.items():
        if shape.key and not re.fullmatch(shape.key.pattern, key):
            problems.add(child.key, _no(shape.key, key, name), shape.key.advice)
        check(shape.value, child, f"{name}.{key}", problems)


def _check_fields(shape: Fields, node: Node, problems: Problems) -> None:
    if node.value is None and shape.never_nothing:
        problems.add(node.key, f"{shape.owner} is empty", shape.never_nothing)
        return
    if not node.is_mapping and node.value is not None:
        problems.add(node.place, f"{shape.owner} must be a mapping, not {node.kind}")
        return
    entries = node.entries
    for key in [key for key in entries if key in shape.refused]:
        problems.add(entries[key].key, f"`{key}` is not supported", shape.refused[key])
    check_keys(node, (*shape.keys, *shape.refused), shape.owner, problems)
    for key, wanted in shape.keys.items():
        if key in entries:
            check(wanted.shape, entries[key], shape.prefix + key, problems)
        elif wanted.needed:
            problems.add(node.place, f"{shape.owner} has no `{key}`", wanted.needed)
    if shape.one_of and sum(key in entries for key in shape.one_of) != 1:
        either = " or ".join(f"`{key}`" for key in shape.one_of)
        advice = ", ".join(f"`{key}` is {what}" for key, what in shape.one_of.items())
        problems.add(node.place, f"{shape.owner} needs either {either}", advice)
    if shape.by in entries:
        _check_demand(shape, node, problems)


def _check_demand(shape: Fields, node: Node, problems: Problems) -> None:
    value = node.entries[shape.by].value
    demand = shape.demands.get(value) if isinstance(value, str) else None
    for key, advice in demand.needs.items() if demand else ():
        if key not in node.entries:
            problems.add(node.place, f"`{value}` needs `{key}`", advice)
    for key, advice in demand.lacks.items() if demand else ():
        if key in node.entries:
            problems.add(node.entries[key].key, f"`{value}` takes no `{key}`", advice)
