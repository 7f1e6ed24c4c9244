"""`trust/policy.yaml`, which people edit, and the policy that is signed, which is made of it."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from reconciler.errors import ManifestError, Problem, ReconcilerError
from reconciler.manifests import POLICY_FILE, max_age_seconds, read_policy
from reconciler.model.tree import Tree
from reconciler.reading import Node, Plain, plain
from signing import SignatureError
from signing.documents import POLICY_FOLDER, Policy, PolicyFiles, moment_text, write_document

SIGNERS_SOURCE = f"{POLICY_FOLDER}allowed_signers"
_DAYS = 365
# What stands in the document as it stands in the file.
_AS_WRITTEN = ("repository", "roles", "paths", "revoked")


def compile_policy(tree: Tree, version: int, now: datetime) -> tuple[Policy, PolicyFiles]:
    """The policy with this number, out of the fleet's files. Raises ManifestError or ReconcilerError."""
    spec = read_policy(tree)
    if spec is None or SIGNERS_SOURCE not in tree:
        missing = POLICY_FILE if spec is None else SIGNERS_SOURCE
        raise ReconcilerError("the file is missing", where=missing, advice="see docs/guides/releases.md")
    signers = tree[SIGNERS_SOURCE]
    days = int(str(plain(spec["validDays"]))) if "validDays" in spec else _DAYS
    raw = write_document("policy", {
        **{key: plain(spec[key]) for key in _AS_WRITTEN if key in spec},
        **_more(spec),
        "version": version,
        "issued": moment_text(now),
        "expires": moment_text(now + timedelta(days=days)),
        "signers_sha256": hashlib.sha256(signers).hexdigest(),
    })  # fmt: skip
    try:
        return Policy.parse(raw, signers), PolicyFiles(raw, signers, {})
    except SignatureError as error:
        where = SIGNERS_SOURCE if error.code.startswith(("SIGNERS", "KEY_")) else POLICY_FILE
        raise ManifestError([Problem(where, str(error), "people of roles need keys in allowed_signers")]) from error


def _more(spec: Mapping[str, Node]) -> dict[str, object]:
    """What has other names in the document."""
    more: dict[str, object] = {}
    if "freshness" in spec:
        refuses = spec["freshness"].entries.get("refuseNewWhenStale")
        more["freshness"] = {
            "max_age_seconds": int(max_age_seconds(spec["freshness"])),
            "refuse_new_when_stale": refuses is not None and str(refuses.value).lower() == "true",
        }
    images = spec["images"].entries.get("requireDigest") if "images" in spec else None
    if images is not None:
        more["require_digest"] = str(images.value).lower() == "true"
    signatures = spec["images"].entries.get("signatures") if "images" in spec else None
    if signatures is not None:
        more["images"] = [_signed(one.entries) for one in signatures.elements]
    grants = spec["admission"].entries.get("grants") if "admission" in spec else None
    if grants is not None:
        more["grants"] = [_grant(one.entries) for one in grants.elements]
    return more


def _signed(entries: Mapping[str, Node]) -> dict[str, Plain]:
    threshold = int(str(plain(entries["threshold"]))) if "threshold" in entries else 1
    return {key: plain(entries[key]) for key in ("repositories", "keys")} | {"threshold": threshold}


def _grant(entries: Mapping[str, Node]) -> dict[str, Plain]:
    everything: Plain = ["*"]
    lists = {key: plain(entries[key]) if key in entries else everything for key in ("devices", "apps", "services")}
    return {"capability": plain(entries["capability"]), "roles": plain(entries["roles"]), **lists}
