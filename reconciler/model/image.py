"""Image references in the form in which an Engine lists them."""


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
