"""Signatures of images: real ones, in a real registry; and registries that lie, stall or ask who is there (A94)."""

import base64
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from lab.cosign import MANIFEST, PAYLOAD, ImageSigner, Shelf, digest_of
from lab.registry import Registry
from reconciler.admission import ImageRule, ImageRules
from reconciler.agent.docker_engine.registry import Registries
from reconciler.agent.orders.image_signatures import ImageSignatures
from reconciler.agent.state.journal import Journal
from reconciler.errors import ImageUnavailable, StateError
from reconciler.model.image import repository_of
from signing import ImageKey

CI, AUDIT, MALLORY = ImageSigner(), ImageSigner(), ImageSigner()


@pytest.fixture
def shelf(lab_registry: Registry, request: pytest.FixtureRequest) -> Shelf:
    name = request.node.name.lower()
    return Shelf(lab_registry.host, "acme/" + "".join(letter for letter in name if letter.isalnum())[-60:])


def rules(*signers: ImageSigner, threshold: int = 1, repositories: str = "127.0.0.1:*/acme/*") -> ImageRules:
    keys = {one.fingerprint: one.pem for one in signers}
    return ImageRules((ImageRule((repositories,), keys, threshold),))


def told(image: str, known: ImageRules) -> str:
    return known.refusal(image).partition(":")[0] or "signed"


def looked(tmp_path: Path, image: str, given: ImageRules) -> ImageRules:
    return ImageSignatures(Journal(tmp_path / "state"), Registries()).known(given, [image], asks=True)


def payload(shelf: Shelf, image: str, *signers: ImageSigner, **changed: str) -> None:
    digest = changed.get("digest", image.partition("@")[2])
    kind = changed.get("kind", "cosign container image signature")
    signed = [(one.payload(digest, changed.get("reference", shelf.name), kind), one) for one in signers]
    shelf.push_payload(image, *((raw, one.sign(raw)) for raw, one in signed))


def unsigned(shelf: Shelf, image: str) -> None:
    """Nobody has signed it."""


def of_version_2(shelf: Shelf, image: str) -> None:
    payload(shelf, image, CI)


def of_version_3(shelf: Shelf, image: str) -> None:
    shelf.push_bundle(image, CI.bundle(image.partition("@")[2]))


def among_others(shelf: Shelf, image: str) -> None:
    payload(shelf, image, MALLORY, AUDIT, CI)


def by_an_unknown_key(shelf: Shelf, image: str) -> None:
    payload(shelf, image, MALLORY)


def bundle_by_an_unknown_key(shelf: Shelf, image: str) -> None:
    shelf.push_bundle(image, MALLORY.bundle(image.partition("@")[2]))


def of_another_image(shelf: Shelf, image: str) -> None:
    payload(shelf, image, CI, digest="sha256:" + "0" * 64)


def bundle_of_another_image(shelf: Shelf, image: str) -> None:
    shelf.push_bundle(image, CI.bundle("sha256:" + "0" * 64))


def of_another_repository(shelf: Shelf, image: str) -> None:
    payload(shelf, image, CI, reference="elsewhere.example/other")


def of_something_that_is_no_image(shelf: Shelf, image: str) -> None:
    payload(shelf, image, CI, kind="something else")


def an_attestation(shelf: Shelf, image: str) -> None:
    shelf.push_bundle(image, CI.bundle(image.partition("@")[2], predicateType="https://slsa.dev/provenance/v1"))


def without_a_subject(shelf: Shelf, image: str) -> None:
    shelf.push_bundle(image, CI.bundle(image.partition("@")[2], subject="nothing"))


def a_changed_payload(shelf: Shelf, image: str) -> None:
    raw = CI.payload(image.partition("@")[2], shelf.name)
    shelf.push_payload(image, (raw.replace(b'"optional": null', b'"optional": {}'), CI.sign(raw)))


def two_signatures_in_a_bundle(shelf: Shelf, image: str) -> None:
    bundle = json.loads(CI.bundle(image.partition("@")[2]))
    bundle["dsseEnvelope"]["signatures"] *= 2
    shelf.push_bundle(image, json.dumps(bundle).encode())


def no_base64(shelf: Shelf, image: str) -> None:
    shelf.push_payload(image, (CI.payload(image.partition("@")[2], shelf.name), "%%%"))


def no_json(shelf: Shelf, image: str) -> None:
    shelf.push_payload(image, (b"[", CI.sign(b"[")))


