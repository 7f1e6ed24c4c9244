"""Checks of what is on the Engine and on its machine, and may be in the way of what is wanted."""

from pathlib import Path

from reconciler.agent.checks.checked import Checked, Warned, few
from reconciler.agent.checks.engine import ELSEWHERE
from reconciler.agent.passes.last_good import choose, chosen_state
from reconciler.errors import EngineError
from reconciler.model import Service
from reconciler.planning import make_plan


def names(at: Checked) -> str:
    wanted = {service.container_name for app in at.rendering.desired.apps if not app.adopt for service in app.services}
    if taken := sorted(wanted & {one.name for one in at.observed.foreign}):
        told = f"taken by containers of somebody else: {', '.join(taken)}"
        raise EngineError(told, advice="rename or remove them, or say `x-adopt: true`")
    return f"{len(wanted)} names are ours or free"


def paths(at: Checked) -> str:
    """What apps mount of the device: files, folders and device files that nobody makes for them."""
    if at.facts.root is None:
        return ELSEWHERE
    asked = [(name, path) for name, service in at.services for path in _paths(service)]
    if missing := [f"{path} of {name}" for name, path in asked if not _is_there(Path(path))]:
        raise EngineError(f"not on this machine: {few(missing)}", advice="make it, or plug in what belongs there")
    return f"{len({path for _, path in asked})} are there"


def externals(at: Checked) -> str:
    """What apps use and somebody else has to make."""
    apps = at.rendering.desired.apps
    networks = {one.name for app in apps for one in app.networks if one.external}
    volumes = {one.name for app in apps for one in app.volumes if one.external}
    missing = [f"network {name}" for name in sorted(networks - {one.name for one in at.observed.networks})]
    missing += [f"volume {name}" for name in sorted(volumes - {one.name for one in at.observed.volumes})]
    if missing:
        raise EngineError(f"external, and not there: {few(missing)}", advice="make it, or say no `external`")
    return f"{len(networks) + len(volumes)} are there"


def drift(at: Checked) -> str:
    """What the next pass would do, with what is trusted now; nothing of it is done."""
    choices = choose(at.admitted.desired, at.trusted.commit, at.journal.memory, at.now())
    steps = make_plan(chosen_state(at.admitted.desired, choices), at.observed).steps
    if pause := at.journal.paused(at.now()):
        return f"paused {pause}; {len(steps)} steps wait"
    if steps:
        first = f"{steps[0].verb} {steps[0].subject}, {steps[0].cause}"
        raise Warned(f"{len(steps)} steps to do: {first}", advice="see `reconciler plan`, and `reconciler status`")
    return "everything is as it shall be"


def leftovers(at: Checked) -> str:
    """What a device of another name made here belongs to nobody; volumes of apps that are gone are data."""
    mine = ("", at.config.device)
    theirs = [f"{one.name} of {one.device}" for one in at.occupants if one.device not in mine]
    theirs += [f"network {name} of {of}" for name, of in sorted(at.labelled_networks.items()) if of not in mine]
    if theirs:
        advice = "another agent may be at work on this Engine; else remove them with docker"
        raise Warned(f"not of this device: {few(theirs)}", advice=advice)
    wanted = {app.name for app in at.rendering.desired.apps} | at.rendering.desired.untouched
    kept = sorted(one.name for one in at.observed.volumes if one.app and one.app not in wanted)
    return f"volumes of apps that are gone: {few(kept)}" if kept else "nothing is left over"


def _paths(service: Service) -> list[str]:
    binds = [one.source for one in service.mounts if one.kind == "bind" and not one.create_host_path]
    # Others are names that a driver knows (CDI).
    return binds + [one.source for one in service.devices if one.source.startswith("/")]


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        # Somebody who may not look there cannot tell.
        return True
    return True
