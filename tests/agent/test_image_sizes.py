"""How big an image is: out of a real registry, and of registries that say anything."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from lab.cosign import INDEX, MANIFEST, Shelf, digest_of
from lab.registry import Registry
from reconciler.agent.docker_engine.registry import Registries
from reconciler.errors import ImageUnavailable

CONFIG = "application/vnd.oci.image.config.v1+json"


def layers(*sizes: Any) -> dict[str, Any]:
    return {"mediaType": MANIFEST, "layers": [{"size": size} for size in sizes]}


def platform(architecture: str, digest: object) -> dict[str, Any]:
    return {
        "mediaType": MANIFEST,
        "digest": digest,
        "size": 1,
        "platform": {"architecture": architecture, "os": "linux"},
    }


def test_a_real_registry_tells_the_size_of_each_platform(lab_registry: Registry) -> None:
    shelf = Shelf(lab_registry.host, "acme/sizes")
    config = shelf._blob(b"{}", CONFIG)
    made = {
        machine: shelf._manifest({"config": config, "layers": [shelf._blob(content, "x/y"), shelf._blob(b"1", "x/y")]})
        for machine, content in (("amd64", b"a" * 100), ("arm64", b"b" * 200))
    }
    named = [platform(machine, digest) for machine, digest in made.items()]
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": named}).encode()
    shelf._put("manifests/v1", index, INDEX)
    sizes = Registries()
    assert sizes.size(f"{shelf.name}:v1", "amd64") == 101
    assert sizes.size(f"{shelf.name}:v1", "arm64") == 201
    assert sizes.size(f"{shelf.name}@{digest_of(index)}", "arm64") == 201
    assert sizes.size(f"{shelf.name}@{made['amd64']}", "amd64") == 101
    for image, machine in ((f"{shelf.name}:v1", "riscv64"), (f"{shelf.name}:v2", "amd64"), (shelf.name, "amd64")):
        with pytest.raises(ImageUnavailable, match=f"has no .* for {machine}"):
            sizes.size(image, machine)


class Hostile(BaseHTTPRequestHandler):
    """Answers every question with the same document."""

    said: ClassVar[bytes] = b""
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.said)))
        self.end_headers()
        self.wfile.write(self.said)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def hostile() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    Hostile.asked.clear()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


SAID: dict[str, tuple[object, int | None]] = {
    "no sizes": (layers(10, -5, "7", None, 1.5, True, 2**60, [], {}), 10),
    "layers without number": (layers(*[1] * 5000), 200),
    "no layers": ({"layers": {"size": 5}}, None),
    "another document": ([1, 2], None),
    "an index of itself": ({"manifests": [platform("amd64", "sha256:" + "0" * 64)] * 1000}, None),
    "a digest that is a path": ({"manifests": [platform("amd64", "../../admin")]}, None),
    "a platform that is none": ({"manifests": [{"platform": "amd64", "digest": 5}, "x"]}, None),
}


@pytest.mark.parametrize("what", SAID)
def test_a_registry_is_not_believed(what: str, hostile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said, size = SAID[what]
    monkeypatch.setattr(Hostile, "said", json.dumps(said).encode())
    if size is not None:
        assert Registries().size(f"{hostile}/acme/app:1", "amd64") == size
    else:
        with pytest.raises(ImageUnavailable):
            Registries().size(f"{hostile}/acme/app:1", "amd64")
    assert len(Hostile.asked) <= 2
    assert not [path for path in Hostile.asked if "admin" in path]


def test_a_tag_is_part_of_a_path_and_nothing_more(hostile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hostile, "said", json.dumps(layers(1)).encode())
    assert Registries().size(f"{hostile}/acme/app:1?x=y#z", "amd64") == 1
    assert Hostile.asked == ["/v2/acme/app/manifests/1%3Fx%3Dy%23z"]
