"""Does this signature blob fit this key and these bytes? One function per kind of key."""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from signing.errors import SignatureError, shown
from signing.keys import RSA, SK_ECDSA, SK_ED25519, PublicKey, unpack
from signing.wire import Reader

# RFC 5656 6.2.1: the hash follows the curve. `ssh-rsa` (SHA-1) is missing on purpose.
CURVE_HASHES: dict[int, HashAlgorithm] = {256: SHA256(), 384: SHA384(), 521: SHA512()}
RSA_HASHES: dict[str, HashAlgorithm] = {"rsa-sha2-256": SHA256(), "rsa-sha2-512": SHA512()}

_USER_PRESENT = 0x01


def verify_blob(key: PublicKey, signature: bytes, signed: bytes) -> None:
    """Returns when `signature` (an SSH signature blob) is `key`'s over `signed`, else raises SignatureError."""
    mathematics, application = unpack(key)
    reader = Reader(signature, "SIG_FORMAT")
    algorithm = reader.name()
    if algorithm not in (RSA_HASHES if key.type == RSA else (key.type,)):
        raise SignatureError("SIG_ALG", f"a {key.type} key may not sign with {shown(algorithm)}")
    value = reader.string()
    if key.type in (SK_ED25519, SK_ECDSA):
        signed = _touched(reader, application, signed)
    reader.finish()
    try:
        match mathematics:
            case Ed25519PublicKey():
                mathematics.verify(value, signed)
            case EllipticCurvePublicKey():
                mathematics.verify(_der(value), signed, ECDSA(CURVE_HASHES[mathematics.curve.key_size]))
            case RSAPublicKey():
                # Some agents drop leading zero bytes; OpenSSH puts them back, so do we.
                padded = value.rjust(mathematics.key_size // 8, b"\0")
                mathematics.verify(padded, signed, PKCS1v15(), RSA_HASHES[algorithm])
    except InvalidSignature:
        raise SignatureError(
            "SIG_INVALID", f"the signature does not fit these bytes and the key {key.fingerprint}; they were changed"
        ) from None


def _der(value: bytes) -> bytes:
    numbers = Reader(value, "SIG_FORMAT")
    r, s = numbers.mpint(), numbers.mpint()
    numbers.finish()
    return encode_dss_signature(r, s)


def _touched(reader: Reader, application: bytes, signed: bytes) -> bytes:
    """What a FIDO key really signs."""
    # ssh-keygen lets a missing touch pass; then any program on the owner's machine could sign.
    flags, counter = reader.byte(), reader.take(4)
    if not flags & _USER_PRESENT:
        raise SignatureError("SIG_NO_TOUCH", "the security key signed untouched; make it without `no-touch-required`")
    return hashlib.sha256(application).digest() + bytes([flags]) + counter + hashlib.sha256(signed).digest()
