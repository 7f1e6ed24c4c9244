"""Files sealed with age (https://age-encryption.org/v1), for SSH keys and age's own; the door to `pyrage`."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pyrage

from reconciler.errors import SealRefused

_ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----"
_HEADER = b"age-encryption.org/v1\n"
_POST_QUANTUM = "AGE-SECRET-KEY-PQ-"
# A stanza a recipient, of some 120 bytes: a file for more is none of ours.
_MOST_HEADER = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Keys:
    """The private keys by which a device or an operator unseals."""

    identities: tuple[pyrage.ssh.Identity | pyrage.x25519.Identity, ...]

    @classmethod
    def parse(cls, *files: bytes) -> "Keys":
        """Private keys of OpenSSH (ed25519, RSA), with no passphrase, and files of `age-keygen`. Raises SealRefused."""
        return cls(tuple(identity for file in files for identity in _identities(file)))


def _identities(file: bytes) -> list[pyrage.ssh.Identity | pyrage.x25519.Identity]:
    advice = "use an ed25519 or RSA key of OpenSSH without a passphrase, or a file of `age-keygen`"
    try:
        if file.lstrip().startswith(b"-----BEGIN"):
            return [pyrage.ssh.Identity.from_buffer(file)]
        lines = [line.strip() for line in file.decode().splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        if any(line.upper().startswith(_POST_QUANTUM) for line in lines):
            raise SealRefused("SOPS_PQ_UNSUPPORTED", "a post-quantum key of age cannot be used yet", advice=advice)
        return [pyrage.x25519.Identity.from_str(line) for line in lines]
    except (pyrage.IdentityError, UnicodeDecodeError) as error:
        # What the library says may quote the key.
        raise SealRefused("SEAL_KEY", "a key to unseal with cannot be read", advice=advice) from error


def unseal(sealed: bytes, keys: Keys) -> bytes:
    """The content. Raises SealRefused: SEAL_NO_KEY when it is for others, SEAL_DAMAGED when it is not whole."""
    try:
        return bytes(pyrage.decrypt(sealed, keys.identities))
    except pyrage.DecryptError as error:
        if "No matching keys" in str(error):
            advice = "seal it for this device's `identity`"
            raise SealRefused("SEAL_NO_KEY", "it is sealed for others", advice=advice) from error
        raise SealRefused("SEAL_DAMAGED", f"it is damaged: {error}", advice="seal it anew") from error


def seal(content: bytes, recipients: Sequence[str]) -> bytes:
    """The content for these: public keys of OpenSSH, or `age1...`; as text. Raises SealRefused with SEAL_RECIPIENT."""
    try:
        parsed = [
            pyrage.x25519.Recipient.from_str(one) if one.startswith("age1") else pyrage.ssh.Recipient.from_str(one)
            for one in recipients
        ]
        return bytes(pyrage.encrypt(content, parsed, armored=True))
    except (pyrage.RecipientError, pyrage.EncryptError) as error:
        advice = "seal for ssh-ed25519 or ssh-rsa keys, or age1..."
        raise SealRefused("SEAL_RECIPIENT", f"cannot be sealed for {', '.join(recipients)}", advice=advice) from error


def seals_for(sealed: bytes, recipient: str) -> bool | None:
    """Is it sealed for this SSH key? The header names such keys by a digest; None, where that cannot be told.

    C2SP age, "ssh-ed25519 recipient stanza": the first four bytes of the SHA-256 of the key.
    """
    kind, _, rest = recipient.partition(" ")
    if kind != "ssh-ed25519":
        return None
    try:
        blob = base64.b64decode(rest.split(" ")[0], validate=True)
        text = b"".join(sealed.split(b"-----")[2].split()) if sealed.startswith(_ARMOR) else b""
        header = base64.b64decode(text, validate=True) if text else sealed
    except (ValueError, IndexError):
        return False
    if not header.startswith(_HEADER):
        return False
    tag = base64.b64encode(hashlib.sha256(blob).digest()[:4]).rstrip(b"=")
    lines = header[:_MOST_HEADER].split(b"\n---", 1)[0].split(b"\n")
    return any(line.startswith(b"-> ssh-ed25519 " + tag + b" ") for line in lines)
