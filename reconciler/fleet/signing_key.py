"""The key of whoever signs: read here when it can be, else used by `ssh-keygen`, for agents, FIDO keys, passphrases."""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from reconciler.errors import ConfigError
from reconciler.repository.desk import Desk
from signing import PublicKey, SignatureError, Signer, load_signer, verify_signature

_LITERAL = ("key::", "ssh-", "ecdsa-", "sk-")


class SigningKey(Protocol):
    """Something that signs, and by which public key."""

    @property
    def public(self) -> PublicKey: ...

    def sign(self, message: bytes, namespace: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class SshKeygen:
    """A key that only OpenSSH can use: `ssh-keygen -Y sign` asks the agent, the token or the person."""

    path: Path
    public: PublicKey

    def sign(self, message: bytes, namespace: str) -> bytes:
        """Raises ConfigError when ssh-keygen did not sign, or signed with another key."""
        command = ["ssh-keygen", "-Y", "sign", "-q", "-n", namespace, "-f", str(self.path)]
        with tempfile.TemporaryDirectory() as folder:
            # From a file, and not by a pipe: what it asks for, it asks on the terminal.
            file = Path(folder) / "document"
            file.write_bytes(message)
            try:
                done = subprocess.run([*command, str(file)], stdout=subprocess.DEVNULL, check=False)
            except FileNotFoundError as error:
                raise ConfigError("ssh-keygen is not installed", advice="apt-get install openssh-client") from error
            signature = Path(f"{file}.sig")
            if done.returncode != 0 or not signature.exists():
                raise ConfigError("ssh-keygen did not sign", where=str(self.path), advice="see what it said above")
            armored = signature.read_bytes()
        try:
            if verify_signature(armored, message, namespace) != self.public:
                raise ConfigError("ssh-keygen signed with another key", where=str(self.path))
        except SignatureError as error:
            raise ConfigError(f"what ssh-keygen signed is not accepted: {error}", where=str(self.path)) from error
        return armored


def signing_key(desk: Desk, given: Path | None) -> SigningKey:
    """The key that was named, or git's `user.signingKey`. Raises ConfigError when neither can be used."""
    named = str(given) if given else desk.setting("user.signingKey")
    if not named:
        raise ConfigError("no key to sign with", advice="name it with `--key`, or set git's `user.signingKey`")
    if named.startswith(_LITERAL):
        advice = "write the public key to a file, and name that with `--key`; the agent has the private half"
        raise ConfigError("`user.signingKey` holds a key and not the name of a file", advice=advice)
    path = Path(named).expanduser()
    try:
        if path.suffix != ".pub":
            return _signer(path)
        return SshKeygen(path, PublicKey.parse(path.read_text()))
    except OSError as error:
        raise ConfigError(f"the key cannot be read: {error.strerror}", where=str(path)) from error
    except SignatureError as error:
        raise ConfigError(f"the key cannot be used: {error}", where=str(path)) from error


def _signer(path: Path) -> SigningKey:
    """In process; by OpenSSH, when it is locked or lives on a token."""
    try:
        signer: Signer = load_signer(path)
    except SignatureError as error:
        public = path.with_name(f"{path.name}.pub")
        if error.code not in ("KEY_PASSPHRASE", "KEY_TYPE", "KEY_PARSE") or not public.exists():
            raise
        return SshKeygen(path, PublicKey.parse(public.read_text()))
    return signer
