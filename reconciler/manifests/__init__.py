"""From files to desired state. Pure: trees of bytes in, values out."""

from reconciler.manifests.announced import check_documents
from reconciler.manifests.compare import Comparison, Pair
from reconciler.manifests.compose.sealed import AGE_STARTS, MAX_CONFIG_BYTES, is_secret_name, path_of
from reconciler.manifests.compose.text import to_compose
from reconciler.manifests.documents import Device, Fleet
from reconciler.manifests.explain import Explanation, Setting
from reconciler.manifests.moves import Move, Moves
from reconciler.manifests.policy import POLICY_FILE, max_age_seconds, read_policy
from reconciler.manifests.reasons import Reason
from reconciler.manifests.render import FleetFiles, Rendering
from reconciler.manifests.schema import json_schemas

__all__ = [
    "AGE_STARTS",
    "MAX_CONFIG_BYTES",
    "POLICY_FILE",
    "Comparison",
    "Device",
    "Explanation",
    "Fleet",
    "FleetFiles",
    "Move",
    "Moves",
    "Pair",
    "Reason",
    "Rendering",
    "Setting",
    "check_documents",
    "is_secret_name",
    "json_schemas",
    "max_age_seconds",
    "path_of",
    "read_policy",
    "to_compose",
]
