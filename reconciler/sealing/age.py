"""Files sealed with age (https://age-encryption.org/v1), for SSH keys and age's own; the door to `pyrage`."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pyrage

from reconciler.errors import SealRefused

_ARMOR, _ARMOR_END = b"-----BEGIN AGE ENCRYPTED FILE-----", b"-----END AGE ENCRYPTED FILE-----"
_VERSION = b"age-encryption.org/v1\n"
_POST_QUANTUM = "AGE-SECRET-KEY-PQ-"
# A stanza a recipient, of some 120 bytes. pyrage reads many of them in the square of their number, and lets nothing
# else of the process go on meanwhile.
_MOST_HEADER, _MOST_STANZAS = 32 * 1024, 100
# What age adds so that readers get used to unknown ones (C2SP age, "grease").
_GREASE = b"-grease"


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
        return bytes(pyrage.decrypt(_checked(sealed), keys.identities))
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
    """Is it sealed for this SSH key and nobody else? None, where that cannot be told; False for what is damaged.

    The header names such keys by the first four bytes of the SHA-256 of the key (C2SP age, "ssh-ed25519 recipient
    stanza"); of other keys it says nothing.
    """
    kind, _, rest = recipient.partition(" ")
    if kind not in ("ssh-ed25519", "ssh-rsa"):
        return None
    try:
        blob = base64.b64decode(rest.split(" ")[0], validate=True)
        stanzas = _stanzas(_checked(sealed))
    except (ValueError, SealRefused):
        return False
    tag = base64.b64encode(hashlib.sha256(blob).digest()[:4]).rstrip(b"=")
    others = [words for words in stanzas if not words[0].endswith(_GREASE)]
    return [words[:2] for words in others] == [[kind.encode(), tag]]


def _checked(sealed: bytes) -> bytes:
    """The file without its armour, and with a header that can be read in no time. Raises SealRefused."""
    binary = sealed
    if sealed.startswith(_ARMOR):
        body, end, _ = sealed[len(_ARMOR) :].partition(_ARMOR_END)
        try:
            binary = base64.b64decode(b"".join(body.split()), validate=True)
        except binascii.Error as error:
            raise SealRefused("SEAL_DAMAGED", "its armour is damaged", advice="seal it anew") from error
        if not end:
            raise SealRefused("SEAL_DAMAGED", "its end is missing", advice="seal it anew")
    at = binary.find(b"\n---", 0, _MOST_HEADER)
    if not binary.startswith(_VERSION) or at < 0:
        raise SealRefused("SEAL_DAMAGED", "it has no header of age, or a far too long one", advice="seal it anew")
    if len(_stanzas(binary)) > _MOST_STANZAS:
        raise SealRefused("SEAL_DAMAGED", f"it is for over {_MOST_STANZAS} recipients", advice="seal it for fewer")
    return binary


def _stanzas(binary: bytes) -> list[list[bytes]]:
    """The words of the first line of each stanza: its type, and what belongs to it."""
    header = binary[: binary.find(b"\n---", 0, _MOST_HEADER)]
    return [line[3:].split(b" ") for line in header.split(b"\n") if line.startswith(b"-> ")]
