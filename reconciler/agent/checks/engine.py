"""Checks of the Docker Engine and of its machine."""

from reconciler.agent.checks.checked import Checked, Warned, numbers
from reconciler.errors import EngineError

OLDEST_ENGINE = (20, 10)


def engine(at: Checked) -> str:
    found = at.engine.version()
    if numbers(found) < OLDEST_ENGINE:
        raise EngineError(f"Engine {found} is too old", where=at.config.engine, advice="install 20.10 or newer")
    return f"{found} at {at.config.engine}"


def engine_room(at: Checked) -> str:
    if why := at.lack_of_room:
        raise EngineError(why, where=at.config.engine, advice="remove what fills the disk, or lower `images.keepFree`")
    return f"over {at.config.keep_free / 1e6:.0f} MB free"


def engine_limits(at: Checked) -> str:
    if missing := sorted(at.observed.unlimited):
        raise Warned(f"the kernel cannot limit: {', '.join(missing)}", advice="see its command line (cgroup_enable)")
    return "the kernel keeps every limit"
