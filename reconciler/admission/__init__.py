"""What apps may ask of the device that a container does not simply get, and whose images they may run. Pure."""

from reconciler.admission.image_rules import NO_RULES, ImageRule, ImageRules
from reconciler.admission.needs import (
    CAPABILITIES,
    EVERYTHING,
    Admission,
    PolicyGrant,
    RealPath,
    cleaned,
    is_admitted,
    is_grant,
    refusals,
)

__all__ = [
    "CAPABILITIES",
    "EVERYTHING",
    "NO_RULES",
    "Admission",
    "ImageRule",
    "ImageRules",
    "PolicyGrant",
    "RealPath",
    "cleaned",
    "is_admitted",
    "is_grant",
    "refusals",
]
