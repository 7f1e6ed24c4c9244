"""What a change would do, device by device: the device's own planner, on a state that we pretend to have seen."""

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.errors import ManifestError, Problem, UnknownDevice
from reconciler.fleet.text import count
from reconciler.manifests import FleetFiles, Tree
from reconciler.model import DesiredState
from reconciler.planning import EmptyDesiredState, Plan, as_if_applied, make_plan

# A group names this many of its devices; the rest are counted.
_NAMED = 8
_NOTHING = Plan()


@dataclass(frozen=True, slots=True)
class DevicePreview:
    """What would happen on one device. With problems, nothing changes for the apps that they are about."""

    device: str
    plan: Plan = _NOTHING
    problems: tuple[Problem, ...] = ()
    note: str = ""


def preview(before: Tree, after: Tree) -> tuple[DevicePreview, ...]:
    """The plan of every device that is in either revision, by name."""
    old, new = FleetFiles(before), FleetFiles(after)
    known = new.device_paths.keys()
    names = sorted(known | _paths(old))
    return tuple(_device(name, old, new) if name in known else _leaves(name) for name in names)


def _paths(files: FleetFiles) -> set[str]:
    try:
        return set(files.device_paths)
    except ManifestError:
        return set()


def _leaves(name: str) -> DevicePreview:
    return DevicePreview(name, note="leaves the fleet: it keeps what it runs, and reports that it is unknown")


def _device(name: str, old: FleetFiles, new: FleetFiles) -> DevicePreview:
    try:
        rendering = new.render(name)
    except ManifestError as error:
        return DevicePreview(name, problems=error.problems)
    try:
        plan = make_plan(rendering.desired, as_if_applied(_before(name, old)))
    except EmptyDesiredState as error:
        return DevicePreview(name, problems=(Problem(error.where, error.what, error.advice),))
    return DevicePreview(name, plan, rendering.problems)


def _before(name: str, files: FleetFiles) -> DesiredState:
    """What the device was to run; nothing for one that is new, or that could not be rendered."""
    try:
        return files.render(name).desired
    except (ManifestError, UnknownDevice):
        return DesiredState(name)


def has_changes(previews: Iterable[DevicePreview]) -> bool:
    return any(one.plan or one.note for one in previews)


def problems_of(previews: Iterable[DevicePreview]) -> tuple[Problem, ...]:
    """Every problem once, in the order in which devices show them."""
    return tuple(dict.fromkeys(problem for one in previews for problem in one.problems))


def as_text(previews: Iterable[DevicePreview]) -> str:
    """For a terminal: devices with the same plan together."""
    groups = _grouped(previews)
    if not groups:
        return "nothing to do on any device"
    return "\n\n".join(f"{_head(names)}\n{_indented(told)}" for told, names in groups)


def as_markdown(previews: Iterable[DevicePreview], revisions: str) -> str:
    """For a comment on a pull request."""
    groups = _grouped(previews)
    total = sum(len(names) for _, names in groups)
    lines = [f"### Fleet plan for `{revisions}`", "", f"{count(total, 'device')} would change.", ""]
    for told, names in groups:
        lines += [
            "<details open>",
            f"<summary>{_head(names)}</summary>",
            "",
            "```text",
            told,
            "```",
            "",
            "</details>",
            "",
        ]
    problems = problems_of(previews)
    if problems:
        lines += ["**Problems: nothing changes for the apps that they are about.**", ""]
        lines += [f"- `{problem}`" for problem in problems]
    return "\n".join(lines).rstrip()


def as_plain(previews: Iterable[DevicePreview]) -> list[object]:
    """For programs."""
    return [
        {
            "device": one.device,
            "steps": [{"step": step.verb, "subject": step.subject, "cause": step.cause} for step in one.plan],
            "problems": [str(problem) for problem in one.problems],
            "note": one.note,
        }
        for one in previews
    ]


def _grouped(previews: Iterable[DevicePreview]) -> list[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = {}
    for one in previews:
        if one.plan or one.note:
            groups.setdefault(one.note or str(one.plan), []).append(one.device)
    return sorted(groups.items(), key=lambda group: (-len(group[1]), group[1]))


def _head(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{count(len(names), 'device')}: {', '.join(names[:_NAMED])}{more}"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
