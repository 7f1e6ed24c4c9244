"""Checks of the Docker Engine and of its machine."""

from reconciler.agent.checks.checked import Checked, Skipped, Warned, few, numbers
from reconciler.agent.checks.git import MOST_SECONDS_OFF
from reconciler.agent.host.disk import complaint, free_bytes, free_inodes
from reconciler.errors import EngineError, ReconcilerError
from reconciler.model.image import repository_of

OLDEST_ENGINE = (20, 10)
# An image of a distribution has some ten thousand files.
ENGINE_INODES = 50_000
ELSEWHERE = "the Engine is on another machine"


def engine(at: Checked) -> str:
    if isinstance(at.engine, ReconcilerError):
        raise at.engine
    found = at.facts
    if numbers(found.version) < OLDEST_ENGINE:
        raise EngineError(f"Engine {found.version} is too old", where=at.config.engine, advice="install 20.10 or newer")
    return f"{found.version} with API {found.api} at {at.config.engine}"


def engine_room(at: Checked) -> str:
    root = at.engine_root
    if root is None:
        return ELSEWHERE
    if free_bytes(root) is None:
        raise Skipped(f"its disk cannot be looked at: {root}")
    advice = "remove what fills the disk"
    if why := complaint(root, at.config.keep_free):
        raise EngineError(why, where=at.config.engine, advice=f"{advice}, or lower `images.keepFree`")
    inodes = free_inodes(root)
    if inodes is not None and inodes < ENGINE_INODES:
        raise EngineError(f"{inodes} files more, and the disk has no inodes left", where=str(root), advice=advice)
    return f"over {at.config.keep_free / 1e6:.0f} MB free"


def engine_limits(at: Checked) -> str:
    if missing := sorted(at.observed.unlimited):
        raise Warned(f"the kernel cannot limit: {', '.join(missing)}", advice="see its command line (cgroup_enable)")
    return "the kernel keeps every limit"


def engine_clock(at: Checked) -> str:
    """Containers have the clock of the Engine's machine, which need not be this one."""
    if isinstance(at.engine, ReconcilerError):
        raise Skipped("the Engine does not answer") from at.engine
    off = at.engine.ahead(at.facts.time)
    if abs(off) > MOST_SECONDS_OFF:
        where = "ahead of" if off > 0 else "behind"
        raise Warned(f"the clock of containers is {abs(off):.0f} s {where} this one", advice="see to time (NTP) there")
    return "as this one"


def drivers(at: Checked) -> str:
    """What apps name of the Engine's: runtimes, and drivers of logs, networks and volumes."""
    runtimes = {service.runtime for _, service in at.services} - at.facts.runtimes - {""}
    # The Engine finds one of these by its name alone.
    if missing := sorted(name for name in runtimes if not name.startswith("io.")):
        advice = "install it, and name it in /etc/docker/daemon.json"
        raise EngineError(f"the Engine has no runtime {few(missing)}", where=at.config.engine, advice=advice)
    apps = at.rendering.desired.apps
    asked = {
        "logs": {service.logging.driver for _, service in at.services} - at.facts.log_drivers,
        "networks": {one.driver for app in apps for one in app.networks if not one.external} - at.facts.network_drivers,
        "volumes": {one.driver for app in apps for one in app.volumes if not one.external} - at.facts.volume_drivers,
    }
    unknown = [f"{name} for {kind}" for kind, names in asked.items() for name in sorted(names - {""})]
    if unknown:
        # Plugins come when they are first used, and are in no list before.
        raise Warned(f"not known to the Engine: {few(unknown)}", advice="see that the plugin is installed")
    return "the Engine knows every driver that apps name"


def proxy(at: Checked) -> str:
    """Where git needs a proxy to get out, so does the Engine."""
    ours = [remote.proxy for remote in at.remotes if remote.proxy]
    hosts = sorted({repository_of(service.image).partition("/")[0] for _, service in at.services})
    outside = [host for host in hosts if not host.startswith(("127.", "localhost"))]
    if ours and outside and not at.facts.proxies:
        told = f"git goes by {ours[0]}, the Engine by no proxy: it may not reach {few(outside)}"
        raise Warned(told, advice="set `proxies` in /etc/docker/daemon.json")
    return f"git by {few(ours) or 'none'}, the Engine by {few(at.facts.proxies) or 'none'}"
