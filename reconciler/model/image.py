"""Image references in the form in which an Engine lists them."""


def repository_of(reference: str) -> str:
    """The whole name, without tag and digest: `busybox:1.36` is of `docker.io/library/busybox`.

    See the Docker reference grammar (distribution/reference, "normalized" names).
    """
    name = reference.partition("@")[0]
    path, colon, tag = name.rpartition(":")
    path = path if colon and "/" not in tag else name
    host, slash, rest = path.partition("/")
    if not slash or not ({".", ":"} & set(host) or host == "localhost"):
        path = f"docker.io/{path}" if slash else f"docker.io/library/{path}"
    elif host == "index.docker.io":
        path = f"docker.io/{rest}"
    if path.startswith("docker.io/") and path.count("/") == 1:
        path = path.replace("docker.io/", "docker.io/library/")
    return path


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
