"""Images without a download: BusyBox from Debian as the base, the example fleet's images upon it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import docker

from lab.base import BASE, ensure_base, tar_of

SOURCES = Path(__file__).resolve().parent.parent / "fleet-repo-example" / "images"

# Process 1 has no default handlers: without the trap, a stop takes its whole grace period.
_SERVE = "trap 'exit 0' TERM INT; httpd -f -p 8080 -h /www & wait $!"
_EVERY = "--interval=500ms --timeout=2s --retries=2"
_PROBES: dict[str, tuple[str, ...]] = {
    "ok": (
        f'HEALTHCHECK {_EVERY} CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/version"]',
        f'CMD ["sh", "-c", "{_SERVE}"]',
    ),
    "unhealthy": (
        f'HEALTHCHECK {_EVERY} CMD ["sh", "-c", "echo broken by design; exit 1"]',
        f'CMD ["sh", "-c", "{_SERVE}"]',
    ),
    "exits": ('CMD ["sh", "-c", "echo cannot start >&2; exit 3"]',),
    "job": ('CMD ["sh", "-c", "echo done; exit 0"]',),
}


class BuildError(Exception):
    """The Engine could not build or push; the message holds its last words."""


def build(
    engine_url: str,
    registry_host: str,
    which: Sequence[str] | None = None,
    version: str | None = None,
) -> dict[str, str]:
    """Build and push the example's images; gives name -> `HOST/name@sha256:...`.

    `version` overrides the one that each Dockerfile names, so that there is something to roll out.
    """
    wanted = list(names() if which is None else which)
    with _client(engine_url) as client:
        ensure_base(client)
    # The Dockerfiles differ from their first line on: of equal lines that are built at the same time the
    # Engine keeps several results, and may pick another one's when it builds again.
    with ThreadPoolExecutor(max_workers=4) as pool:
        pinned = pool.map(lambda name: _build_source(engine_url, registry_host, name, version), wanted)
        return dict(zip(wanted, pinned, strict=True))


def names() -> list[str]:
    """The images that the example fleet uses."""
    return sorted(file.parent.name for file in SOURCES.glob("*/Dockerfile"))


def build_probe(engine_url: str, registry_host: str, name: str, behaviour: str, version: str = "1") -> str:
    """Build and push a tiny image for tests; gives `HOST/name@sha256:...`.

    Behaviours: `ok` (serves its version on 8080, healthy in half a second), `unhealthy` (serves, but its
    health check fails), `exits` (code 3 at once), `job` (code 0 at once). Tagged with `version`.
    """
    dockerfile = "\n".join(
        (
            f"FROM {BASE}",
            f"LABEL org.opencontainers.image.title={name} org.opencontainers.image.version={version}",
            "COPY version /www/version",
            *_PROBES[behaviour],
        )
    )
    context = {"Dockerfile": dockerfile.encode(), "version": f"{name} {version}\n".encode()}
    with _client(engine_url) as client:
        ensure_base(client)
        return _publish(client, f"{registry_host}/{name}", version, context)


def _build_source(engine_url: str, registry_host: str, name: str, version: str | None) -> str:
    folder = SOURCES / name
    # Built by name and content only: whoever owns the checkout, and under which umask, changes nothing.
    files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    with _client(engine_url) as client:
        return _publish(client, f"{registry_host}/{name}", version or _version(folder / "Dockerfile"), files)


@contextmanager
def _client(engine_url: str) -> Iterator[docker.APIClient]:
    client = docker.APIClient(base_url=engine_url, timeout=120)
    try:
        yield client
    finally:
        client.close()


def _publish(client: docker.APIClient, name: str, version: str, files: Mapping[str, bytes]) -> str:
    """Build, tag and push; gives `NAME@DIGEST`."""
    said = client.build(
        fileobj=tar_of(files),
        custom_context=True,
        tag=f"{name}:{version}",
        buildargs={"VERSION": version} if b"ARG VERSION" in files["Dockerfile"] else None,
        rm=True,
        decode=True,
    )
    _read(said)
    for words in _read(client.push(name, tag=version, stream=True, decode=True)):
        digest = words.get("aux", {}).get("Digest")
        if digest:
            return f"{name}@{digest}"
    raise BuildError(f"`{name}:{version}`: the registry named no digest")


def _version(dockerfile: Path) -> str:
    found = re.search(r"^ARG VERSION=(\S+)$", dockerfile.read_text(), re.MULTILINE)
    if found is None:
        raise BuildError(f"`{dockerfile}`: no line `ARG VERSION=...`")
    return found[1]


def _read(stream: Iterable[Mapping[str, dict[str, str]]]) -> list[Mapping[str, dict[str, str]]]:
    said = list(stream)  # the Engine works only as long as somebody reads
    for words in said:
        if "error" in words:
            raise BuildError(f"{words['error']}\n{''.join(str(line.get('stream', '')) for line in said[-8:])}")
    return said
