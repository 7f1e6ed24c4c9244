"""A plan in one sentence: what becomes of each service, and which apps come and go."""

from collections.abc import Iterable

from reconciler.manifests import Reason
from reconciler.planning import (
    ConnectNetwork,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    DisconnectNetwork,
    Plan,
    PullImage,
    RemoveContainer,
    RemoveNetwork,
    RenameContainer,
    RestartContainer,
    StartContainer,
    Step,
    StopContainer,
)

# A sentence is for reading; every step stands below it.
_MOST = 6


def summary(plan: Plan, reasons: Iterable[Reason]) -> str:
    """`vision/detector image a -> b, replaced; shop is new (web, db)`."""
    come, gone = _comings(reasons)
    by_app: dict[str, dict[str, list[Step]]] = {}
    for step in plan:
        by_app.setdefault(step.app, {}).setdefault(step.subject, []).append(step)
    parts = []
    for app, subjects in by_app.items():
        if app in come | gone:
            services = [one.partition("/")[2] for one in subjects if one.startswith(f"{app}/")]
            parts.append(f"{app} is {'new' if app in come else 'removed'} ({', '.join(services)})")
        else:
            told = ((subject, _told(steps)) for subject, steps in subjects.items())
            parts += [f"{subject} {what}" for subject, what in told if what]
    more = f"; and {len(parts) - _MOST} more changes" if len(parts) > _MOST else ""
    return "; ".join(parts[:_MOST]) + more


def _comings(reasons: Iterable[Reason]) -> tuple[set[str], set[str]]:
    whole = [reason for reason in reasons if not reason.pointer]
    return {one.app for one in whole if one.by}, {one.app for one in whole if not one.by}


def _told(steps: list[Step]) -> str:
    """What becomes of one service, network or volume; nothing, when it is only made ready."""
    kinds = {type(step) for step in steps}
    created = next((step for step in steps if isinstance(step, CreateContainer)), None)
    if created is not None and kinds & {RemoveContainer, StopContainer}:
        return f"{created.cause.replace('; ', ', ')}, replaced"
    for wanted, what in _WORDS:
        if wanted <= kinds:
            return what
    return ""


# The first whose steps are all there.
_WORDS: tuple[tuple[set[type], str], ...] = (
    ({CreateNetwork, RemoveNetwork}, "made anew"),
    ({CreateContainer}, "created"),
    ({CreateNetwork}, "created"),
    ({CreateVolume}, "created"),
    ({RemoveNetwork}, "removed"),
    ({RemoveContainer}, "removed"),
    ({StopContainer, StartContainer}, "restarted"),
    ({RestartContainer}, "restarted"),
    ({StartContainer}, "started"),
    ({StopContainer}, "stopped"),
    ({RenameContainer}, "renamed"),
    ({DisconnectNetwork}, "leaves a network"),
    ({ConnectNetwork}, "joins a network"),
    ({PullImage}, "image pulled"),
)
