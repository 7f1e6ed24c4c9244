"""Kubernetes label selectors: which devices a layer is for."""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.manifests.fields import check_keys, mapping, text, text_map, texts
from reconciler.manifests.node import Node
from reconciler.manifests.problems import Problems

_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One demand on one label (Kubernetes API, LabelSelectorRequirement)."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        if self.operator == "In":
            return self.key in labels and labels[self.key] in self.values
        if self.operator == "NotIn":
            return labels.get(self.key) not in self.values
        return (self.key in labels) == (self.operator == "Exists")


@dataclass(frozen=True, slots=True)
class Selector:
    """All requirements must hold; none at all selects every device."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)


def parse_selector(node: Node, problems: Problems) -> Selector:
    """Read `matchLabels` and `matchExpressions`."""
    fields = mapping(node, "selector", problems)
    check_keys(node, ("matchLabels", "matchExpressions"), "`selector`", problems)
    requirements = []
    if "matchLabels" in fields:
        labels = text_map(fields["matchLabels"], "matchLabels", problems)
        requirements += [Requirement(key, "In", (value,)) for key, value in labels.items()]
    if "matchExpressions" in fields:
        if not fields["matchExpressions"].is_list:
            problems.expected(fields["matchExpressions"], "matchExpressions", "a list")
        requirements += [_expression(element, problems) for element in fields["matchExpressions"].elements]
    return Selector(tuple(requirements))


def _expression(node: Node, problems: Problems) -> Requirement:
    fields = mapping(node, "matchExpressions", problems)
    check_keys(node, ("key", "operator", "values"), "`matchExpressions`", problems)
    for needed in ("key", "operator"):
        if needed not in fields:
            problems.add(node.place, f"an expression without `{needed}`", "write key, operator and values")
            return Requirement("", "Exists")
    operator = text(fields["operator"], "operator", problems)
    if operator not in _OPERATORS:
        problems.add(fields["operator"].place, f"the operator {operator!r}", f"use one of {', '.join(_OPERATORS)}")
    values = texts(fields["values"], "values", problems) if "values" in fields else ()
    if operator in ("In", "NotIn") and not values:
        problems.add(node.place, f"`{operator}` needs `values`", "list at least one")
    if operator in ("Exists", "DoesNotExist") and values:
        problems.add(fields["values"].key, f"`{operator}` takes no `values`", "remove them, or use In or NotIn")
    return Requirement(text(fields["key"], "key", problems), operator, values)
