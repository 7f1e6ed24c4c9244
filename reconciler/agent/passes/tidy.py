"""After a pass: forget what nobody needs. Images go only when the disk is low, config files at once."""

import logging
from dataclasses import replace

from reconciler.agent.engine.seam import Engine
from reconciler.agent.passes.collect import apps_that_count, collectable, remember_pulled, stale_files
from reconciler.agent.passes.converge import Converged
from reconciler.agent.state.journal import Journal
from reconciler.agent.state.moment import rfc3339
from reconciler.agent.state.remembered import Pulled
from reconciler.errors import EngineError, NoRoom, StateError
from reconciler.model import DesiredState
from reconciler.planning import RemoveImage

log = logging.getLogger("reconciler")


def tidied(converged: Converged, desired: DesiredState, engine: Engine, journal: Journal, now: float) -> Converged:
    """The same pass, with what was removed after it. `now` is in seconds since 1970.

    Raises EngineUnavailable and PermissionDenied; what else cannot be removed waits for the next pass.
    """
    apps = apps_that_count(desired, converged.memory)
    if stale := stale_files(desired, apps, converged.observed):
        engine.discard_files(stale)
    before = journal.pulled
    pulled = remember_pulled(before, converged.performed.pulled, apps, converged.observed, now)
    removed = _remove_images(converged, pulled, engine)
    left = Pulled({image: at for image, at in pulled.unneeded_since.items() if image not in removed})
    if left != before:
        try:
            journal.write_pulled(left)
        except StateError as error:
            log.error("%s", error)
    return replace(converged, removed=tuple(removed.values()))


def _remove_images(converged: Converged, pulled: Pulled, engine: Engine) -> dict[str, str]:
    """Remove the images needed longest ago until there is room; all of them where a pull found too little."""
    is_short = any(isinstance(error, NoRoom) for error in converged.performed.failures.values())
    removed: dict[str, str] = {}
    for image in collectable(pulled):
        lack = engine.lack_of_room()
        if not lack and not is_short:
            break
        since = rfc3339(pulled.unneeded_since[image])
        step = RemoveImage("", f"image {image}", f"not needed since {since}; {lack or 'a pull has no room'}", image)
        try:
            engine.perform(step)
        except EngineError as error:
            if error.transient:
                raise
            log.warning("%s", error)
            continue
        removed[image] = str(step)
    return removed
