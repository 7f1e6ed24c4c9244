"""Devices that ask to join: what each says of itself, whether its key says so, and the file that takes it in."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.errors import ManifestError, ReconcilerError
from reconciler.manifests import FleetFiles
from reconciler.model import MAX_ENROLLMENT_BYTES, VOUCHER_NAMESPACE, Enrollment, Machine, vouched_for
from reconciler.model.codec import from_json
from reconciler.model.names import is_dns_label
from reconciler.reading import to_yaml
from reconciler.repository import FoundReport
from signing import AllowedSigners, PublicKey, SignatureError, verify_commit, verify_signature

WAITS, REPLACES, APPROVED, REFUSED = "waits", "waits, with another key", "approved", "refused"
# The key that the fleet knows says itself that the other one follows: nobody needs to compare it.
VOUCHED = "waits, with its next key"
_NOT_OF_A_VALUE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Request:
    """One request, believed or refused. `asked_at` is when its device signed it."""

    device: str
    state: str
    enrollment: Enrollment | None = None
    fingerprint: str = ""
    asked_at: datetime | None = None
    why: str = ""


def judge_requests(files: FleetFiles, found: Mapping[str, FoundReport | str]) -> list[Request]:
    """All of them, by name."""
    return [_judged(files, name, found[name]) for name in sorted(found)]


def _judged(files: FleetFiles, name: str, found: FoundReport | str) -> Request:
    if isinstance(found, str):
        return Request(name, REFUSED, why=found)
    try:
        return _believed(files, name, found)
    except SignatureError as error:
        return Request(name, REFUSED, why=f"{error.code}: {error.message}")
    except ValueError as error:
        return Request(name, REFUSED, why=f"ENROLLMENT_REJECTED: {error}")


def _believed(files: FleetFiles, name: str, found: FoundReport) -> Request:
    """Raises SignatureError or ValueError for a request that its key did not sign."""
    if len(found.content) > MAX_ENROLLMENT_BYTES:
        raise ValueError(f"it has over {MAX_ENROLLMENT_BYTES} bytes")
    asked = from_json(Enrollment, found.content)
    if asked.device != name or not is_dns_label(name):
        raise ValueError(f"it is a request of {asked.device!r}")
    key = PublicKey.parse(asked.identity)
    signers = AllowedSigners.parse(f'{name} namespaces="git" {key.line}'.encode(), f"device {name}")
    signed = verify_commit(found.raw_commit, signers)
    # As we write keys, whatever else stood there.
    asked = replace(asked, identity=key.line)
    return Request(name, _state(files, asked, key), asked, key.fingerprint, signed.commit.committed_at)


def _state(files: FleetFiles, asked: Enrollment, key: PublicKey) -> str:
    name = asked.device
    if name not in files.device_paths:
        return WAITS
    try:
        known = PublicKey.parse(files.device(name).identity)
    except (ManifestError, SignatureError):
        return REPLACES
    if known == key:
        return APPROVED
    try:
        by = verify_signature(asked.voucher.encode(), vouched_for(name, asked.identity), VOUCHER_NAMESPACE)
    except SignatureError:
        return REPLACES
    return VOUCHED if by == known else REPLACES


def summary(machine: Machine) -> str:
    """A machine in a few words."""
    memory = f"{machine.memory_bytes / 2**30:.1f} GiB" if machine.memory_bytes else ""
    cpus = f"{machine.cpus} CPUs" if machine.cpus else ""
    told = (machine.model, machine.architecture, cpus, memory, machine.gpu and f"GPU {machine.gpu}", machine.system)
    return ", ".join(filter(None, told))


def labels_of(request: Request, facts: Iterable[str], given: Mapping[str, str], *, proposed: bool) -> dict[str, str]:
    """What the operator confirms: chosen facts, the labels that the device proposes, and then their own.

    Raises ReconcilerError for a fact that the device does not tell.
    """
    asked = request.enrollment or Enrollment(request.device, "", "")
    labels: dict[str, str] = {}
    for fact in facts:
        if fact not in asked.facts:
            known = ", ".join(asked.facts)
            raise ReconcilerError(f"{request.device} does not tell `{fact}`", advice=f"it tells {known or 'nothing'}")
        # A value of a label has no spaces (63 characters, letters and digits at both ends).
        labels[fact.replace("_", "-")] = _NOT_OF_A_VALUE.sub("-", asked.facts[fact])[:63].strip("-._")
    return {**labels, **(asked.labels if proposed else {}), **given}


def device_file(request: Request, labels: Mapping[str, str]) -> str:
    """The device's file, as a person would write it."""
    identity = request.enrollment.identity if request.enrollment else ""
    metadata = {"name": request.device, **({"labels": dict(labels)} if labels else {})}
    body = {"apiVersion": "fleet/v1", "kind": "Device", "metadata": metadata, "spec": {"identity": identity}}
    return to_yaml(body)
