"""Kubernetes label selectors: which devices a layer is for."""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.manifests.kinds import SELECTOR
from reconciler.manifests.shape import has_shape
from reconciler.reading import Node, scalar_text


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


def read_selector(node: Node) -> Selector | None:
    """The selector that is written here; None when it has not the shape of one."""
    if not has_shape(SELECTOR, node):
        return None
    fields = node.entries
    labels = fields["matchLabels"].entries if "matchLabels" in fields else {}
    expressions = fields["matchExpressions"].elements if "matchExpressions" in fields else ()
    demanded = (Requirement(key, "In", (scalar_text(value),)) for key, value in labels.items())
    return Selector((*demanded, *map(_expression, expressions)))


def _expression(node: Node) -> Requirement:
    fields = node.entries
    values = fields.get("values")
    listed = (values.elements or (values,)) if values else ()
    return Requirement(scalar_text(fields["key"]), str(fields["operator"].value), tuple(map(scalar_text, listed)))
