"""From files to desired state. Pure: trees of bytes in, values out."""

from reconciler.manifests.compose_text import to_compose
from reconciler.manifests.documents import Device, Fleet
from reconciler.manifests.explain import Explanation, Setting
from reconciler.manifests.fields import boolean, check_keys, integer, mapping, seconds, text
from reconciler.manifests.node import Node, plain
from reconciler.manifests.parse import parse, to_yaml
from reconciler.manifests.problems import Problems
from reconciler.manifests.render import FleetFiles, Rendering
from reconciler.manifests.tree import Tree, is_needed_by

__all__ = [
    "Device",
    "Explanation",
    "Fleet",
    "FleetFiles",
    "Node",
    "Problems",
    "Rendering",
    "Setting",
    "Tree",
    "boolean",
    "check_keys",
    "integer",
    "is_needed_by",
    "mapping",
    "parse",
    "plain",
    "seconds",
    "text",
    "to_compose",
    "to_yaml",
]
