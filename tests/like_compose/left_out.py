"""The projects of the corpus that are not compared, each with the reason. The tests hold the list true."""

from dataclasses import dataclass

from tests.like_compose.recordings import ENGINES


@dataclass(frozen=True, slots=True)
class Without:
    """Why a project is left out, and on which Engines."""

    why: str
    engines: tuple[str, ...] = ENGINES


# Compose cannot create them, so there is nothing to compare with.
NOT_CREATED = {
    "not-run-gpus-and-runtime": Without("the Engine has no runtime `nvidia`"),
    "not-run-images-by-tag-digest-and-registry": Without("there are no such registries"),
    "not-run-storage-options": Without("the Engine's data do not lie on xfs with project quotas"),
    "not-run-healthcheck-with-a-start-interval": Without("Compose refuses it before Engine 25", ("20.10",)),
    "not-run-networks-with-fields-of-newer-engines": Without("Compose refuses it before Engine 28.1", ("20.10",)),
}
