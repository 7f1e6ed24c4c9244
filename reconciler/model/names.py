"""What names may look like, checked once, at the door."""

import re

# A DNS label (RFC 1123): it becomes part of refs, file names, labels and host names, and must mean the same in each.
DNS_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# Compose Specification, "name": lower-case letters, digits, dashes and underscores, starting with a letter or digit.
APP = r"[a-z0-9][a-z0-9_-]{0,62}"
# Compose Specification, "services": ^[a-zA-Z0-9._-]+$; it starts container names, so the first is a letter or digit.
SERVICE = r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}"
# Kubernetes, "Labels and Selectors": a name of at most 63; before it may stand a DNS subdomain of at most 253 and `/`.
LABEL_KEY = (
    r"(?=[^/]{1,253}/|[^/]*$)([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*/)?"
    r"[a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?"
)
LABEL_VALUE = r"([a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?)?"

DNS_LABEL_ADVICE = "use 1 to 63 of a-z, 0-9 and '-', starting and ending with a letter or digit"
APP_ADVICE = "use 1 to 63 of a-z, 0-9, '-' and '_', starting with a letter or digit"
SERVICE_ADVICE = "use 1 to 63 of a-z, A-Z, 0-9, '.', '-' and '_', starting with a letter or digit"
_LABEL = "1 to 63 of a-z, A-Z, 0-9, '.', '-' and '_', starting and ending with a letter or digit"
LABEL_KEY_ADVICE = f"use {_LABEL}; before it may stand a domain and '/'"
LABEL_VALUE_ADVICE = f"use nothing, or {_LABEL}"


def is_dns_label(name: str) -> bool:
    """Is this a name for a device, a layer, a tier or a fleet?"""
    return re.fullmatch(DNS_LABEL, name) is not None


def is_app_name(name: str) -> bool:
    """Is this a name for an app, which is a Compose project?"""
    return re.fullmatch(APP, name) is not None


def is_service_name(name: str) -> bool:
    """Is this a name for a service, network, volume or config of a Compose file?"""
    return re.fullmatch(SERVICE, name) is not None
