"""A fleet of one device, to ask the code which keys it knows: an unknown key is refused with a list of the others."""

import re

from reconciler.errors import ManifestError
from reconciler.manifests import FleetFiles, Rendering

NO_SUCH_KEY = "qqqqqqqq"


def encoded(files: dict[str, str]) -> dict[str, bytes]:
    """A fleet of one device with the app `a`, but for these files."""
    tree = {
        "fleet.yaml": "{apiVersion: fleet/v1, kind: Fleet, metadata: {name: f}, spec: {tiers: [base]}}",
        "layers/base/l.yaml": "{apiVersion: fleet/v1, kind: Layer, metadata: {name: l}, spec: {apps: [a]}}",
        "devices/d.yaml": "{apiVersion: fleet/v1, kind: Device, metadata: {name: d}}",
        "apps/a/compose.yaml": "{services: {s: {image: i}}}",
        **files,
    }
    return {path: content.encode() for path, content in tree.items()}


def rendered(files: dict[str, str]) -> Rendering:
    return FleetFiles(encoded(files)).render("d")


def allowed_keys(files: dict[str, str]) -> set[str]:
    """The keys that stand where `NO_SUCH_KEY` is written, as the error for it lists them."""
    try:
        problems = rendered(files).problems
    except ManifestError as error:
        problems = error.problems
    return listed("\n".join(map(str, problems)))


def listed(message: str) -> set[str]:
    found = re.search(rf"unknown key `{NO_SUCH_KEY}`.*?allowed are ([^\n;]+)", message)
    assert found, message
    return set(found[1].split(", "))
