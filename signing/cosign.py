"""Signatures of container images by cosign with a key pair: bytes in, verdict out.

Two forms: the payload beside the image of cosign 1 and 2 (SIGNATURE_SPEC of sigstore/cosign), and the bundle of cosign
3 that refers to it (BUNDLE_SPEC; DSSE, in-toto Statement v1). What a transparency log says is not asked for: with a key
pair, the key is what is trusted.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from signing.errors import SignatureError, shown

# A payload has some 300 bytes, a bundle some thousands.
MAX_PAYLOAD, MAX_BUNDLE = 64 * 1024, 1024 * 1024
_PAYLOAD_TYPE = "cosign container image signature"
_STATEMENT = "application/vnd.in-toto+json"
_STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://sigstore.dev/cosign/sign/v1"


@dataclass(frozen=True, slots=True)
class ImageKey:
    """A public key as `cosign generate-key-pair` makes it: ECDSA on P-256. `fingerprint` is the SHA-256 of its DER."""

    fingerprint: str
    key: EllipticCurvePublicKey

    @classmethod
    def parse(cls, pem: str) -> Self:
        """Raises SignatureError IMAGE_KEY."""
        try:
            key = serialization.load_pem_public_key(pem.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise SignatureError("IMAGE_KEY", "not a public key in PEM; write what `cosign.pub` holds") from error
        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
            raise SignatureError("IMAGE_KEY", "keys of images must be ECDSA on P-256, as cosign makes them")
        der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return cls(hashlib.sha256(der).hexdigest(), key)

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        try:
            self.key.verify(signature, message, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SignedPayload:
    """The older form: a payload and its signature, base64 of DER."""

    payload: bytes
    signature: str

    def check(self, key: ImageKey, digest: str) -> str:
        """The name of the image for which it was made. Raises SignatureError unless the key signed this digest."""
        if not key.has_signed(self.payload, _unbase64(self.signature)):
            raise SignatureError("IMAGE_SIGNATURE", "signed by another key, or changed since")
        critical = _object(_parsed(self.payload), "critical")
        if critical.get("type") != _PAYLOAD_TYPE:
            raise SignatureError("IMAGE_SIGNATURE", f"signed as {shown(str(critical.get('type')))}, which is no image")
        if _object(critical, "image").get("docker-manifest-digest") != digest:
            raise SignatureError("IMAGE_DIGEST", "the signature is of another image")
        return str(_object(critical, "identity").get("docker-reference", ""))


@dataclass(frozen=True, slots=True)
class Bundle:
    """The newer form: one JSON document that holds a DSSE envelope."""

    raw: bytes

    def check(self, key: ImageKey, digest: str) -> str:
        """As of a payload; it names no image, so the answer is empty."""
        envelope = _object(_parsed(self.raw), "dsseEnvelope")
        signatures = envelope.get("signatures")
        if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], dict):
            raise SignatureError("IMAGE_SIGNATURE", "a bundle without exactly one signature")
        if envelope.get("payloadType") != _STATEMENT:
            raise SignatureError("IMAGE_SIGNATURE", f"a bundle of {shown(str(envelope.get('payloadType')))}")
        body = _unbase64(envelope.get("payload"))
        if not key.has_signed(_encoded(_STATEMENT, body), _unbase64(signatures[0].get("sig"))):
            raise SignatureError("IMAGE_SIGNATURE", "signed by another key, or changed since")
        statement = _parsed(body)
        said = (statement.get("_type"), statement.get("predicateType"))
        if said != (_STATEMENT_TYPE, _PREDICATE):
            # An attestation, such as of how it was built, may say that an image is bad.
            raise SignatureError("IMAGE_SIGNATURE", f"says {shown(str(said[1]))}, not that somebody signed the image")
        subjects = statement.get("subject")
        named = [one for one in subjects if isinstance(one, dict)] if isinstance(subjects, list) else []
        if digest.removeprefix("sha256:") not in [_object(one, "digest").get("sha256") for one in named]:
            raise SignatureError("IMAGE_DIGEST", "the signature is of another image")
        return ""


ImageSignature = SignedPayload | Bundle


def _encoded(kind: str, body: bytes) -> bytes:
    """What is signed in DSSE (its protocol, "PAE")."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(body), body)


def _unbase64(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureError("IMAGE_SIGNATURE", "a signature that is not base64") from error


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise SignatureError("IMAGE_SIGNATURE", "a document that is not JSON") from error
    if not isinstance(value, dict):
        raise SignatureError("IMAGE_SIGNATURE", "a document that is no JSON object")
    return value


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    if not isinstance(found, dict):
        raise SignatureError("IMAGE_SIGNATURE", f"a document without `{name}`")
    return found