CASES: dict[Callable[[Shelf, str], None], str] = {
    unsigned: "IMAGE_UNSIGNED",
    of_version_2: "signed",
    of_version_3: "signed",
    among_others: "signed",
    by_an_unknown_key: "IMAGE_SIGNATURE",
    bundle_by_an_unknown_key: "IMAGE_SIGNATURE",
    of_another_image: "IMAGE_DIGEST",
    bundle_of_another_image: "IMAGE_DIGEST",
    of_another_repository: "IMAGE_REPOSITORY",
    of_something_that_is_no_image: "IMAGE_SIGNATURE",
    an_attestation: "IMAGE_SIGNATURE",
    without_a_subject: "IMAGE_DIGEST",
    a_changed_payload: "IMAGE_SIGNATURE",
    two_signatures_in_a_bundle: "IMAGE_SIGNATURE",
    no_base64: "IMAGE_SIGNATURE",
    no_json: "IMAGE_SIGNATURE",
}


@pytest.mark.parametrize("lay", CASES, ids=lambda one: one.__name__)
def test_an_image_is_signed_or_it_is_said_why_not(
    lay: Callable[[Shelf, str], None], shelf: Shelf, tmp_path: Path
) -> None:
    image = shelf.push_image()
    lay(shelf, image)
    assert told(image, looked(tmp_path, image, rules(CI))) == CASES[lay]


def test_two_of_two_must_sign(shelf: Shelf, tmp_path: Path) -> None:
    image = shelf.push_image()
    payload(shelf, image, CI)
    assert told(image, looked(tmp_path, image, rules(CI, AUDIT, threshold=2))) == "IMAGE_QUORUM"
    payload(shelf, image, CI, CI)
    assert told(image, looked(tmp_path, image, rules(CI, AUDIT, threshold=2))) == "IMAGE_QUORUM", "one, twice"
    payload(shelf, image, CI, AUDIT)
    assert told(image, looked(tmp_path, image, rules(CI, AUDIT, threshold=2))) == "signed"


def test_what_was_seen_is_remembered_without_a_registry(shelf: Shelf, tmp_path: Path) -> None:
    image = shelf.push_image()
    payload(shelf, image, CI)
    looked(tmp_path, image, rules(CI))
    silent = ImageSignatures(Journal(tmp_path / "state"), Silent())
    assert told(image, silent.known(rules(CI), [image], asks=True)) == "signed"
    assert told(image, silent.known(rules(CI), [image], asks=False)) == "signed"
    # By another key, somebody has to look again.
    assert told(image, silent.known(rules(AUDIT), [image], asks=True)) == "IMAGE_UNVERIFIED"
    assert told(image, silent.known(rules(AUDIT), [image], asks=False)) == "IMAGE_UNVERIFIED"


