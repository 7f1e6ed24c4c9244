"""Names that a fleet repository accepts, out of names from elsewhere."""

import re

from reconciler.errors import ReconcilerError
from reconciler.model.names import APP_ADVICE, is_app_name, is_dns_label

_LONGEST = 63


def label_from(text: str) -> str:
    """A name for an app, a layer or a device, made of what the text has of letters and digits; maybe empty."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_LONGEST].strip("-")


def service_from(text: str) -> str:
    """A name for a service; maybe empty."""
    return re.sub(r"[^a-zA-Z0-9._-]+", "-", text).lstrip("._-")[:_LONGEST]


def variable_from(*texts: str) -> str:
    """A name for a variable."""
    name = re.sub(r"[^A-Z0-9]+", "_", "_".join(texts).upper()).strip("_")
    return f"_{name}" if name[:1].isdigit() else name or "_"


def layer_of(app: str) -> str:
    """The name of the layer that brings an app. A layer's name is a DNS label, an app's may have underscores."""
    return app if is_dns_label(app) else label_from(app) or "imported"


def chosen_app(given: str | None, *candidates: str) -> str:
    """The app's name that the user gave, or what can be made of the first useful candidate. Raises ReconcilerError."""
    if given is not None:
        if not is_app_name(given):
            raise ReconcilerError(f"{given!r} is no name for an app", advice=f"use another `--app`; {APP_ADVICE}")
        return given
    for candidate in candidates:
        if is_app_name(candidate):
            return candidate
        if label := label_from(candidate):
            return label
    raise ReconcilerError("no name for the app", advice="give one with `--app`")
