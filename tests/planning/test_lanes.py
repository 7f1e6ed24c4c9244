"""What is done side by side: services that do not need each other, and nothing else, in whatever order they go."""

import threading
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.agent.passes.perform import perform
from reconciler.errors import EngineUnavailable
from reconciler.model import DesiredState
from reconciler.planning import CreateContainer, Lanes, PullImage, StartContainer, Step, side_by_side
from tests.fakes.engine import FakeEngine
from tests.planning.test_plan_properties import UPDATES, device, devices, drawn, fleets, often, plan_of
from tests.planning.workbench import DEVICE

HEALTHY = {"condition": "service_healthy"}


def groups(before: dict[str, Any], after: dict[str, Any]) -> list[list[str]]:
    """The subjects that are worked on at once, group after group; pulls, and those of one step alone, left out."""
    found = list(side_by_side(plan_of(drawn(after), device(before))))
    services = [lanes for lanes in found if not isinstance(lanes[0][0], PullImage)]
    return [[lane[0].subject for lane in lanes] for lanes in services if sum(map(len, lanes)) > 1]


def test_images_are_pulled_side_by_side_and_before_all_else() -> None:
    fleet = {"bar": {"tap": "tap:1"}, "shop": {"db": "db:1", "web": "web:1"}}
    first, *rest = side_by_side(plan_of(drawn(fleet), device()))
    assert [[step.verb for step in lane] for lane in first] == [["pull"], ["pull"], ["pull"]]
    assert not any(isinstance(step, PullImage) for lanes in rest for lane in lanes for step in lane)


def test_services_that_do_not_need_each_other_start_together() -> None:
    assert groups({}, {"shop": {"db": "db:1", "web": "web:1"}}) == [["shop/db", "shop/web"]]


def test_services_of_two_apps_start_together() -> None:
    assert groups({}, {"bar": {"tap": "tap:1"}, "shop": {"web": "web:1"}}) == [["bar/tap", "shop/web"]]


def test_a_service_starts_after_what_it_depends_on() -> None:
    web = {"image": "web:1", "depends_on": ["db"]}
    assert groups({}, {"shop": {"cache": "cache:1", "db": "db:1", "web": web}}) == [
        ["shop/cache", "shop/db"],
        ["shop/web", "shop/cache", "shop/db"],
    ]


def test_a_service_starts_after_the_wait_for_what_must_be_healthy() -> None:
    web = {"image": "web:1", "depends_on": {"db": HEALTHY}}
    plan = plan_of(drawn({"shop": {"db": "db:1", "web": web}}), device())
    found = [[(step.verb, step.subject) for lane in lanes for step in lane] for lanes in side_by_side(plan)]
    waited = next(index for index, group in enumerate(found) if ("wait", "shop/db") in group)
    assert next(index for index, group in enumerate(found) if ("create", "shop/web") in group) > waited


def test_who_lives_in_another_starts_after_it() -> None:
    fleet = {"shop": {"vpn": "vpn:1", "web": {"image": "web:1", "network_mode": "service:vpn"}}}
    assert groups({}, fleet)[0] == ["shop/vpn"]


def test_what_was_replaced_is_removed_when_every_service_is_well() -> None:
    before = {"shop": {"db": "db:1", "web": "web:1"}}
    found = list(side_by_side(plan_of(drawn({"shop": {"db": "db:2", "web": "web:2"}}), device(before))))
    alone = [lanes[0][0].verb for lanes in found if len(lanes) == 1 and len(lanes[0]) == 1]
    assert alone == ["remove", "remove"]
    assert [step.verb for step in found[1][0]] == ["create", "rename", "stop", "rename", "start", "wait"]
    assert len(found[1]) == 2


def mixed(lanes: Lanes, random: Random) -> list[Step]:
    """The steps of a group in one of the orders in which threads may do them."""
    left = [list(lane) for lane in lanes]
    steps = []
    while left := [lane for lane in left if lane]:
        steps.append(random.choice(left).pop(0))
    return steps


@often
@given(devices(), fleets(), st.randoms(use_true_random=False))
def test_in_whatever_order_lanes_go_the_plan_succeeds(engine: FakeEngine, wanted: DesiredState, random: Random) -> None:
    plan = plan_of(wanted, engine)
    found = list(side_by_side(plan))
    assert sorted(map(str, plan)) == sorted(str(step) for lanes in found for lane in lanes for step in lane)
    for lanes in found:
        for step in mixed(lanes, random):
            engine.perform(step)
    assert str(plan_of(wanted, engine)) == "nothing to do"


@often
@given(devices(), fleets())
def test_the_steps_of_a_service_keep_their_order(engine: FakeEngine, wanted: DesiredState) -> None:
    plan = plan_of(wanted, engine)
    kept = [step for lanes in side_by_side(plan) for lane in lanes for step in lane]
    for subject in {step.subject for step in plan}:
        assert [s for s in kept if s.subject == subject] == [s for s in plan if s.subject == subject]


class Meeting(FakeEngine):
    """An Engine on which two containers start only when both are asked to at the same time."""

    at_once = 4

    def __init__(self) -> None:
        super().__init__(DEVICE)
        self.both = threading.Barrier(2, timeout=30)
        self.goes_away = False
        self._one_at_a_time = threading.Lock()

    def perform(self, step: Step) -> None:
        if isinstance(step, StartContainer):
            self.both.wait()
            if self.goes_away and step.subject == "shop/db":
                raise EngineUnavailable("no Docker Engine answers", where="fake")
        with self._one_at_a_time:
            super().perform(step)


def test_they_really_go_side_by_side_and_are_told_in_the_order_of_the_plan() -> None:
    engine = Meeting()
    plan = plan_of(drawn({"shop": {"db": "db:1", "web": "web:1"}}), engine)
    result = perform(plan, engine)
    assert not result.failures
    assert result.done == tuple(map(str, plan))
    assert result.waited == {"shop"}


def test_an_engine_that_goes_away_in_one_lane_ends_the_pass_after_the_others() -> None:
    engine = Meeting()
    engine.goes_away = True
    with pytest.raises(EngineUnavailable):
        perform(plan_of(drawn({"shop": {"db": "db:1", "web": "web:1"}}), engine), engine)
    assert {box.name: box.state for box in engine.boxes.values()} == {"shop-db-1": "created", "shop-web-1": "running"}


def test_a_service_that_cannot_be_made_does_not_keep_the_other_apps() -> None:
    engine = device()
    engine.behaviours["tap:1"] = "exits"
    result = perform(plan_of(drawn({"bar": {"tap": "tap:1"}, "shop": {"web": "web:1"}}), engine), engine)
    assert result.failures.keys() == {"bar"}
    assert engine.box("shop-web-1").state == "running"


@pytest.mark.parametrize("name", UPDATES)
def test_no_container_is_made_before_what_it_needs_is_there(name: str) -> None:
    before, after = UPDATES[name]
    for lanes in side_by_side(plan_of(drawn(after), device(before))):
        made = {lane[0].subject: lane[0] for lane in lanes if isinstance(lane[0], CreateContainer)}
        for step in made.values():
            assert not {f"{step.app}/{need.service}" for need in step.service.depends_on} & made.keys()
