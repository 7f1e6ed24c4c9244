"""Signatures and sizes of images, out of the registry that has the images (OCI distribution specification, 1.1).

The Engine has no call for them. Everything that a registry answers is foreign: bounded, and held against the digest by
which it was asked for; whether a signature is good is judged elsewhere.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urljoin

import docker.auth
import requests

from reconciler.errors import ImageUnavailable
from reconciler.model.image import repository_of
from signing import MAX_BUNDLE, MAX_PAYLOAD, Bundle, ImageSignature, SignedPayload

Value = TypeVar("Value")

TIMEOUTS = (5, 10)
DEADLINE_SECONDS = 30.0
MAX_MANIFEST = 1024 * 1024
# More signatures than people ever make for one image; a registry could name any number.
MOST = 20
# An Engine takes images of up to 127 layers; a layer of a petabyte is none.
MOST_LAYERS, MAX_LAYER = 200, 1 << 50
_PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
_ANNOTATION = "dev.cosignproject.cosign/signature"
_BUNDLE = "application/vnd.dev.sigstore.bundle"
_MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_INDEXES = f"{_INDEX}, application/vnd.docker.distribution.manifest.list.v2+json"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,252})(:[0-9]{1,5})?|\[[0-9a-f:.]+\](:[0-9]{1,5})?")
_PATH = re.compile(r"[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_LOOPBACK = re.compile(r"(127\.[0-9.]+|localhost)(:[0-9]+)?")
_CHALLENGE = re.compile(r'([a-z_]+)="([^"]*)"')
# Not allowed, or not now: what there is, nobody knows then.
_NOT_ANSWERED, _BROKEN = (401, 403, 429), 500
# Where Docker looks for certificates of a registry.
_CERTIFICATES = Path("/etc/docker/certs.d")


class Registries:
    """The registries that images are in, by the credentials and certificates that Docker has for them."""

    def __init__(self, deadline: float = DEADLINE_SECONDS) -> None:
        self._deadline = deadline
        # Those that have not answered in time, and whose answer somebody still waits for.
        self._late: dict[str, threading.Thread] = {}

    def signatures(self, image: str) -> list[ImageSignature]:
        """All that lie there for an image, which is named by its digest. Raises ImageUnavailable."""
        return self._told(image, lambda talk: list(_signatures(talk, image.partition("@")[2])))

    def size(self, image: str, architecture: str) -> int:
        """How many bytes the layers of an image have as they travel. Raises ImageUnavailable."""
        return self._told(image, lambda talk: _size(talk, image, architecture))

    def _told(self, image: str, ask: Callable[["_Talk"], Value]) -> Value:
        """What the image's registry answers. Raises ImageUnavailable.

        Asked aside: nothing else ends a server that sends a byte now and then, at whatever place of its answer.
        """
        host, _, path = repository_of(image).partition("/")
        if not _HOST.fullmatch(host) or not _PATH.fullmatch(path):
            raise ImageUnavailable(f"{image} is no name of an image", advice="write HOST/PATH@sha256:...")
        late = self._late.get(host)
        if late is not None and late.is_alive():
            raise _not_asked(host, "it has not answered yet")
        found: list[Value | Exception] = []
        asking = threading.Thread(target=_ask, args=(host, path, ask, found), name=f"registry {host}", daemon=True)
        asking.start()
        asking.join(self._deadline)
        if not found:
            self._late[host] = asking
            raise _not_asked(host, f"no whole answer within {self._deadline:g} s")
        if isinstance(found[0], Exception):
            raise found[0] if isinstance(found[0], ImageUnavailable) else _not_asked(host, type(found[0]).__name__)
        return found[0]


def _ask(host: str, path: str, ask: Callable[["_Talk"], Value], found: list[Value | Exception]) -> None:
    try:
        with _Talk(host, path) as talk:
            found.append(ask(talk))
    except Exception as error:
        # Outermost guard of this thread: what a registry answers can make our libraries stumble in ways of their own.
        found.append(error)


def _signatures(talk: "_Talk", digest: str) -> Iterator[ImageSignature]:
    tag = digest.replace(":", "-")
    older = _parsed(talk.get(f"manifests/{tag}.sig", MAX_MANIFEST, _MANIFESTS))
    for layer in _listed(older, "layers"):
        signature = _mapping(layer, "annotations").get(_ANNOTATION)
        blob = talk.blob(layer, MAX_PAYLOAD) if layer.get("mediaType") == _PAYLOAD and signature else None
        if blob is not None:
            yield SignedPayload(blob, str(signature))
    newer = talk.get(f"referrers/{digest}", MAX_MANIFEST, _INDEX)
    # A registry of before version 1.1 has an index under a tag instead.
    index = _parsed(newer if newer is not None else talk.get(f"manifests/{tag}", MAX_MANIFEST, _INDEX))
    for named in _listed(index, "manifests"):
        # What kind of artifact it is, the index need not say: cosign 3.1 writes that of its empty configuration there.
        if not _is_digest(named.get("digest")):
            continue
        manifest = _parsed(talk.get(f"manifests/{named['digest']}", MAX_MANIFEST, _MANIFESTS, str(named["digest"])))
        for layer in _listed(manifest, "layers")[:1]:
            is_bundle = str(layer.get("mediaType", "")).startswith(_BUNDLE)
            blob = talk.blob(layer, MAX_BUNDLE) if is_bundle else None
            if blob is not None:
                yield Bundle(blob)


def _size(talk: "_Talk", image: str, architecture: str) -> int:
    name, _, digest = image.partition("@")
    tag = name.rpartition(":")[2]
    reference = digest or (tag if ":" in name and "/" not in tag else "latest")
    found = _parsed(
        talk.get(f"manifests/{quote(reference, safe=':')}", MAX_MANIFEST, f"{_MANIFESTS}, {_INDEXES}", digest)
    )
    for named in _listed(found, "manifests", MOST_LAYERS):
        platform = _mapping(named, "platform")
        if platform.get("architecture") == architecture and _is_digest(named.get("digest")):
            chosen = str(named["digest"])
            found = _parsed(talk.get(f"manifests/{chosen}", MAX_MANIFEST, _MANIFESTS, chosen))
            break
    sizes = [layer.get("size") for layer in _listed(found, "layers", MOST_LAYERS)]
    if not sizes:
        raise ImageUnavailable(f"the registry has no {image} for {architecture}")
    return sum(size for size in sizes if type(size) is int and 0 < size < MAX_LAYER)


class _Talk:
    """What is asked of one repository."""

    def __init__(self, host: str, path: str) -> None:
        self._host = host
        address = "registry-1.docker.io" if host == "docker.io" else host
        self._scheme = "http" if _LOOPBACK.fullmatch(host) else "https"
        self._base, self._scope = f"{self._scheme}://{address}/v2/{path}", f"repository:{path}:pull"
        self._session, self._headers = requests.Session(), dict[str, str]()
        own = _CERTIFICATES / host / "ca.crt"
        self._session.verify = str(own) if own.exists() else True
        self._own: tuple[str, str] | None = None

    def __enter__(self) -> "_Talk":
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def blob(self, layer: dict[str, Any], most: int) -> bytes | None:
        digest = layer.get("digest")
        return self.get(f"blobs/{digest}", most, digest=str(digest)) if _is_digest(digest) else None

    def get(self, path: str, most: int, accept: str = "", digest: str = "") -> bytes | None:
        """The body; None where the registry has no such thing, or another one than was asked for."""
        answer = self._ask(path, accept)
        if answer.status_code == _NOT_ANSWERED[0]:
            challenge = answer.headers.get("WWW-Authenticate", "")
            answer.close()
            self._log_in(challenge)
            answer = self._ask(path, accept)
        with answer:
            code = answer.status_code
            if code in _NOT_ANSWERED or code >= _BROKEN:
                raise _not_asked(self._host, f"it answers {code}")
            if not answer.ok:
                return None
            body = self._body(answer, most)
        is_it = not digest or f"sha256:{hashlib.sha256(body).hexdigest()}" == digest
        return body if is_it else None

    def _ask(self, path: str, accept: str) -> requests.Response:
        """The answer; of a blob, which often lies in a storage elsewhere, after at most three ways to go."""
        headers = {**self._headers, "Accept-Encoding": "identity", **({"Accept": accept} if accept else {})}
        answer = self._get(f"{self._base}/{path}", headers, self._own)
        for _ in range(3 if path.startswith("blobs/") else 0):
            if not answer.is_redirect:
                break
            answer.close()
            place = urljoin(answer.url, answer.headers.get("Location", ""))
            if not place.startswith(f"{self._scheme}://"):
                raise _not_asked(self._host, "it sends us elsewhere")
            # Whoever it is over there, our name and password are not for them.
            answer = self._get(place, {"Accept-Encoding": "identity"}, None)
        return answer

    def _get(
        self, url: str, headers: dict[str, str], own: tuple[str, str] | None, params: dict[str, str] | None = None
    ) -> requests.Response:
        auth = own or _nobody
        return self._session.get(
            url, params=params, headers=headers, auth=auth, timeout=TIMEOUTS, stream=True, allow_redirects=False
        )

    def _body(self, answer: requests.Response, most: int) -> bytes:
        body = b""
        for part in answer.iter_content(64 * 1024):
            body += part
            if len(body) > most:
                raise _not_asked(self._host, f"it sends more than {most} bytes")
        return body

    def _log_in(self, challenge: str) -> None:
        """By the distribution specification's token, or by name and password (RFC 7235)."""
        known = docker.auth.load_config().resolve_authconfig(self._host) or {}
        name, password = known.get("username") or known.get("Username"), known.get("password") or known.get("Password")
        own = (str(name), str(password)) if name and password else None
        asked = dict(_CHALLENGE.findall(challenge))
        if challenge.lower().startswith("basic") and own:
            self._own = own
        elif challenge.lower().startswith("bearer") and asked.get("realm", "").startswith(f"{self._scheme}://"):
            given = {"service": asked.get("service", ""), "scope": asked.get("scope", self._scope)}
            with self._get(asked["realm"], {}, own, given) as answer:
                token = _parsed(self._body(answer, MAX_MANIFEST) if answer.ok else None)
            self._headers["Authorization"] = f"Bearer {token.get('token') or token.get('access_token', '')}"


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No name and password, not those of a ~/.netrc either."""
    return request


def _not_asked(host: str, why: str) -> ImageUnavailable:
    return ImageUnavailable(f"the registry {host} cannot be asked: {why}", advice="it is asked again at the next pass")


def _is_digest(text: object) -> bool:
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def _parsed(raw: bytes | None) -> dict[str, Any]:
    """A JSON object; an empty one for everything else."""
    try:
        value = json.loads(raw) if raw is not None else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _mapping(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _listed(value: dict[str, Any], name: str, most: int = MOST) -> list[dict[str, Any]]:
    found = value.get(name)
    return [one for one in found if isinstance(one, dict)][:most] if isinstance(found, list) else []
