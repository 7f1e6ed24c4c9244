"""Checks of images: those that are here, and whether those that are not can come."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from reconciler.agent.checks.checked import Checked, Skipped, Warned, few
from reconciler.agent.docker_engine.probing import Probe
from reconciler.agent.docker_engine.registry import Registries
from reconciler.agent.host.disk import free_bytes
from reconciler.errors import ImageUnavailable
from reconciler.model import Service
from reconciler.model.image import listed_name, repository_of

# Images that are looked up, and at a time.
MOST, AT_ONCE = 20, 4
# Twenty of them are asked one after the other.
SIZE_SECONDS = 10.0
# What a machine runs besides its own.
_ALSO = {"amd64": ("386",), "arm64": ("arm",)}


def images(at: Checked) -> str:
    if missing := sorted(_missing(at)):
        raise Warned(f"not on the device: {few(missing)}", advice="they are pulled when they are needed")
    return f"{len(_wanted(at))} on the device"


def registries(at: Checked) -> str:
    """The Engine asks for the manifest of each image that is to come, and of one of every other registry."""
    missing = _missing(at)
    one_each = {repository_of(image): image for image in sorted(_wanted(at).keys() - missing.keys())}
    by_host = {name.partition("/")[0]: image for name, image in one_each.items()}
    hosts = {repository_of(image).partition("/")[0] for image in missing}
    others = [image for host, image in sorted(by_host.items()) if host not in hosts]
    asked = [*sorted(missing)[:MOST], *others[:MOST]]
    silent = _each(asked, lambda image: _unanswered(at, image))
    if needed := [why for image, why in silent.items() if image in missing]:
        raise ImageUnavailable(few(needed, 3), advice="see the registry, and what the Engine knows it by")
    if silent:
        raise Warned(few(list(silent.values()), 3), advice="nothing is missing today; the next image would be")
    return f"{len(hosts | by_host.keys())} answer" if asked else "no image is pulled"


def images_room(at: Checked) -> str:
    """Layers that another image has are not loaded again, and what is unpacked is bigger: it is a guess."""
    missing = sorted(_missing(at))[:MOST]
    root = at.engine_root
    if not missing or root is None:
        return "no image is to come" if not missing else "the Engine is on another machine"
    told = Registries(SIZE_SECONDS)
    sizes: dict[str, int] = {}
    for image in missing:
        try:
            sizes[image] = told.size(image, at.facts.architecture)
        except ImageUnavailable as error:
            raise Skipped(f"its size is not known: {error.what}") from error
    need, free = sum(sizes.values()), free_bytes(root)
    if free is None:
        raise Skipped(f"the Engine's disk cannot be looked at: {root}")
    if need > free - at.config.keep_free:
        told_free = f"{free / 1e6:.0f} MB are free, of which {at.config.keep_free / 1e6:.0f} MB stay so"
        raise Warned(f"{need / 1e6:.0f} MB of images are to come: {told_free}", advice="make room")
    return f"{need / 1e6:.0f} MB are to come, {free / 1e6:.0f} MB are free"


def _wanted(at: Checked) -> dict[str, Service]:
    return {service.image: service for _, service in at.services if service.pull_policy != "never"}


def _missing(at: Checked) -> dict[str, Service]:
    return {image: one for image, one in _wanted(at).items() if listed_name(image) not in at.observed.images}


def _unanswered(at: Checked, image: str) -> str:
    """Why an image could not come; empty, when it could."""
    try:
        platforms = Probe(at.config.engine).platforms(image)
    except ImageUnavailable as error:
        return error.what
    known = (at.facts.architecture, *_ALSO.get(at.facts.architecture, ()))
    if platforms and not _wanted(at)[image].platform and not {f"linux/{one}" for one in known} & set(platforms):
        return f"{image} is for {few(platforms)}, and this machine is linux/{known[0]}"
    return ""


def _each(asked: list[str], ask: Callable[[str], str]) -> dict[str, str]:
    """The answers that say something, by what was asked."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {image: why for image, why in zip(asked, pool.map(ask, asked), strict=True) if why}
