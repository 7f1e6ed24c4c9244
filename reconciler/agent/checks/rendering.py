"""Checks of what the fleet says of this device."""

from reconciler.agent.checks.checked import Checked, Warned, few
from reconciler.agent.mounts.keyring import make_keyring
from reconciler.agent.settings.identity import load_key
from reconciler.errors import ConfigError, ManifestError, ReconcilerError
from signing import PublicKey, SignatureError

# Where nothing is said, the agent has logs rotated; this driver keeps all that it gets otherwise.
_KEEPS_ALL = ("", "json-file")


def device_file(at: Checked) -> str:
    mine = load_key(at.config.identity).public
    device = at.fleet.device(at.config.device)
    if not device.identity:
        raise Warned(f"the device's file has no identity: nobody believes its reports; put in: {mine.line}")
    try:
        theirs = PublicKey.parse(device.identity)
    except SignatureError as error:
        raise ConfigError(f"its identity cannot be read: {error}", where=str(device.identity_place)) from error
    if theirs.fingerprint != mine.fingerprint:
        told = f"the fleet knows {theirs.fingerprint}, this device has {mine.fingerprint}"
        raise ConfigError(told, where=str(device.identity_place), advice=f"put in: {mine.line}")
    return str(device.place).partition(":")[0]


def rendering(at: Checked) -> str:
    if isinstance(at.rendered, ReconcilerError):
        raise at.rendered
    if at.admitted.problems:
        raise ManifestError(at.admitted.problems[:1])
    return f"{len(at.admitted.desired.apps)} apps"


def secrets(at: Checked) -> str:
    keyring = make_keyring(at.config)
    sealed = [file for app in at.rendering.desired.apps for file in app.configs if file.secret]
    for file in sealed:
        keyring.unseal(file)
    return f"{len(sealed)} can be unsealed"


def logs(at: Checked) -> str:
    """Logs that grow without an end fill the disk of everybody."""
    endless = [
        name
        for name, service in at.services
        if service.logging.driver in _KEEPS_ALL
        and (service.logging.driver or service.logging.options)
        and "max-size" not in service.logging.options
    ]
    if endless:
        told = f"logs without an end: {few(endless)}"
        raise Warned(told, advice="say `max-size` in `logging.options`, or no `logging` at all")
    return f"the logs of {len(at.services)} services have an end"
