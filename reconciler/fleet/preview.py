"""What a change would do, device by device: the device's own planner, on a state that we pretend to have seen.

Only what could differ is rendered: an app whose files, patches and variables are the same stays as it is. What is wrong
with such an app was wrong before; `fleet validate` tells it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from operator import attrgetter

from reconciler.errors import ManifestError, Problem
from reconciler.manifests import Comparison, Move, Moves, Pair, Reason, Rendering
from reconciler.model import App, DesiredState, Service
from reconciler.model.tree import Tree
from reconciler.planning import EmptyDesiredState, Plan, as_if_applied, asked_of_others, make_plan

# Enough for the devices that run the same; values of a device's own would fill the memory.
_MAX_REMEMBERED = 1_000
_NOTHING = Plan()
# The plans of so many kinds of devices are looked through for one that is alike.
_MAX_ALIKE = 8
_ALL_BUT_VALUES = attrgetter(*(field.name for field in fields(Service) if field.name != "environment"))
Shape = tuple[object, ...]
_JOINS = "joins the fleet"
_LEAVES = "leaves the fleet: it keeps what it runs, and reports that it is unknown"


@dataclass(frozen=True, slots=True)
class DevicePreview:
    """What would happen on one device, and why. With problems, nothing changes for the apps that they are about."""

    device: str
    plan: Plan = _NOTHING
    reasons: tuple[Reason, ...] = ()
    problems: tuple[Problem, ...] = ()
    note: str = ""
    move: Move | None = None

    @property
    def is_change(self) -> bool:
        return bool(self.plan or self.note)


def preview(before: Tree, after: Tree, device: str = "") -> tuple[DevicePreview, ...]:
    """The plan of every device that is in either revision, by name; or of one. Raises ManifestError, UnknownDevice."""
    previews = Previews(before, after)
    if device:
        previews.check(device)
    return tuple(map(previews.of, [device] if device else previews.names()))


class Previews:
    """The previews of two revisions. Devices whose plans read the same share one."""

    def __init__(self, before: Tree, after: Tree) -> None:
        self._comparison, self._moves = Comparison(before, after), Moves(before, after)
        self._told: dict[str, Plan] = {}
        self._alike: list[tuple[tuple[Shape, Shape], Plan]] = []
        self._plans: dict[Shape, tuple[tuple[App, ...], Plan]] = {}

    def names(self) -> list[str]:
        """Every device. Raises ManifestError when those of the new revision cannot be told."""
        return self._comparison.names()

    def check(self, name: str) -> None:
        """Raises UnknownDevice for one that is in neither revision."""
        if name not in self._comparison.known_before:
            self._comparison.after.device(name)

    def of(self, name: str) -> DevicePreview:
        """One device."""
        if name not in self._comparison.after.device_paths:
            return DevicePreview(name, note=_LEAVES)
        note = "" if name in self._comparison.known_before else _JOINS
        try:
            return self._planned(name, note, self._comparison.pair(name))
        except ManifestError as error:
            return DevicePreview(name, problems=error.problems, note=note)
        except EmptyDesiredState as error:
            return DevicePreview(name, problems=(Problem(error.where, error.what, error.advice),), note=note)

    def _planned(self, name: str, note: str, pair: Pair) -> DevicePreview:
        move = self._moves.of(pair.before, pair.after) if pair.before else None
        before, after = self._rendered(pair)
        old = before.desired if before else DesiredState(name)
        if before is not None and old.reconciler != after.desired.reconciler:
            note = f"the reconciler itself becomes {after.desired.reconciler or 'the one that was installed'}"
        if old.apps == after.desired.apps:
            return DevicePreview(name, problems=after.problems, note=note, move=move)
        plan = self._plan(old, after.desired)
        reasons = self._reasons(pair, old, after.desired) if plan else ()
        return DevicePreview(name, plan, reasons, after.problems, note, move)

    def _rendered(self, pair: Pair) -> tuple[Rendering | None, Rendering]:
        """Both sides of the apps that differ, and of those that share something with them."""
        chosen = self._comparison.differing(pair)
        while True:
            before, after = self._comparison.render(pair, chosen)
            asked = asked_of_others(before.desired.apps if before else (), after.desired.apps)
            more = self._comparison.touched(pair, chosen, asked) if chosen else frozenset()
            if not more:
                return before, after
            chosen |= more

    def _plan(self, old: DesiredState, new: DesiredState) -> Plan:
        """Raises EmptyDesiredState. Most devices are asked to go from the same apps to the same apps."""
        kept = (*old.apps, *new.apps)
        key = (len(old.apps), new.untouched, new.allow_empty, *map(id, kept))
        if key not in self._plans:
            if len(self._plans) >= _MAX_REMEMBERED:
                self._plans.clear()
            # Beside its apps, which are known by identity only while they live.
            self._plans[key] = kept, self._plan_of_alike(old, new)
        return self._plans[key][1]

    def _plan_of_alike(self, old: DesiredState, new: DesiredState) -> Plan:
        """The plan of devices that differ in nothing but values of environments, which no step tells."""
        shapes = _shape(old, new), _shape(new, old)
        known = next((plan for seen, plan in self._alike if seen == shapes), None)
        if known is None:
            plan = make_plan(new, as_if_applied(old))
            known = self._told.setdefault(str(plan), plan)
            self._alike = [(shapes, known), *self._alike[: _MAX_ALIKE - 1]]
        return known

    def _reasons(self, pair: Pair, old: DesiredState, new: DesiredState) -> tuple[Reason, ...]:
        names = sorted({app.name for app in (*old.apps, *new.apps)})
        found = [self._comparison.reasons(pair, name, old.app(name), new.app(name)) for name in names]
        return tuple(reason for reasons in found for reason in reasons)


def _shape(state: DesiredState, other: DesiredState) -> Shape:
    """All that a plan is made of, with nothing of each service's environment but whether the other state has it too."""
    apps = []
    for app in state.apps:
        twin = other.app(app.name)
        services = []
        for service in app.services:
            same = twin.service(service.name) if twin else None
            services.append((_ALL_BUT_VALUES(service), same is not None and same.environment == service.environment))
        apps.append((app.name, tuple(services), app.networks, app.volumes, app.configs))
    return tuple(apps), state.untouched, state.allow_empty, state.is_whole


def has_changes(previews: Iterable[DevicePreview]) -> bool:
    return any(one.is_change for one in previews)


def problems_of(previews: Iterable[DevicePreview]) -> tuple[Problem, ...]:
    """Every problem once, in the order in which devices show them."""
    return tuple(dict.fromkeys(problem for one in previews for problem in one.problems))
