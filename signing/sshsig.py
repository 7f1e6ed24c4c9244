"""Detached SSH signatures (OpenSSH PROTOCOL.sshsig): armor, envelope, verification."""

import base64
import hashlib
import re

from signing.algorithms import verify_blob
from signing.errors import SignatureError, shown
from signing.keys import PublicKey
from signing.wire import Reader, string, unbase64

_MAGIC = b"SSHSIG"
_VERSION = 1
_BEGIN = b"-----BEGIN SSH SIGNATURE-----"
_END = b"-----END SSH SIGNATURE-----"
_ARMOR = re.compile(_BEGIN + rb"\n((?:[A-Za-z0-9+/=]+\n)+)" + _END + rb"\n{0,2}")
_LINE = 70

# The largest honest one (RSA 16384) has 6 KiB; the cap keeps a hostile file from costing memory.
_MAX_ARMOR = 64 * 1024


def verify_signature(armored: bytes, message: bytes, namespace: str) -> PublicKey:
    """The key that made this signature over `message` in `namespace`; whose key that is, is asked elsewhere.

    Raises SignatureError when the signature is anything but one well-formed, fitting SSHSIG.
    """
    reader = Reader(_unarmored(armored), "SIG_FORMAT")
    if reader.take(len(_MAGIC)) != _MAGIC:
        raise SignatureError("SIG_FORMAT", "not an SSH signature: the magic word is missing")
    version = reader.u32()
    if version != _VERSION:
        raise SignatureError("SIG_VERSION", f"SSHSIG version {version} is unknown; sign with a released OpenSSH")
    blob, claimed, reserved = reader.string(), reader.string(), reader.string()
    if not claimed or claimed != namespace.encode():
        raise SignatureError("SIG_NAMESPACE", f"signed for namespace {shown(claimed)}, wanted is {shown(namespace)}")
    if reserved:
        raise SignatureError("SIG_RESERVED", "the reserved field is not empty; sign with a released OpenSSH")
    hash_name, signature = reader.string(), reader.string()
    reader.finish()
    signed = signed_bytes(message, namespace, hash_name)
    key = PublicKey.from_blob(blob)
    verify_blob(key, signature, signed)
    return key


def signed_bytes(message: bytes, namespace: str, hash_name: bytes = b"sha512") -> bytes:
    """What the private key is applied to: the namespace and a hash of the message."""
    match hash_name:
        case b"sha512":
            digest = hashlib.sha512(message).digest()
        case b"sha256":
            digest = hashlib.sha256(message).digest()
        case _:
            raise SignatureError("SIG_HASHALG", f"hash {shown(hash_name)} is not accepted; use sha512 or sha256")
    return _MAGIC + string(namespace.encode()) + string(b"") + string(hash_name) + string(digest)


def armor(key: PublicKey, namespace: str, signature: bytes) -> bytes:
    """The text form `ssh-keygen -Y sign` writes, with hash sha512."""
    fields = (key.blob, namespace.encode(), b"", b"sha512", signature)
    blob = _MAGIC + _VERSION.to_bytes(4, "big") + b"".join(string(field) for field in fields)
    text = base64.b64encode(blob)
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return b"\n".join([_BEGIN, *lines, _END, b""])


def _unarmored(armored: bytes) -> bytes:
    if armored.startswith(b"-----BEGIN ") and not armored.startswith(_BEGIN):
        kind = armored.partition(b"\n")[0]
        raise SignatureError("SIG_FORMAT", f"{shown(kind)} is no SSH signature; set `gpg.format=ssh`, sign again")
    found = _ARMOR.fullmatch(armored) if len(armored) <= _MAX_ARMOR else None
    if found is None:
        raise SignatureError("SIG_ARMOR", "not exactly one SSH signature with LF line ends; copy it unchanged")
    return unbase64(found[1].replace(b"\n", b""), "SIG_ARMOR")
