"""Public keys in OpenSSH's format: what a key is, and which kinds we let speak."""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurve,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from signing.errors import SignatureError, shown
from signing.wire import Reader, unbase64

ED25519 = "ssh-ed25519"
RSA = "ssh-rsa"
SK_ED25519 = "sk-ssh-ed25519@openssh.com"
SK_ECDSA = "sk-ecdsa-sha2-nistp256@openssh.com"

_LINE = re.compile(r"([!-~]+) ([!-~]+)( .*)?")
# Smaller is breakable; larger is refused by OpenSSL and OpenSSH too, and only costs a device time.
RSA_BITS = range(2048, 16384 + 1)

_CURVES: dict[str, tuple[str, EllipticCurve]] = {
    "ecdsa-sha2-nistp256": ("nistp256", SECP256R1()),
    "ecdsa-sha2-nistp384": ("nistp384", SECP384R1()),
    "ecdsa-sha2-nistp521": ("nistp521", SECP521R1()),
    SK_ECDSA: ("nistp256", SECP256R1()),
}

Mathematics = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One public key. Two are equal when their blobs are; the comment is nobody's identity."""

    type: str
    blob: bytes
    comment: str = field(default="", compare=False)

    @classmethod
    def parse(cls, line: str) -> Self:
        """Reads one line of a `.pub` file."""
        found = _LINE.fullmatch(line.strip(" \t\r\n"))
        if found is None:
            raise SignatureError("KEY_PARSE", "not a public key; the line must read `ssh-ed25519 AAAA... comment`")
        comment = (found[3] or "").strip()
        if not comment.isprintable():
            raise SignatureError("KEY_PARSE", "the key's comment holds control characters; remove them")
        key = cls.from_blob(unbase64(found[2].encode("ascii"), "KEY_PARSE"), comment)
        if key.type != found[1]:
            raise SignatureError("KEY_PARSE", f"the line says {shown(found[1])}, the key itself says {shown(key.type)}")
        return key

    @classmethod
    def from_blob(cls, blob: bytes, comment: str = "") -> Self:
        """Takes the binary form. Raises SignatureError unless the key is of a kind and strength we accept."""
        key = cls(Reader(blob, "KEY_PARSE").name(), blob, comment)
        unpack(key)
        return key

    @property
    def fingerprint(self) -> str:
        """`SHA256:...`, as `ssh-keygen -l` prints it."""
        digest = hashlib.sha256(self.blob).digest()
        return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")

    @property
    def line(self) -> str:
        """Type and base64, without the comment."""
        return f"{self.type} {base64.b64encode(self.blob).decode('ascii')}"


def unpack(key: PublicKey) -> tuple[Mathematics, bytes]:
    """The key to calculate with, and the application a FIDO key is bound to (else empty)."""
    reader = Reader(key.blob, "KEY_PARSE")
    reader.name()
    try:
        mathematics = _mathematics(key.type, reader)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError("KEY_PARSE", f"the {key.type} key is damaged: {shown(str(error))}") from error
    application = reader.string() if key.type in (SK_ED25519, SK_ECDSA) else b""
    reader.finish()
    return mathematics, application


def _mathematics(key_type: str, reader: Reader) -> Mathematics:
    if key_type in (ED25519, SK_ED25519):
        return Ed25519PublicKey.from_public_bytes(reader.string())
    if key_type in _CURVES:
        return _on_curve(key_type, reader)
    if key_type == RSA:
        return _rsa(reader)
    if key_type.endswith("-cert-v01@openssh.com"):
        raise SignatureError("CERT_UNSUPPORTED", "SSH certificates are not accepted yet; sign with the plain key")
    raise SignatureError("KEY_TYPE", f"keys of type {shown(key_type)} are not accepted; make an ssh-ed25519 key")


def _on_curve(key_type: str, reader: Reader) -> EllipticCurvePublicKey:
    name, curve = _CURVES[key_type]
    named = reader.name()
    if named != name:
        raise SignatureError("KEY_CURVE", f"a {key_type} key that claims the curve {shown(named)}")
    point = reader.string()
    # The compressed form is a second spelling of the same key, with another fingerprint; OpenSSH refuses it too.
    if point[:1] != b"\x04":
        raise SignatureError("KEY_PARSE", f"the {key_type} key's point is not in uncompressed form")
    return EllipticCurvePublicKey.from_encoded_point(curve, point)


def _rsa(reader: Reader) -> RSAPublicKey:
    exponent, modulus = reader.mpint(), reader.mpint()
    if modulus.bit_length() < RSA_BITS.start:
        raise SignatureError(
            "KEY_RSA_SMALL", f"an RSA key of {modulus.bit_length()} bits; {RSA_BITS.start} is the least"
        )
    if modulus.bit_length() not in RSA_BITS:
        raise SignatureError("KEY_PARSE", f"an RSA key of {modulus.bit_length()} bits is too large")
    return RSAPublicNumbers(exponent, modulus).public_key()
