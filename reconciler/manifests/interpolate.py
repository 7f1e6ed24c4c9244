"""`${VARIABLE}` in Compose files (Compose Specification, "Interpolation"): `:-` `-` `:?` `?` `:+` `+`, `$$`, nested."""

import re
from collections.abc import Mapping

from reconciler.reading import Node, Problems

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MENTIONED = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")
# Nested defaults deeper than this are a mistake or an attack; each level is one call of a function.
_MAX_NESTING = 16
# One long value, named in a thousand places, would fill the memory of a small device.
MAX_GROWTH = 16 * 1024 * 1024


class InterpolationError(Exception):
    """This text cannot be interpolated, and why; `advice` says what to do."""

    def __init__(self, why: str, advice: str) -> None:
        super().__init__(why)
        self.why, self.advice = why, advice


def interpolate(
    node: Node, variables: Mapping[str, str], problems: Problems, open_nodes: frozenset[int] | None = None
) -> Node:
    """The node with every variable in its text values replaced. Keys are left alone, as Compose does.

    What holds no variable stays the very node that it was. `open_nodes`, from `nodes_with_variables`, spares looking.
    """
    return _Interpolation(variables, problems, open_nodes).of(node)


def nodes_with_variables(node: Node) -> frozenset[int]:
    """The ids of the nodes that hold a variable, in whatever depth; for as long as the node lives."""
    found: set[int] = set()

    def is_open(one: Node) -> bool:
        value = one.value
        held = "$" in value if isinstance(value, str) else False
        for child in (*one.entries.values(), *one.elements):
            held = is_open(child) or held
        if held:
            found.add(id(one))
        return held

    is_open(node)
    return frozenset(found)


class _Interpolation:
    """One walk, with a budget for what the variables may add."""

    def __init__(self, variables: Mapping[str, str], problems: Problems, open_nodes: frozenset[int] | None) -> None:
        self._variables, self._problems, self._open = variables, problems, open_nodes
        self._longest = max(map(len, variables.values()), default=0)
        self._left = MAX_GROWTH

    def of(self, node: Node) -> Node:
        if self._open is not None and id(node) not in self._open:
            return node
        value = node.value
        if isinstance(value, str):
            return node._replace(value=self._text(value, node)) if "$" in value else node
        if isinstance(value, dict):
            changed = {key: self.of(child) for key, child in value.items()}
            return node if all(changed[key] is child for key, child in value.items()) else node._replace(value=changed)
        if isinstance(value, tuple):
            elements = tuple(map(self.of, value))
            return (
                node
                if all(new is old for new, old in zip(elements, value, strict=True))
                else node._replace(value=elements)
            )
        return node

    def _text(self, text: str, node: Node) -> str:
        added = text.count("$") * self._longest
        if added > self._left:
            # Told once: the first place that goes too far, not each after it.
            if self._left > 0:
                what = f"variables could make this over {MAX_GROWTH} characters long"
                self._problems.add(node.place, what, "shorten the values")
            self._left = 0
            return ""
        self._left -= added
        try:
            return substitute(text, self._variables)
        except InterpolationError as error:
            self._problems.add(node.place, error.why, error.advice)
            return ""


def names_in(text: str) -> list[str]:
    """Every variable that the text names, in order, those in defaults too."""
    return list(dict.fromkeys(_MENTIONED.findall(text.replace("$$", ""))))


def used_names(text: str, variables: Mapping[str, str]) -> list[str]:
    """The variables whose values are in the result; one of a default that is not needed is not among them."""
    recording = _Recording(variables)
    substitute(text, recording)
    return list(recording.read)


class _Recording(dict[str, str]):
    """Variables that remember which of them were read."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(variables)
        self.read: dict[str, None] = {}

    def __getitem__(self, name: str) -> str:
        self.read[name] = None
        return super().__getitem__(name)


def substitute(text: str, variables: Mapping[str, str], nesting: int = 0) -> str:
    """One text with its variables replaced. Raises InterpolationError."""
    if nesting > _MAX_NESTING:
        raise InterpolationError(f"more than {_MAX_NESTING} nested variables", "simplify the default")
    result, position = [], 0
    while (dollar := text.find("$", position)) >= 0:
        result.append(text[position:dollar])
        replaced, position = _reference(text, dollar + 1, variables, nesting)
        result.append(replaced)
    return "".join(result) + text[position:]


def _reference(text: str, start: int, variables: Mapping[str, str], nesting: int) -> tuple[str, int]:
    """What stands for the reference after the dollar, and where the text goes on."""
    if text.startswith("$", start):
        return "$", start + 1
    if text.startswith("{", start):
        end = _closing_brace(text, start)
        return _braced(text[start + 1 : end], variables, nesting), end + 1
    match = _NAME.match(text, start)
    if match is None:
        raise InterpolationError(f"a lone `$` in {text!r}", "write `$$` for a dollar sign")
    return _plain(match[0], variables), match.end()


def _closing_brace(text: str, start: int) -> int:
    depth = 0
    for position in range(start, len(text)):
        if text[position] == "{" and (position == start or text[position - 1] == "$"):
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if depth == 0:
                return position
    raise InterpolationError(f"`${{` without `}}` in {text!r}", "close the brace, or write `$$` for a dollar sign")


def _plain(name: str, variables: Mapping[str, str]) -> str:
    if name not in variables:
        raise InterpolationError(
            f"the variable `{name}` is not set",
            f"set it under `variables:` of a layer or the device, or write ${{{name}:-default}}",
        )
    return variables[name]


def _braced(inner: str, variables: Mapping[str, str], nesting: int) -> str:
    match = _NAME.match(inner)
    if match is None:
        raise InterpolationError(f"`${{{inner}}}` names no variable", "write ${NAME}")
    name, rest = match[0], inner[match.end() :]
    if not rest:
        return _plain(name, variables)
    operator = next((known for known in _OPERATORS if rest.startswith(known)), None)
    if operator is None:
        raise InterpolationError(f"`${{{inner}}}` is not understood", "Compose knows :- - :? ? :+ and + after the name")
    word = rest[len(operator) :]
    # With a colon, an empty value counts as not set.
    present = name in variables and (variables[name] != "" or ":" not in operator)
    if operator.endswith("+"):
        return substitute(word, variables, nesting + 1) if present else ""
    if present:
        return variables[name]
    if operator.endswith("-"):
        return substitute(word, variables, nesting + 1)
    told = substitute(word, variables, nesting + 1) or "it is required"
    raise InterpolationError(
        f"the variable `{name}` is not set: {told}", "set it under `variables:` of a layer or the device"
    )
