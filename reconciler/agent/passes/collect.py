"""Which images and config files nobody needs any more. Pure; only images that this device itself pulled are removed."""

from collections.abc import Iterable, Mapping

from reconciler.agent.state.remembered import Memory, Pulled
from reconciler.model import App, DesiredState, ObservedState

# A device in the field for years shall not remember every image that it ever had.
MAX_PULLED = 1000


def apps_that_count(desired: DesiredState, memory: Memory) -> tuple[App, ...]:
    """What is wanted, and what may be gone back to."""
    return (*desired.apps, *(good.app for good in memory.good.values()))


def remember_pulled(
    pulled: Pulled, news: Iterable[str], apps: Iterable[App], observed: ObservedState, now: float
) -> Pulled:
    """What was pulled, and since when nobody needs it. `now` is in seconds since 1970."""
    needed = {service.image for app in apps for service in app.services} | {c.image for c in observed.containers}
    before: Mapping[str, float] = {**pulled.unneeded_since, **dict.fromkeys(news, 0.0)}
    since = {image: 0.0 if image in needed else before[image] or now for image in before}
    newest_first = sorted(since.items(), key=lambda item: (item[1] > 0, -item[1]))
    return Pulled(dict(sorted(newest_first[:MAX_PULLED])))


def collectable(pulled: Pulled) -> list[str]:
    """The images that nobody needs, the one that was needed longest ago first."""
    unneeded = [(since, image) for image, since in pulled.unneeded_since.items() if since]
    return [image for _, image in sorted(unneeded)]


def stale_files(desired: DesiredState, apps: Iterable[App], observed: ObservedState) -> frozenset[str]:
    """The stored configs and secrets that no app has and no container mounts."""
    if not desired.is_whole or desired.untouched:
        # What an app has that did not render is not known.
        return frozenset()
    named = {config.name for app in apps for config in app.configs}
    mounted = {name for container in observed.containers for name in container.files}
    return observed.configs - named - mounted
