"""OpenPGP (RFC 9580, RFC 4880) as far as forges sign with it: was this commit made by one of these pinned keys?

It says no more than that. Such a key signs for every user of its forge, so nobody is obeyed for it.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

from signing.errors import SignatureError
from signing.keys import RSA_BITS
from signing.wire import Reader, unbase64

MAX_KEYS_FILE = 64 * 1024
_MAX_SIGNATURE = 8 * 1024
_MAX_KEYS = 32
# The armor (RFC 9580, 6.2); its checksum says nothing that the signature does not.
_ARMOR = r"-----BEGIN PGP {kind}-----\n(?:[A-Za-z]+: [^\n]*\n)*\n((?:[A-Za-z0-9+/=]+\n)+)-----END PGP {kind}-----\n*"
_SIGNATURE = re.compile(_ARMOR.format(kind="SIGNATURE").encode())
_KEYS = re.compile(_ARMOR.format(kind="PUBLIC KEY BLOCK").encode())
_CHECKSUM = re.compile(rb"^=[A-Za-z0-9+/]{4}\n", re.MULTILINE)
_SIGNATURE_TAG, _KEY_TAGS = 2, (6, 14)
_RSA, _EDDSA, _ED25519 = 1, 22, 27
_HASHES = {8: ("sha256", SHA256()), 9: ("sha384", SHA384()), 10: ("sha512", SHA512())}
# 1.3.6.1.4.1.11591.15.1, the curve of EdDSA keys of version 4.
_ED25519_OID = bytes.fromhex("2b06010401da470f01")
# Creation, expiration, exportable, issuer, notation, key flags, signer, features, fingerprint of the issuer: none of
# these changes what was signed. Any other that is critical must not be passed over (5.2.3.7).
_KNOWN = frozenset({2, 3, 4, 16, 20, 27, 28, 30, 33})
_CRITICAL, _MADE = 0x80, 2

Mathematics = RSAPublicKey | Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class ForgeKeys:
    """The keys with which a forge signs what its buttons make, by fingerprint (SHA-1, in hex: RFC 9580, 5.5.4)."""

    keys: dict[str, Mathematics]

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """All RSA and Ed25519 keys in armored blocks; names, dates and other signatures there mean nothing.

        Raises SignatureError KEY_PARSE, KEY_RSA_SMALL.
        """
        if len(text) > MAX_KEYS_FILE:
            raise SignatureError("KEY_PARSE", f"over {MAX_KEYS_FILE} bytes of OpenPGP keys")
        blocks = _KEYS.finditer(text.replace(b"\r\n", b"\n"))
        try:
            packets = [packet for found in blocks for packet in _packets(_binary(found[1], "KEY_PARSE"))]
            keys = dict(key for tag, body in packets if tag in _KEY_TAGS for key in _key(body))
        except SignatureError as error:
            code = error.code if error.code == "KEY_RSA_SMALL" else "KEY_PARSE"
            raise SignatureError(code, error.message) from error
        if not keys or len(keys) > _MAX_KEYS:
            told = f"{len(keys)} OpenPGP keys of RSA or Ed25519, armored; 1 to {_MAX_KEYS} are taken"
            raise SignatureError("KEY_PARSE", told)
        return cls(keys)

    def signed(self, armored: bytes, message: bytes) -> str:
        """The fingerprint of the key that signed. Raises SignatureError SIG_FORMAT, SIG_HASHALG, SIGNER_UNKNOWN."""
        found = _SIGNATURE.fullmatch(armored) if len(armored) <= _MAX_SIGNATURE else None
        if found is None:
            raise SignatureError("SIG_FORMAT", "not one armored OpenPGP signature")
        packets = list(_packets(_binary(found[1], "SIG_FORMAT")))
        if len(packets) != 1 or packets[0][0] != _SIGNATURE_TAG:
            raise SignatureError("SIG_FORMAT", "the armor holds something else than one OpenPGP signature")
        signature = _Signature.parse(packets[0][1])
        for fingerprint, key in self.keys.items():
            if signature.is_by(key, message):
                return fingerprint
        raise SignatureError("SIGNER_UNKNOWN", "an OpenPGP signature by no key of the forge that is pinned here")


@dataclass(frozen=True, slots=True)
class _Signature:
    """A signature of version 4 over bytes (type 0), and what is hashed behind these."""

    algorithm: int
    hash_id: int
    trailer: bytes
    values: bytes

    @classmethod
    def parse(cls, body: bytes) -> Self:
        reader = Reader(body, "SIG_FORMAT", "SIG_FORMAT")
        version, kind, algorithm, hash_id = reader.take(4)
        if (version, kind) != (4, 0):
            told = f"an OpenPGP signature of version {version} and type {kind}; 4 and 0 count"
            raise SignatureError("SIG_FORMAT", told)
        if hash_id not in _HASHES:
            raise SignatureError("SIG_HASHALG", f"OpenPGP hash {hash_id} is not accepted; sign with SHA-256")
        hashed = reader.take(int.from_bytes(reader.take(2), "big"))
        reader.take(int.from_bytes(reader.take(2), "big"))
        reader.take(2)
        kinds = [kind for kind, _ in _subpackets(hashed)]
        if unknown := [kind for kind in kinds if kind & _CRITICAL and kind & ~_CRITICAL not in _KNOWN]:
            raise SignatureError("SIG_FORMAT", f"the OpenPGP signature asks for something unknown ({unknown[0] & 127})")
        if [kind & ~_CRITICAL for kind in kinds].count(_MADE) != 1:
            raise SignatureError("SIG_FORMAT", "the OpenPGP signature does not say when it was made")
        signed = body[: 6 + len(hashed)]
        return cls(algorithm, hash_id, signed + b"\x04\xff" + len(signed).to_bytes(4, "big"), reader.rest())

    def is_by(self, key: Mathematics, message: bytes) -> bool:
        name, algorithm = _HASHES[self.hash_id]
        digest = hashlib.new(name, message + self.trailer).digest()
        try:
            if isinstance(key, RSAPublicKey):
                if self.algorithm != _RSA:
                    return False
                (value,) = _mpis(self.values, 1)
                key.verify(value.rjust((key.key_size + 7) // 8, b"\0"), digest, PKCS1v15(), Prehashed(algorithm))
            else:
                key.verify(self._ed25519(), digest)
        except InvalidSignature:
            return False
        return True

    def _ed25519(self) -> bytes:
        """R and S: as two numbers (EdDSA, 22), or as they are (Ed25519, 27). RFC 9580, 5.2.3."""
        if self.algorithm == _ED25519:
            return self.values
        return b"".join(value.rjust(32, b"\0") for value in _mpis(self.values, 2)) if self.algorithm == _EDDSA else b""


def _binary(lines: bytes, code: str) -> bytes:
    return unbase64(_CHECKSUM.sub(b"", lines).replace(b"\n", b""), code)


def _packets(blob: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and body of each packet (RFC 9580, 4.2); lengths that are told in parts are for data, and refused."""
    reader = Reader(blob, "SIG_FORMAT", "SIG_FORMAT")
    while reader.is_more:
        head = reader.byte()
        if not head & 0x80:
            raise SignatureError("SIG_FORMAT", "not an OpenPGP packet")
        if head & 0x40:
            yield head & 0x3F, reader.take(_length(reader))
        elif head & 3 != 3:
            yield head >> 2 & 0xF, reader.take(int.from_bytes(reader.take(1 << (head & 3)), "big"))
        else:
            raise SignatureError("SIG_FORMAT", "an OpenPGP packet without a length")


