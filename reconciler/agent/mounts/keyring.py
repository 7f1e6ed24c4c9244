"""The keys of the device that unseal secrets, read anew each time."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from reconciler.agent.settings.config import Config
from reconciler.agent.settings.key_files import before_key, next_key
from reconciler.errors import ConfigError, ManifestError, PermissionDenied, SealRefused
from reconciler.model import ConfigFile
from reconciler.sealing import Keys, unseal, unseal_value


class Keyring:
    """Files of keys; spare ones may lack."""

    def __init__(self, keys: Sequence[Path], spare: Sequence[Path] = ()) -> None:
        self._keys, self._spare = keys, spare

    def unseal(self, file: ConfigFile) -> bytes:
        """What was sealed. Raises SealRefused, PermissionDenied, ConfigError; none tells content."""
        where = f"secret {file.secret}"
        try:
            keys = Keys.parse(*map(_read, self._keys))
            for path in filter(Path.exists, self._spare):
                # Of another kind, or torn: what is sealed for the key that counts is unsealed all the same.
                with contextlib.suppress(SealRefused):
                    keys = Keys((*keys.identities, *Keys.parse(_read(path)).identities))
            _, slash, pointer = file.secret.partition("/")
            return unseal_value(file.content, keys, pointer, where) if slash else unseal(file.content, keys)
        except SealRefused as error:
            error.where = error.where or where
            raise
        except ManifestError as error:
            raise SealRefused("SOPS_FORMAT", error.what, where=error.where) from error


def make_keyring(config: Config) -> Keyring:
    """What unseals: the device's identity, the one before and the next, and keys of age."""
    spare = (before_key(config.identity), next_key(config.identity))
    return Keyring((config.identity, *config.secrets.keys), spare)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except PermissionError as error:
        raise PermissionDenied("a key may not be read", where=str(path), advice="run as root, or chown it") from error
    except OSError as error:
        raise ConfigError(f"a key cannot be read: {error.strerror}", where=str(path)) from error
