"""Checks of what the fleet says of this device."""

import os

from reconciler.agent.build import make_keyring, make_source
from reconciler.agent.checks.checked import Checked, Warned
from reconciler.agent.identity import load_key
from reconciler.errors import ConfigError, ManifestError
from signing import PublicKey, SignatureError


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
    source = make_source(at.config, at.mirror, at.journal)
    admission = source.admission(at.config.device, at.config.allow)
    rendered = at.fleet.admit(at.rendering, admission, os.path.realpath)
    if rendered.problems:
        raise ManifestError(rendered.problems[:1])
    return f"{len(rendered.desired.apps)} apps"


def secrets(at: Checked) -> str:
    keyring = make_keyring(at.config)
    sealed = [file for app in at.rendering.desired.apps for file in app.configs if file.secret]
    for file in sealed:
        keyring.unseal(file)
    return f"{len(sealed)} can be unsealed"