def _subpackets(blob: bytes) -> Iterator[tuple[int, bytes]]:
    """Type, with its critical bit, and content of each (RFC 9580, 5.2.3.7)."""
    reader = Reader(blob, "SIG_FORMAT", "SIG_FORMAT")
    while reader.is_more:
        body = Reader(reader.take(_length(reader)), "SIG_FORMAT", "SIG_FORMAT")
        yield body.byte(), body.rest()


def _length(reader: Reader) -> int:
    first = reader.byte()
    if first < 192:
        return first
    if first < 224:
        return (first - 192 << 8) + reader.byte() + 192
    if first == 255:
        return reader.u32()
    raise SignatureError("SIG_FORMAT", "an OpenPGP length that is told in parts")


def _key(body: bytes) -> Iterator[tuple[str, Mathematics]]:
    """A key of version 4 that can sign, with its fingerprint; nothing for those that only encrypt."""
    reader = Reader(body, "KEY_PARSE", "KEY_PARSE")
    if reader.byte() != 4:
        return
    reader.take(4)
    algorithm = reader.byte()
    fingerprint = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False).hexdigest()
    if algorithm == _RSA:
        modulus, exponent = (int.from_bytes(value, "big") for value in _mpis(reader.rest(), 2))
        if modulus.bit_length() not in RSA_BITS:
            raise SignatureError("KEY_RSA_SMALL", f"an OpenPGP key of RSA with {modulus.bit_length()} bits")
        yield fingerprint, _made(lambda: RSAPublicNumbers(exponent, modulus).public_key())
    elif algorithm == _ED25519:
        raw = reader.rest()
        yield fingerprint, _made(lambda: Ed25519PublicKey.from_public_bytes(raw))
    elif algorithm == _EDDSA and reader.take(reader.byte()) == _ED25519_OID:
        (point,) = _mpis(reader.rest(), 1)
        # 0x40 says that the point stands there as it is (RFC 9580, 11.2.2).
        yield fingerprint, _made(lambda: Ed25519PublicKey.from_public_bytes(point.removeprefix(b"\x40")))


def _made(make: Callable[[], Mathematics]) -> Mathematics:
    try:
        return make()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError("KEY_PARSE", "an OpenPGP key is damaged") from error


def _mpis(blob: bytes, count: int) -> list[bytes]:
    """So many numbers (RFC 9580, 3.2), and nothing behind. Forges write lengths in bits that are a few too high."""
    reader = Reader(blob, "SIG_FORMAT", "SIG_FORMAT")
    values = [reader.take((int.from_bytes(reader.take(2), "big") + 7) // 8) for _ in range(count)]
    reader.finish()
    return values
