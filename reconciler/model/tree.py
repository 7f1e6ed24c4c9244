"""A tree of files: a commit and a folder look alike, as a mapping from path to content; and which a device reads."""

import posixpath
from collections.abc import Mapping

Tree = Mapping[str, bytes]

# The folder of sealed secrets (manifests/compose/sealed.py).
SECRETS = "secrets"
# The folder of versions of the reconciler itself, a wheel each.
RECONCILERS = "reconciler"


def files_under(tree: Tree, folder: str) -> list[str]:
    """The paths below a folder, in byte order, so that every machine sees one order."""
    prefix = folder.rstrip("/") + "/"
    return sorted(path for path in tree if path.startswith(prefix))


def inside(folder: str, relative: str) -> str | None:
    """The path of a file named relative to a folder, or None when it leads outside of it."""
    path = posixpath.normpath(posixpath.join(folder, relative))
    return path if path.startswith(folder.rstrip("/") + "/") and not relative.startswith("/") else None


def wheel_path(version: str) -> str:
    """Where the wheel of a version of the reconciler lies, named as wheels are (PEP 427)."""
    return f"{RECONCILERS}/git_edge_reconciler-{version}-py3-none-any.whl"


def is_needed_by(path: str, device: str) -> bool:
    """Does this device need the file to render itself? A device reads no other device's file."""
    if path.startswith("devices/"):
        return path.endswith(f"/{device}.yaml")
    if path.startswith(f"{SECRETS}/"):
        return path.endswith((f"/{device}.age", ".yaml", ".apps"))
    return path == "fleet.yaml" or path.startswith(("layers/", "apps/"))
