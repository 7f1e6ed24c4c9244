"""Files that change under a container: written in place, and told of by the signal that its service asks for."""

from dataclasses import dataclass

from reconciler.model import App, Container, ObservedState, Service
from reconciler.planning.draft import change, must_stop
from reconciler.planning.steps import AwaitHealthy, SignalContainer, Step, WriteLive


@dataclass(frozen=True, slots=True)
class Reload:
    """The steps before the container starts, or while it runs; none where it was told of all that is wanted."""

    before: tuple[Step, ...] = ()
    running: tuple[Step, ...] = ()


def plan_reload(app: App, service: Service, kept: Container | None, observed: ObservedState) -> Reload:
    """Compare what the service's container was told of with what is wanted. `kept` is None for one yet to be made."""
    content = {config.name: config for config in app.configs}
    wanted = [(mount.live, mount.source, mount.target) for mount in service.mounts if mount.live]
    stale = [(live, content[name], target) for live, name, target in wanted if observed.live.get(live) != name]
    if not stale:
        return Reload()
    runs = kept is not None and must_stop(kept)

    def write(live: str, name: str, target: str) -> Step:
        return change(
            WriteLive,
            app.name,
            service,
            live,
            content[name],
            not runs,
            cause=f"{target} is {content[name].digest[:12]}",
        )

    writes = tuple(write(live, config.name, target) for live, config, target in stale)
    if kept is None or not runs:
        return Reload(before=writes)
    told = tuple((live, config.name) for live, config, _ in stale)
    cause = f"{', '.join(target for _, _, target in stale)} changed"
    signal = change(SignalContainer, app.name, service, kept.id, service.update.reload, told, cause=cause)
    required = service.update.failure_action != "continue"
    wait = change(AwaitHealthy, app.name, service, kept.id, service, required, True, cause="was told of a change")
    return Reload(running=(*writes, signal, wait))
