"""From files to desired state. Pure: trees of bytes in, values out."""

from reconciler.manifests.admission import CAPABILITIES, EVERYTHING, Admission, PolicyGrant, is_admitted, is_grant
from reconciler.manifests.announced import check_documents
from reconciler.manifests.compare import Comparison, Pair
from reconciler.manifests.compose.sealed import AGE_STARTS, MAX_CONFIG_BYTES, is_secret_name, path_of
from reconciler.manifests.compose.text import to_compose
from reconciler.manifests.documents import Device, Fleet
from reconciler.manifests.explain import Explanation, Setting
from reconciler.manifests.fields import boolean, check_keys, integer, listed, mapping, seconds, size_in_bytes, text
from reconciler.manifests.image_rules import ImageRule, ImageRules
from reconciler.manifests.moves import Move, Moves
from reconciler.manifests.node import Node, Plain, plain
from reconciler.manifests.parse import parse, to_yaml
from reconciler.manifests.policy import POLICY_FILE, max_age_seconds, read_policy
from reconciler.manifests.problems import Problems
from reconciler.manifests.reasons import Reason
from reconciler.manifests.render import FleetFiles, Rendering
from reconciler.manifests.schema import json_schemas
from reconciler.manifests.tree import SECRETS, Tree, files_under, is_needed_by

__all__ = [
    "AGE_STARTS",
    "CAPABILITIES",
    "EVERYTHING",
    "MAX_CONFIG_BYTES",
    "POLICY_FILE",
    "SECRETS",
    "Admission",
    "Comparison",
    "Device",
    "Explanation",
    "Fleet",
    "FleetFiles",
    "ImageRule",
    "ImageRules",
    "Move",
    "Moves",
    "Node",
    "Pair",
    "Plain",
    "PolicyGrant",
    "Problems",
    "Reason",
    "Rendering",
    "Setting",
    "Tree",
    "boolean",
    "check_documents",
    "check_keys",
    "files_under",
    "integer",
    "is_admitted",
    "is_grant",
    "is_needed_by",
    "is_secret_name",
    "json_schemas",
    "listed",
    "mapping",
    "max_age_seconds",
    "parse",
    "path_of",
    "plain",
    "read_policy",
    "seconds",
    "size_in_bytes",
    "text",
    "to_compose",
    "to_yaml",
]
