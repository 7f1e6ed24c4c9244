"""Checks of what is on the Engine, and may be in the way of what is wanted."""

from reconciler.agent.checks.checked import Checked, Warned
from reconciler.errors import EngineError
from reconciler.model.image import listed_name


def images(at: Checked) -> str:
    wanted = {service.image for app in at.rendering.desired.apps for service in app.services}
    if missing := sorted(image for image in wanted if listed_name(image) not in at.observed.images):
        raise Warned(f"not on the device: {', '.join(missing[:5])}", advice="they are pulled when they are needed")
    return f"{len(wanted)} on the device"


def names(at: Checked) -> str:
    wanted = {service.container_name for app in at.rendering.desired.apps if not app.adopt for service in app.services}
    if taken := sorted(wanted & {one.name for one in at.observed.foreign}):
        told = f"taken by containers of somebody else: {', '.join(taken)}"
        raise EngineError(told, advice="rename or remove them, or say `x-adopt: true`")
    return f"{len(wanted)} names are ours or free"
