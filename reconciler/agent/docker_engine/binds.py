"""What the Engine does not look at by itself, of the paths that a container binds."""

from pathlib import Path

from reconciler.agent.host.links import place
from reconciler.errors import EngineError
from reconciler.planning import CreateContainer


def check_binds(step: CreateContainer, root: Path) -> None:
    """An SELinux label can be asked for only in a form in which the Engine makes what is missing, unasked.

    The disk of the device is at `root`. Raises EngineError.
    """
    for mount in step.service.mounts:
        asks = mount.kind == "bind" and mount.selinux and not mount.create_host_path
        if asks and not place(mount.source, root).exists():
            advice = "make it, mount what belongs there, or say `create_host_path: true`"
            raise EngineError(f"{step.subject}: bind source path does not exist: {mount.source}", advice=advice)