class Silent:
    """Registries that do not answer; each is asked once a pass."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def signatures(self, image: str) -> list[object]:
        self.asked.append(image)
        raise ImageUnavailable("the registry cannot be asked")


def test_a_registry_that_is_silent_is_asked_once_a_pass(tmp_path: Path) -> None:
    silent = Silent()
    signatures = ImageSignatures(Journal(tmp_path / "state"), silent)  # type: ignore[arg-type]
    images = [f"{host}/acme/{name}@sha256:{'0' * 64}" for host in ("a.example", "b.example") for name in "xyz"]
    known = signatures.known(rules(CI, repositories="*"), images, asks=True)
    assert silent.asked == [images[0], images[3]]
    assert {told(image, known) for image in images} == {"IMAGE_UNVERIFIED"}


def test_other_repositories_need_no_signature(tmp_path: Path) -> None:
    given = rules(CI, repositories="registry.acme.example/*")
    known = ImageSignatures(Journal(tmp_path / "state"), Silent()).known(given, ["busybox:1.36"], asks=True)  # type: ignore[arg-type]
    assert told("busybox:1.36", known) == "signed"
    assert told("registry.acme.example/app:1", known) == "IMAGE_TAG"


def test_a_full_disk_only_makes_it_look_again(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = shelf.push_image()
    payload(shelf, image, CI)

    def full(*_: object) -> None:
        raise StateError("no space left")

    monkeypatch.setattr(Journal, "_store", full)
    assert told(image, looked(tmp_path, image, rules(CI))) == "signed"


# Registries that are none

BODY = CI.payload("sha256:" + "a" * 64, "127.0.0.1/acme/app")
LAYER = {
    "mediaType": PAYLOAD,
    "digest": digest_of(BODY),
    "annotations": {"dev.cosignproject.cosign/signature": CI.sign(BODY)},
}


class Hostile(BaseHTTPRequestHandler):
    """Answers by the name of the repository."""

    seen: ClassVar[list[tuple[str, str]]] = []
    done: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        how, _, what = self.path.removeprefix("/v2/acme/").partition("/")
        self.seen.append((self.path, self.headers.get("Authorization", "")))
        getattr(self, how.partition("?")[0].strip("/"), self.missing)(what)

    def answer(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def missing(self, what: str = "") -> None:
        self.answer(404)

    def serve(self, what: str, body: bytes = BODY, layers: object = (LAYER,)) -> None:
        if what.startswith("blobs/"):
            self.answer(200, body)
        elif what.endswith(".sig"):
            self.answer(200, json.dumps({"mediaType": MANIFEST, "layers": layers}).encode())
        else:
            self.missing()

    good = serve

    def lying(self, what: str) -> None:
        self.serve(what, BODY.replace(b"aaaa", b"bbbb"))

    def huge(self, what: str) -> None:
        self.serve(what, b"x" * 200_000)

    def many(self, what: str) -> None:
        self.serve(what, layers=[LAYER] * 1000)

    def odd(self, what: str) -> None:
        odd = [7, None, {"digest": "../../etc"}, {**LAYER, "digest": 5}, {**LAYER, "annotations": []}]
        self.serve(what, layers=odd)

    def junk(self, what: str) -> None:
        self.answer(200, b"[" * 5000)

    def broken(self, what: str) -> None:
        self.answer(503)

    def closed(self, what: str) -> None:
        self.answer(401, WWW_Authenticate='Basic realm="acme"')

    def elsewhere(self, what: str) -> None:
        self.answer(302, Location=f"http://{self.headers['Host']}/v2/acme/good/{what}")

    def drip(self, what: str) -> None:
        """A byte now and then, for as long as the test goes on."""
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        while not self.done.wait(0.02):
            self.wfile.write(b"[")

    def moved(self, what: str) -> None:
        """The storage is elsewhere, and this answer has a body without an end."""
        if what.startswith("blobs/"):
            self.send_response(307)
            self.send_header(
                "Location", f"http://localhost:{self.headers['Host'].partition(':')[2]}/v2/acme/good/{what}"
            )
            self.send_header("Content-Length", str(10**9))
            self.end_headers()
            self.wfile.write(b"x" * 100_000)
        else:
            self.closed(what) if "Authorization" not in self.headers else self.serve(what)

    def astray(self, what: str) -> None:
        self.answer(302, Location="http://[") if what.startswith("blobs/") else self.serve(what)

    def foreign(self, what: str) -> None:
        if what.startswith("grant"):
            self.answer(200, '{"token": "\u20ac"}'.encode())
        else:
            realm = f"http://{self.headers['Host']}/v2/acme/foreign/grant"
            self.answer(401, WWW_Authenticate=f'Bearer realm="{realm}"')

    def token(self, what: str) -> None:
        if self.headers.get("Authorization") == "Bearer here":
            self.serve(what)
        else:
            realm = f"http://{self.headers['Host']}/v2/acme/grant"
            self.answer(401, WWW_Authenticate=f'Bearer realm="{realm}",service="acme",scope="repository:x:pull"')

    def grant(self, what: str) -> None:
        self.answer(200, b'{"token": "here"}')

    def abroad(self, what: str) -> None:
        self.answer(401, WWW_Authenticate='Bearer realm="ftp://elsewhere.example/token"')

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def hostile() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    Hostile.seen.clear()
    Hostile.done.clear()
    yield f"127.0.0.1:{server.server_address[1]}"
    Hostile.done.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("how", "outcome"),
    [
        ("good", "signed"),
        ("token", "signed"),
        ("many", "signed"),
        ("lying", "IMAGE_UNSIGNED"),
        ("odd", "IMAGE_UNSIGNED"),
        ("junk", "IMAGE_UNSIGNED"),
        ("elsewhere", "IMAGE_UNSIGNED"),
        ("huge", "IMAGE_UNVERIFIED"),
        ("broken", "IMAGE_UNVERIFIED"),
        ("closed", "IMAGE_UNVERIFIED"),
        ("abroad", "IMAGE_UNVERIFIED"),
        ("astray", "IMAGE_UNVERIFIED"),
        ("foreign", "IMAGE_UNVERIFIED"),
    ],
)
def test_a_registry_is_not_believed(how: str, outcome: str, hostile: str, tmp_path: Path) -> None:
    image = f"{hostile}/acme/{how}@sha256:{'a' * 64}"
    given = replace(rules(CI), rules=(replace(rules(CI).rules[0], repositories=("*",)),))
    assert told(image, looked(tmp_path, image, given)) == outcome
    assert len(Hostile.seen) < 50


def test_a_registry_that_sends_a_byte_now_and_then_is_not_waited_for(hostile: str) -> None:
    registries = Registries(deadline=0.3)
    image = f"{hostile}/acme/drip@sha256:{'a' * 64}"
    with pytest.raises(ImageUnavailable, match=r"no whole answer within 0\.3 s"):
        registries.signatures(image)
    with pytest.raises(ImageUnavailable, match="has not answered yet"):
        registries.signatures(image)


def test_a_storage_elsewhere_gets_no_password_and_what_stands_before_it_is_not_read(
    hostile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = base64.b64encode(b"device:hush").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {hostile: {"auth": secret}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    image = f"{hostile}/acme/moved@sha256:{'a' * 64}"
    assert told(image, looked(tmp_path, image, rules(CI, repositories="*"))) == "signed"
    there = [given for path, given in Hostile.seen if path.startswith("/v2/acme/good/blobs/")]
    assert there == [""]


@pytest.mark.parametrize("config", ["[]", '{"auths": {"HOST": {"auth": "!!!"}}}', '{"credsStore": "missing-helper"}'])
def test_credentials_that_cannot_be_read_end_no_pass(
    config: str, hostile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text(config.replace("HOST", hostile))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    image = f"{hostile}/acme/closed@sha256:{'a' * 64}"
    assert told(image, looked(tmp_path, image, rules(CI, repositories="*"))) == "IMAGE_UNVERIFIED"


@pytest.mark.parametrize(
    "name", ["../x", "a" * 70 + ".example/x", "registry.example/UPPER", "[::1/x", "registry.example/a//b"]
)
def test_a_name_that_is_none_is_told(name: str, tmp_path: Path) -> None:
    image = f"{name}@sha256:{'a' * 64}"
    assert told(image, looked(tmp_path, image, rules(CI, repositories="*"))) == "IMAGE_UNVERIFIED"


NAMES = {
    "busybox": "docker.io/library/busybox",
    "busybox:1.36": "docker.io/library/busybox",
    "acme/app@sha256:" + "0" * 64: "docker.io/acme/app",
    "docker.io/busybox": "docker.io/library/busybox",
    "index.docker.io/library/busybox": "docker.io/library/busybox",
    "registry-1.docker.io/library/busybox:1": "docker.io/library/busybox",
    "docker.io:443/acme/app": "docker.io/acme/app",
    "localhost/app": "localhost/app",
    "127.0.0.1:5000/a/b:1": "127.0.0.1:5000/a/b",
    "Registry.Acme.Example/v/a": "registry.acme.example/v/a",
    "registry.acme.example:443/v/a:1@sha256:" + "0" * 64: "registry.acme.example/v/a",
    "[::1]:5000/a": "[::1]:5000/a",
}


@pytest.mark.parametrize("reference", NAMES)
def test_a_repository_has_one_name(reference: str) -> None:
    assert repository_of(reference) == NAMES[reference]


def test_a_registry_that_is_away_is_told(tmp_path: Path) -> None:
    image = f"127.0.0.1:1/acme/app@sha256:{'a' * 64}"
    refusal = looked(tmp_path, image, rules(CI)).refusal(image)
    assert "IMAGE_UNVERIFIED" in refusal
    assert "the registry 127.0.0.1:1 cannot be asked" in refusal


def test_name_and_password_are_those_that_docker_has(
    hostile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = base64.b64encode(b"device:hush").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {hostile: {"auth": secret}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    image = f"{hostile}/acme/closed@sha256:{'a' * 64}"
    refusal = looked(tmp_path, image, rules(CI, repositories="*")).refusal(image)
    assert "hush" not in refusal
    assert Hostile.seen[-1][1] == f"Basic {secret}"


@pytest.mark.skipif("COSIGN" not in os.environ, reason="COSIGN does not name cosign 3")
@pytest.mark.parametrize("form", ["--new-bundle-format=false", "--new-bundle-format=true"])
def test_what_cosign_signs_is_signed(form: str, shelf: Shelf, tmp_path: Path) -> None:
    image = shelf.push_image()
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "COSIGN_PASSWORD": "x"}
    make = [os.environ["COSIGN"], "generate-key-pair"]
    subprocess.run(make, env=env, cwd=tmp_path, check=True, capture_output=True)
    flags = ["--tlog-upload=false", "--use-signing-config=false", "--allow-insecure-registry", form]
    sign = [os.environ["COSIGN"], "sign", "--yes", "--key", "cosign.key", *flags, image]
    subprocess.run(sign, env=env, cwd=tmp_path, check=True, capture_output=True)
    pem = (tmp_path / "cosign.pub").read_text()
    given = ImageRules((ImageRule(("127.0.0.1:*",), {ImageKey.parse(pem).fingerprint: pem}),))
    assert told(image, looked(tmp_path, image, given)) == "signed"
