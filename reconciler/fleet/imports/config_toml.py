"""IoT Edge's own settings on a device, `config.toml`: only the device's names are read out of it, never a key."""

import re
import tomllib
from typing import Any

from reconciler.errors import ManifestError, Problem, ProblemKind
from reconciler.fleet.imports.account import Account
from reconciler.fleet.imports.made import Making
from reconciler.fleet.imports.names import label_from
from reconciler.fleet.imports.new_files import yaml_file

_ID_IN_CONNECTION_STRING = re.compile(r"(?:^|;)\s*DeviceId\s*=\s*([^;]+)", re.IGNORECASE)
_REASONS = {
    "provisioning": "a device of ours is known by a key of its own, see docs/guides/first-device.md",
    "cert_issuance": "there is no IoT Hub to hold a certificate for",
    "aziot_keys": "there is no IoT Hub to hold a key for",
    "edge_ca": "modules get no certificates from the reconciler",
    "trust_bundle_cert": "mount the certificates with `configs:`",
    "agent": "the reconciler takes edgeAgent's place",
    "moby_runtime": "it belongs into the reconciler's own settings",
    "parent_hostname": "a device fetches from any Git server that it reaches, also one of a parent",
}
_OTHER = "it is a setting of IoT Edge's own daemon"
_COMMENT = "A device that ran Azure IoT Edge. Add the labels that layers select by, and its key as `identity:`"


def add_device(content: bytes, file: str, making: Making, account: Account) -> None:
    """Add the skeleton of the device. Raises ManifestError for what is not TOML."""
    settings = _parse(content, file)
    device_id, source = _device_id(settings, file)
    hostname = _text(settings, "hostname", file)
    for key in [key for key in settings if key != "hostname"]:
        account.left(f"`{key}`", f"{file}: {key}", _REASONS.get(key, _OTHER))
    name = label_from(device_id or hostname)
    if not name:
        account.left("the device", file, "no `provisioning.device_id` and no `hostname` say its name")
        return
    labels = {"deviceId": device_id} if device_id else {}
    labels |= {"hostname": hostname} if hostname else {}
    path = f"devices/{name}.yaml"
    document = {"apiVersion": "fleet/v1", "kind": "Device", "metadata": {"name": name, "labels": labels}, "spec": {}}
    making.add(path, yaml_file(path, _COMMENT, document), file)
    making.devices.append(name)
    account.carried(f"the device `{name}`", f"{file}: {source or 'hostname'}", "it needs its labels and its key")


def _parse(content: bytes, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8"))
    except RecursionError as error:
        raise ManifestError([Problem(file, "nested too deep", "flatten it", ProblemKind.SYNTAX)]) from error
    except ValueError as error:
        # The parser's message may quote the line, and the line may be a key.
        place = re.search(r"at line \d+, column \d+|at end of document", str(error))
        what = f"not TOML, {place[0]}" if place else "not TOML in UTF-8"
        raise ManifestError([Problem(file, what, "check quotes and brackets", ProblemKind.SYNTAX)]) from error


def _device_id(settings: dict[str, Any], file: str) -> tuple[str, str]:
    """The id, and the key that says it."""
    provisioning = settings.get("provisioning", {})
    if not isinstance(provisioning, dict):
        raise _expected(file, "provisioning", "a table")
    if "device_id" in provisioning:
        return _text(provisioning, "device_id", file, "provisioning."), "provisioning.device_id"
    match = _ID_IN_CONNECTION_STRING.search(_text(provisioning, "connection_string", file, "provisioning."))
    if match:
        return match[1].strip(), "provisioning.connection_string"
    attestation = provisioning.get("attestation", {})
    if not isinstance(attestation, dict):
        raise _expected(file, "provisioning.attestation", "a table")
    return (
        _text(attestation, "registration_id", file, "provisioning.attestation."),
        "provisioning.attestation.registration_id",
    )


def _text(table: dict[str, Any], key: str, file: str, prefix: str = "") -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise _expected(file, prefix + key, "text")
    return value


def _expected(file: str, key: str, wanted: str) -> ManifestError:
    return ManifestError([Problem(f"{file}: {key}", f"it must be {wanted}")])
