"""The projects of the corpus that are not compared or not run, with the reason. The tests hold these lists true."""

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
# They are created, and can run nowhere.
CANNOT_RUN = {
    "command-as-a-list": "a program that is called with numbers exits with 1",
    "extends-merges-every-kind-of-field": "a limit of open files that leaves none to start a program with",
    "extends-removes-nothing-by-null": "a shell without a terminal ends at once, and is started again",
    "not-run-users-and-groups-by-name": "the image knows no user `nobody`",
}
# They are created, and run where the machine has more than a container in a test has.
MAY_NOT_RUN = {
    "capabilities-added-and-dropped": "all capabilities, of which the machine has not all",
    "limits-of-processes-and-oom": "a negative oom_score_adj needs CAP_SYS_RESOURCE",
    "not-run-deploy-with-devices": "GPUs",
    "not-run-ports-on-ipv6-and-sctp": "SCTP in the kernel",
    "not-run-volumes-as-binds-with-propagation": "shared mounts",
    "not-run-volumes-with-a-subpath": "a folder inside of a new volume, which nobody makes",
    "privileged-services": "all capabilities, of which the machine has not all",
    "stack-of-a-home-with-sensors": "all capabilities, of which the machine has not all",
    "stack-of-a-search-engine-with-collector": "locked memory without limit needs CAP_SYS_RESOURCE",
    "stack-of-cameras-and-inference": "locked memory without limit needs CAP_SYS_RESOURCE",
    "ulimits-in-both-forms": "locked memory without limit needs CAP_SYS_RESOURCE",
}
