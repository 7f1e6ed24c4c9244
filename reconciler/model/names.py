"""What names may look like, checked once, at the door."""

import re

# A DNS label (RFC 1123): it becomes part of refs, file names, labels and host names, and must mean the same in each.
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# Compose Specification, "name": lower-case letters, digits, dashes and underscores, starting with a letter or digit.
_PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
# Compose Specification, "services": ^[a-zA-Z0-9._-]+$; it starts container names, so the first is a letter or digit.
_SERVICE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}")

DNS_LABEL_ADVICE = "use 1 to 63 of a-z, 0-9 and '-', starting and ending with a letter or digit"
APP_ADVICE = "use 1 to 63 of a-z, 0-9, '-' and '_', starting with a letter or digit"
SERVICE_ADVICE = "use 1 to 63 of a-z, A-Z, 0-9, '.', '-' and '_', starting with a letter or digit"


def is_dns_label(name: str) -> bool:
    """Is this a name for a device, a layer, a tier or a fleet?"""
    return _DNS_LABEL.fullmatch(name) is not None


def is_app_name(name: str) -> bool:
    """Is this a name for an app, which is a Compose project?"""
    return _PROJECT.fullmatch(name) is not None


def is_service_name(name: str) -> bool:
    """Is this a name for a service, network, volume or config of a Compose file?"""
    return _SERVICE.fullmatch(name) is not None
