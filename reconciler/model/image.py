"""Image references in the form in which an Engine lists them."""

# Other names of the same registry.
_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")


def repository_of(reference: str) -> str:
    """The whole name, without tag and digest: `busybox:1.36` is of `docker.io/library/busybox`.

    See the Docker reference grammar (distribution/reference, "normalized" names). Beyond it, one registry has one name.
    """
    name = reference.partition("@")[0]
    path, colon, tag = name.rpartition(":")
    path = path if colon and "/" not in tag else name
    host, slash, rest = path.partition("/")
    if not slash or not ({".", ":"} & set(host) or host == "localhost" or host != host.lower()):
        host, rest = "docker.io", path
    host = host.lower().removesuffix(":443")
    if host in _HUB:
        host, rest = "docker.io", rest if "/" in rest else f"library/{rest}"
    return f"{host}/{rest}"


def listed_name(reference: str) -> str:
    """`docker.io/library/redis` is listed as `redis:latest`; with a digest, the tag is left out.

    See the Docker reference grammar (distribution/reference, "familiar" names).
    """
    name, _, digest = reference.partition("@")
    for prefix in ("docker.io/", "index.docker.io/"):
        name = name.removeprefix(prefix)
    name = name.removeprefix("library/")
    path, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        path, tag = name, ""
    return f"{path}@{digest}" if digest else f"{path}:{tag or 'latest'}"
