"""Signs images as cosign does with a key pair, and puts the signatures where cosign puts them."""

import base64
import hashlib
import json
import urllib.request
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _new_key() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())


@dataclass(frozen=True)
class ImageSigner:
    """A key pair as of `cosign generate-key-pair`."""

    key: EllipticCurvePrivateKey = field(default_factory=_new_key)

    @property
    def pem(self) -> str:
        public, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(public, form).decode()

    @property
    def fingerprint(self) -> str:
        der, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        return hashlib.sha256(self.key.public_key().public_bytes(der, form)).hexdigest()

    def sign(self, message: bytes) -> str:
        return base64.b64encode(self.key.sign(message, ECDSA(SHA256()))).decode()

    def payload(self, digest: str, reference: str, kind: str = "cosign container image signature") -> bytes:
        """What cosign 2 signs."""
        critical = {
            "identity": {"docker-reference": reference},
            "image": {"docker-manifest-digest": digest},
            "type": kind,
        }
        return json.dumps({"critical": critical, "optional": None}).encode()

    def bundle(self, digest: str, **changed: Any) -> bytes:
        """What cosign 3 writes; a field of the statement can be replaced by its name."""
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": "https://sigstore.dev/cosign/sign/v1",
            "subject": [{"digest": {"sha256": digest.removeprefix("sha256:")}}],
            "predicate": {},
        }
        body = json.dumps({**statement, **changed}).encode()
        kind = b"application/vnd.in-toto+json"
        encoded = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)
        envelope = {
            "payload": base64.b64encode(body).decode(),
            "payloadType": kind.decode(),
            "signatures": [{"sig": self.sign(encoded)}],
        }
        material = {"publicKey": {"hint": base64.b64encode(bytes.fromhex(self.fingerprint)).decode()}}
        return json.dumps({"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope}).encode()


@dataclass(frozen=True)
class Shelf:
    """One repository of a registry on loopback."""

    host: str
    path: str

    @property
    def name(self) -> str:
        return f"{self.host}/{self.path}"

    def push_image(self, content: bytes = b"{}") -> str:
        """The smallest image there is, with this configuration; its whole name, by digest."""
        config = self._blob(content, _CONFIG)
        return f"{self.name}@{self._manifest({'config': config, 'layers': []})}"

    def push_payload(self, image: str, *signed: tuple[bytes, str]) -> None:
        """Payloads with their signatures, under the tag that cosign 2 looks at."""
        layers = [
            {**self._blob(payload, PAYLOAD), "annotations": {"dev.cosignproject.cosign/signature": signature}}
            for payload, signature in signed
        ]
        tag = image.partition("@")[2].replace(":", "-") + ".sig"
        self._manifest({"config": self._blob(b"{}", _CONFIG), "layers": layers}, tag)

    def push_bundle(self, image: str, bundle: bytes) -> None:
        """A bundle that refers to the image, by the tag of registries before version 1.1."""
        digest = image.partition("@")[2]
        document = {
            "artifactType": BUNDLE,
            "config": self._blob(b"{}", _CONFIG),
            "layers": [self._blob(bundle, BUNDLE)],
        }
        made = self._manifest(document)
        # So cosign 3.1 says in an index, whatever the artifact is.
        kind = "application/vnd.oci.empty.v1+json"
        named = {"mediaType": MANIFEST, "digest": made, "size": 1, "artifactType": kind}
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [named]}
        self._put(f"manifests/{digest.replace(':', '-')}", json.dumps(index).encode(), INDEX)

    def _manifest(self, document: dict[str, Any], tag: str = "") -> str:
        raw = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, **document}).encode()
        self._put(f"manifests/{tag or digest_of(raw)}", raw, MANIFEST)
        return digest_of(raw)

    def _blob(self, content: bytes, media_type: str) -> dict[str, Any]:
        begun = urllib.request.Request(self._url("blobs/uploads/"), b"", method="POST")
        with urllib.request.urlopen(begun, timeout=10) as answer:
            place = urljoin(self._url(""), answer.headers["Location"])
        join = "&" if "?" in place else "?"
        request = urllib.request.Request(f"{place}{join}digest={digest_of(content)}", content, method="PUT")
        request.add_header("Content-Type", "application/octet-stream")
        urllib.request.urlopen(request, timeout=10).close()
        return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}

    def _put(self, path: str, content: bytes, media_type: str) -> None:
        request = urllib.request.Request(self._url(path), content, {"Content-Type": media_type}, method="PUT")
        urllib.request.urlopen(request, timeout=10).close()

    def _url(self, path: str) -> str:
        return f"http://{self.host}/v2/{self.path}/{path}"
