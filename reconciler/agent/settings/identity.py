"""The device's own key, and how it changes over to the next one: when the fleet knows it by that, and not before.

Beside the key lie the next one, once somebody asked for it, and the one before, by which older secrets are unsealed.
"""

import logging
import os
from pathlib import Path

from reconciler.agent.settings.key_files import before_key, next_key
from reconciler.errors import ConfigError, PermissionDenied
from signing import PublicKey, SignatureError, Signer, load_signer

log = logging.getLogger("reconciler")


class Identity:
    """The key at a path. Raises ConfigError or PermissionDenied when it cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists() and next_key(path).exists():
            # The power failed between the two renames.
            _promote(path)
        self._signer = load_key(path)

    @property
    def public(self) -> PublicKey:
        return self._signer.public

    def sign(self, message: bytes, namespace: str) -> bytes:
        """By the key that counts now, as an SSH signature."""
        return self._signer.sign(message, namespace)

    def settle(self, known: str) -> None:
        """Change over, if the fleet knows the device by its next key. Keeps this one when the next cannot be used."""
        waiting = next_key(self.path)
        if not waiting.exists():
            return
        try:
            following = load_key(waiting)
            if PublicKey.parse(known) != following.public:
                return
        except (ConfigError, PermissionDenied, SignatureError) as error:
            log.error("the next key of this device: %s", error)
            return
        try:
            self.path.replace(before_key(self.path))
            _promote(self.path)
        except OSError as error:
            log.error("cannot change over to the next key of this device: %s", error.strerror)
            return
        log.info("key      this device is known by %s from now on", following.public.fingerprint)
        self._signer = following


def _promote(path: Path) -> None:
    """The private half last: without it, the next start goes on from here."""
    public = next_key(path).with_name(f"{next_key(path).name}.pub")
    if public.exists():
        public.replace(path.with_name(f"{path.name}.pub"))
    next_key(path).replace(path)


def load_key(path: Path) -> Signer:
    """The key at a path, and nothing else done. Raises ConfigError or PermissionDenied."""
    if path.exists() and not os.access(path, os.R_OK):
        raise PermissionDenied("this device's key may not be read", where=str(path), advice="run as root")
    try:
        return load_signer(path)
    except SignatureError as error:
        advice = "make one with `python -m signing new`, and put its public half into the device's file"
        raise ConfigError(f"this device's key cannot be used: {error}", where=str(path), advice=advice) from error
