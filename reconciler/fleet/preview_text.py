"""The plan of a fleet for a terminal and for programs: devices with the same plan and reasons stand together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reconciler.errors import Problem
from reconciler.fleet.preview import DevicePreview
from reconciler.fleet.summary import summary
from reconciler.fleet.text import count
from reconciler.manifests import Move, Reason
from reconciler.terminal import printable

# A group names this many of its devices and reasons; the rest are counted.
NAMED = 8


@dataclass(frozen=True, slots=True)
class Group:
    """Devices of which the same is to be told: one sentence, why, and the steps."""

    head: str
    devices: tuple[str, ...]
    reasons: tuple[Reason, ...] = ()
    lines: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"{count(len(self.devices), 'device')}: {self.head}"

    @property
    def why(self) -> list[str]:
        return [f"because {reason}" for reason in self.reasons]


def groups_of(previews: Sequence[DevicePreview]) -> list[Group]:
    """What changes, the most devices first; then who moves between layers; then what is wrong."""
    return [*_changes(previews), *_moves(previews), *_problems(previews)]


def as_text(previews: Sequence[DevicePreview], *, whole: bool = False) -> str:
    """For a terminal; `whole` leaves nothing out."""
    groups = groups_of(previews)
    if not groups:
        return "nothing to do on any device"
    return "\n\n".join("\n".join(map(printable, _told(group, whole))) for group in groups)


def _told(group: Group, whole: bool) -> Iterable[str]:
    yield group.title
    yield from (f"    {line}" for line in (group.why if whole else shortened(group.why, "reasons")))
    yield from (f"  {line}" for line in group.lines)
    yield f"  on {', '.join(shortened(group.devices, ''))}"


def shortened(names: Sequence[str], what: str) -> list[str]:
    """The first of them, and how many more there are."""
    rest = len(names) - NAMED
    return [*names[:NAMED], *([f"and {rest} more {what}".rstrip()] if rest > 0 else [])]


def as_plain(previews: Iterable[DevicePreview]) -> list[object]:
    """For programs."""
    return [
        {
            "device": one.device,
            "steps": [{"step": step.verb, "subject": step.subject, "cause": step.cause} for step in one.plan],
            "reasons": [_plain(reason) for reason in one.reasons],
            "problems": [str(problem) for problem in one.problems],
            "note": one.note,
            "entered": list(one.move.entered) if one.move else [],
            "left": list(one.move.left) if one.move else [],
            "moved": str(one.move.place) if one.move else "",
        }
        for one in previews
    ]


def _plain(reason: Reason) -> dict[str, str]:
    return {
        "app": reason.app,
        "pointer": reason.pointer,
        "before": reason.before,
        "after": reason.after,
        "place": str(reason.place),
        "by": reason.by,
        "was": str(reason.was or ""),
    }


def _changes(previews: Iterable[DevicePreview]) -> list[Group]:
    found: dict[tuple[str, int, tuple[Reason, ...]], list[DevicePreview]] = {}
    for one in previews:
        if one.is_change:
            # Plans that read the same are one value.
            found.setdefault((one.note, id(one.plan), one.reasons), []).append(one)
    groups = []
    for (note, _, reasons), alike in found.items():
        plan = alike[0].plan
        told = "; ".join(part for part in (note, summary(plan, reasons)) if part)
        lines = tuple(str(plan).splitlines()) if plan else ()
        groups.append(Group(told, tuple(one.device for one in alike), reasons, lines))
    return sorted(groups, key=lambda group: (-len(group.devices), group.devices))


def _moves(previews: Iterable[DevicePreview]) -> list[Group]:
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], list[tuple[str, Move]]] = {}
    for one in previews:
        if one.move is not None:
            found.setdefault((one.move.entered, one.move.left), []).append((one.device, one.move))
    groups = []
    for (entered, left), moved in found.items():
        told = [*(f"enters layer {layer}" for layer in entered), *(f"leaves layer {layer}" for layer in left)]
        places = {move.place for _, move in moved}
        at = f" ({places.pop()})" if len(places) == 1 else ""
        groups.append(
            Group(", ".join(told) + at, tuple(name if at else f"{name} ({move.place})" for name, move in moved))
        )
    return sorted(groups, key=lambda group: (-len(group.devices), group.devices))


def _problems(previews: Iterable[DevicePreview]) -> list[Group]:
    found: dict[tuple[Problem, ...], list[str]] = {}
    for one in previews:
        if one.problems:
            found.setdefault(one.problems, []).append(one.device)
    head = "problems, nothing changes for the apps that they are about"
    return [Group(head, tuple(names), lines=tuple(map(str, problems))) for problems, names in found.items()]
