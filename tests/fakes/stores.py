"""A store of Git as a bad disk would have it."""

from pathlib import Path

from reconciler.repository.git import Git


def loose_object(store: Path, name: str) -> Path:
    """The file of an object, which may be written; packs that hold it are taken apart."""
    object_id = Git(store).run("rev-parse", name).decode().strip()
    for pack in (store / "objects/pack").glob("*.pack"):
        content = pack.read_bytes()
        for part in pack.parent.glob(f"{pack.stem}.*"):
            part.unlink()
        Git(store).run("unpack-objects", "-q", stdin=content)
    path = store / "objects" / object_id[:2] / object_id[2:]
    path.chmod(0o644)
    return path
