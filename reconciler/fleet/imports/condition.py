"""A deployment's target condition, such as `tags.site='7' AND NOT deviceId='x'`, as a label selector.

A tag becomes a label of the same name, and `deviceId` the label `deviceId`. Our selectors are a list of demands that
must all hold, so most uses of OR cannot be said; these are told with their text, and never guessed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\")|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<word>[A-Za-z_$][\w$-]*(?:\.[\w$-]+)*)|(?P<sign><>|!=|<=|>=|[=<>()\[\],*]))"
)
# Deeper ones are nobody's; each parenthesis is one call of a function.
_MAX_DEPTH, _MAX_LENGTH = 16, 4096
_INVERSE = {"In": "NotIn", "NotIn": "In", "Exists": "DoesNotExist", "DoesNotExist": "Exists"}


class NotExpressible(Exception):
    """No label selector says this; the message says why."""


@dataclass(frozen=True, slots=True)
class Demand:
    """One demand on one label."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Both:
    """AND, or OR, of two or more."""

    is_and: bool
    parts: "tuple[_Expression, ...]"


@dataclass(frozen=True, slots=True)
class _Not:
    part: "_Expression"


_Expression = Demand | _Both | _Not


def demands(condition: str) -> tuple[Demand, ...]:
    """The demands that a condition makes; none for `*`, which means every device. Raises NotExpressible."""
    if len(condition) > _MAX_LENGTH:
        raise NotExpressible(f"it has over {_MAX_LENGTH} characters")
    if condition.strip() == "*":
        return ()
    reader = _Reader(list(_tokens(condition)))
    expression = reader.either(0)
    if reader.peek():
        raise NotExpressible(f"{reader.peek()!r} is not expected there")
    return _flat(expression, False)


def selector(wanted: tuple[Demand, ...]) -> dict[str, object]:
    """As `matchLabels` where one value is demanded, as `matchExpressions` for the rest."""
    labels: dict[str, str] = {}
    expressions: list[object] = []
    for demand in wanted:
        if demand.operator == "In" and len(demand.values) == 1 and demand.key not in labels:
            labels[demand.key] = demand.values[0]
            continue
        values = {"values": list(demand.values)} if demand.values else {}
        expressions.append({"key": demand.key, "operator": demand.operator, **values})
    return ({"matchLabels": labels} if labels else {}) | ({"matchExpressions": expressions} if expressions else {})


def _tokens(text: str) -> Iterator[str]:
    position, text = 0, text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise NotExpressible(f"character {position + 1} is not understood")
        yield match[0].strip()
        position = match.end()


class _Reader:
    """Recursive descent: OR binds least, then AND, then NOT."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens, self._position = tokens, 0

    def peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token.upper() != wanted):
            raise NotExpressible(
                f"{wanted or 'something'!r} is missing" + (f" before {token!r}" if token else " at the end")
            )
        self._position += 1
        return token

    def either(self, depth: int) -> _Expression:
        return self._series("OR", depth)

    def _series(self, word: str, depth: int) -> _Expression:
        parts = [self._series("AND", depth) if word == "OR" else self._one(depth)]
        while self.peek().upper() == word:
            self.take()
            parts.append(self._series("AND", depth) if word == "OR" else self._one(depth))
        return parts[0] if len(parts) == 1 else _Both(word == "AND", tuple(parts))

    def _one(self, depth: int) -> _Expression:
        if depth > _MAX_DEPTH:
            raise NotExpressible(f"it is nested more than {_MAX_DEPTH} deep")
        if self.peek().upper() == "NOT":
            self.take()
            return _Not(self._one(depth + 1))
        if self.peek() == "(":
            self.take()
            inner = self.either(depth + 1)
            self.take(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Demand:
        first = self.take()
        if first.lower() == "is_defined":
            self.take("(")
            key = _label(self.take())
            self.take(")")
            return Demand(key, "Exists")
        operator = self.take().upper()
        if operator in ("IN", "NIN"):
            return Demand(_label(first), "In" if operator == "IN" else "NotIn", self._list())
        if operator not in ("=", "!=", "<>"):
            raise NotExpressible(f"a selector knows no {operator!r}")
        second = self.take()
        key, value = (second, first) if _is_literal(first) else (first, second)
        return Demand(_label(key), "In" if operator == "=" else "NotIn", (_literal(value),))

    def _list(self) -> tuple[str, ...]:
        self.take("[")
        values = [_literal(self.take())]
        while self.peek() == ",":
            self.take()
            values.append(_literal(self.take()))
        self.take("]")
        return tuple(values)


def _is_literal(token: str) -> bool:
    return token[0] in "'\"-0123456789" or token.lower() in ("true", "false")


def _literal(token: str) -> str:
    if not _is_literal(token):
        raise NotExpressible(f"{token!r} is no value")
    if token[0] not in "'\"":
        return token.lower()
    return re.sub(r"\\(.)|''", lambda match: match[1] or "'", token[1:-1])


def _label(word: str) -> str:
    if word == "deviceId":
        return word
    if word.startswith("tags."):
        return word.removeprefix("tags.")
    raise NotExpressible(f"{word!r} is no tag and not deviceId")


def _flat(expression: _Expression, negated: bool) -> tuple[Demand, ...]:
    """A list of demands that must all hold. NOT goes inwards, and turns OR into AND."""
    if isinstance(expression, Demand):
        return (Demand(expression.key, _INVERSE[expression.operator], expression.values) if negated else expression,)
    if isinstance(expression, _Not):
        return _flat(expression.part, not negated)
    parts = [_flat(part, negated) for part in expression.parts]
    if expression.is_and != negated:
        return tuple(demand for part in parts for demand in part)
    return (_merged_or(parts),)


def _merged_or(parts: list[tuple[Demand, ...]]) -> Demand:
    """`a='1' OR a='2'` is `a IN ['1', '2']`; no other OR is a demand on one label."""
    single = [part[0] for part in parts if len(part) == 1]
    if len(single) < len(parts) or len({d.key for d in single}) > 1 or {d.operator for d in single} != {"In"}:
        raise NotExpressible("a selector has no OR over several labels: write a layer for each side")
    return Demand(single[0].key, "In", tuple(dict.fromkeys(value for demand in single for value in demand.values)))
