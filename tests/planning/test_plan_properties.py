"""What holds for every plan: over random devices, and with the power cut at every step."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.agent.passes.converge import Converged, converge
from reconciler.agent.passes.perform import perform
from reconciler.agent.state.journal import Journal
from reconciler.model import (
    App,
    Attachment,
    Condition,
    ConfigFile,
    Dependency,
    DesiredState,
    Limits,
    Mount,
    Network,
    Service,
    Update,
    Volume,
)
from reconciler.planning import (
    AwaitCompleted,
    AwaitHealthy,
    Plan,
    PullImage,
    RemoveNetwork,
    StartContainer,
    Step,
    StopContainer,
    make_plan,
)
from tests.fakes.box import Box
from tests.fakes.engine import FakeEngine, PowerCut
from tests.planning.workbench import DEVICE, add_box, applied, desired

CONDITIONS = [Condition.STARTED, Condition.HEALTHY]
CONFIGS = [ConfigFile(hashlib.sha256(content).hexdigest(), content) for content in (b"soup", b"stew")]
SERVICES, APPS = ("api", "db", "web"), ("bar", "shop")
# Not "restarting": what is that for good fails a wait, rightly.
STATES = ("running", "paused", "created", "exited", "dead")
often = settings(max_examples=100, derandomize=True, deadline=None, database=None)


@st.composite
def apps(draw: st.DrawFn, name: str) -> App:
    """An app: some services, each with an image, an environment, networks, and needs among those before it."""
    keys = draw(st.lists(st.sampled_from(SERVICES), min_size=1, unique=True))
    config = draw(st.sampled_from(CONFIGS))
    services = []
    for index, key in enumerate(keys):
        needs = draw(st.lists(st.sampled_from(keys[:index]), unique=True)) if index else []
        home = draw(st.sampled_from([*keys[:index], "", ""]))
        networks = draw(st.sampled_from([("default",), ("back",), ("back", "default")])) if not home else ()
        needed = [Dependency(need, draw(st.sampled_from(CONDITIONS))) for need in needs if need != home]
        data = draw(st.sampled_from([(), (Mount("volume", "/data", f"{name}_data"),)]))
        services.append(
            Service(
                key,
                f"{key}:{draw(st.integers(1, 3))}",
                f"{name}-{key}-1",
                restart=draw(st.sampled_from(["no", "always"])),
                limits=draw(st.sampled_from([Limits(), Limits(memory=64), Limits(memory=128, pids=7)])),
                update=Update(order=draw(st.sampled_from(["stop-first", "start-first"]))),
                environment={"COLOUR": draw(st.sampled_from(["red", "blue"]))},
                networks=tuple(Attachment(f"{name}_{network}") for network in networks),
                mounts=data + draw(st.sampled_from([(), (Mount("config", "/menu", config.digest),)])),
                network_mode=f"service:{home}" if home else "",
                peers={home: f"{name}-{home}-1"} if home else {},
                depends_on=(*needed, *([Dependency(home, restart=True)] if home else [])),
            )
        )
    default = Network("default", f"{name}_default", internal=draw(st.booleans()))
    networks = (default, Network("back", f"{name}_back"))
    return App(name, tuple(services), networks, (Volume("data", f"{name}_data"),), (config,))


@st.composite
def fleets(draw: st.DrawFn) -> DesiredState:
    names = draw(st.lists(st.sampled_from(APPS), unique=True))
    return DesiredState(DEVICE, tuple(draw(apps(name)) for name in sorted(names)), allow_empty=True)


def by_hand(draw: st.DrawFn, engine: FakeEngine, box: Box) -> None:
    """What somebody may have done to a container."""
    act = draw(st.sampled_from(["nothing", "nothing", "state", "rename", "networks", "forget", "adjust"]))
    match act:
        case "state":
            box.state = draw(st.sampled_from(STATES))
            box.exit_code = draw(st.sampled_from([0, 1, 137]))
        case "rename":
            box.name += draw(st.sampled_from([".previous", ".next", "-mine"]))
        case "networks":
            given = [{}, {"bridge": ""}, box.networks | {"bridge": ""}]
            box.networks = draw(st.sampled_from(given)) if box.networks else {}
        case "adjust":
            engine.adjust(box.id, draw(st.sampled_from(["no", "always"])), pids=draw(st.sampled_from([None, 9])))
            engine.adjust(box.id, memory=draw(st.sampled_from([None, 64])))
        case "forget":
            engine.forget(box.id)


@st.composite
def devices(draw: st.DrawFn) -> FakeEngine:
    """A device on which some fleet was applied, and on which then anything happened."""
    engine = FakeEngine(DEVICE)
    before = draw(fleets())
    applied(before, engine)
    engine.foreign("guest", ["bridge"])
    for box in [box for box in engine.boxes.values() if box.device]:
        by_hand(draw, engine, box)
    for app in before.apps:
        for service in draw(st.lists(st.sampled_from(app.services), max_size=2, unique_by=lambda s: s.name)):
            other = replace(
                service, image=f"{service.name}:{draw(st.integers(0, 3))}", user=draw(st.sampled_from("ab"))
            )
            suffix = draw(st.sampled_from([".previous", ".next", "-mine"]))
            if service.container_name + suffix not in {box.name for box in engine.boxes.values()}:
                made = draw(st.sampled_from([service, other]))
                box = add_box(engine, app.name, made, service.container_name + suffix)
                box.state = draw(st.sampled_from(STATES))
                box.networks = {name: "" for name in box.networks if engine.has_network(name)}
    for image in (
        draw(st.lists(st.sampled_from(sorted(engine.images)), max_size=2, unique=True)) if engine.images else ()
    ):
        draw(st.sampled_from([engine.move_tag, engine.images.pop]))(image)
    engine.writes.clear()
    return engine


def drawn(fleet: dict[str, Any]) -> DesiredState:
    return desired(fleet, allow_empty=True)


def plan_of(wanted: DesiredState, engine: FakeEngine) -> Plan:
    return make_plan(wanted, engine.observe(DEVICE))


@often
@given(devices(), fleets())
def test_a_plan_succeeds_and_leaves_nothing_to_do(engine: FakeEngine, wanted: DesiredState) -> None:
    guests = {id: box.name for id, box in engine.boxes.items() if not box.device}
    volumes = set(engine.volumes)
    result = perform(plan_of(wanted, engine), engine)
    assert not result.failures
    assert str(plan_of(wanted, engine)) == "nothing to do"
    assert {id: box.name for id, box in engine.boxes.items() if not box.device} == guests
    assert volumes <= set(engine.volumes)
    names = {service.container_name for app in wanted.apps for service in app.services}
    assert {box.name for box in engine.boxes.values() if box.device} == names


@often
@given(devices(), fleets())
def test_start_first_leaves_no_moment_with_neither(engine: FakeEngine, wanted: DesiredState) -> None:
    services = [(app.name, s) for app in wanted.apps for s in app.services if s.update.starts_first and not s.lives_in]
    # A network that is made anew stops everybody on it; nothing can be started beside.
    if any(isinstance(step, RemoveNetwork) for step in plan_of(wanted, engine)):
        return

    def serving(app: str, service: Service) -> bool:
        mine = [b for b in engine.boxes.values() if (b.app, b.service.name, b.device) == (app, service.name, DEVICE)]
        return any(box.state == "running" for box in mine)

    had = [(app, service) for app, service in services if serving(app, service)]
    for step in plan_of(wanted, engine):
        engine.perform(step)
        for app, service in had:
            assert serving(app, service), f"after {step}"


@often
@given(devices(), fleets())
def test_the_same_look_gives_the_same_plan(engine: FakeEngine, wanted: DesiredState) -> None:
    seen = engine.observe(DEVICE)
    assert make_plan(wanted, seen) == make_plan(wanted, seen)
    assert str(make_plan(wanted, seen)).count("\n") == max(len(make_plan(wanted, seen).steps) - 1, 0)


@often
@given(devices(), fleets())
def test_nothing_is_stopped_before_every_image_is_local(engine: FakeEngine, wanted: DesiredState) -> None:
    steps = plan_of(wanted, engine).steps
    pulls = [index for index, step in enumerate(steps) if isinstance(step, PullImage)]
    stops = [index for index, step in enumerate(steps) if isinstance(step, StopContainer)]
    assert not pulls or not stops or max(pulls) < min(stops)


@often
@given(devices(), fleets())
def test_only_our_own_things_are_addressed(engine: FakeEngine, wanted: DesiredState) -> None:
    guests = {reference for box in engine.boxes.values() if not box.device for reference in (box.id, box.name)}
    strange = {network.id for network in engine.observe(DEVICE).networks if not network.app}
    for step in plan_of(wanted, engine):
        assert getattr(step, "container", "") not in guests
        assert getattr(step, "network_id", "") not in strange


@often
@given(devices(), fleets())
def test_dependencies_start_and_are_well_before_their_dependents(engine: FakeEngine, wanted: DesiredState) -> None:
    steps = plan_of(wanted, engine).steps
    started = {step.subject: index for index, step in enumerate(steps) if isinstance(step, StartContainer)}
    well = {f"{c.app}/{c.service}" for c in engine.observe(DEVICE).containers if c.health == "healthy"}
    for app in wanted.apps:
        for service in app.services:
            mine = started.get(f"{app.name}/{service.name}")
            for dependency in service.depends_on if mine is not None else ():
                subject = f"{app.name}/{dependency.service}"
                assert started.get(subject, -1) < mine
                if dependency.condition is Condition.HEALTHY and (subject in started or subject not in well):
                    assert awaited(steps[:mine], subject)


def awaited(steps: tuple[Step, ...], subject: str) -> bool:
    return any(isinstance(step, AwaitHealthy | AwaitCompleted) and step.subject == subject for step in steps)


# The power fails at every step, and the device comes back.

A: dict[str, Any] = {"shop": {"web": "web:1"}}
RELOADING = {"image": "web:1", "x-reload": "SIGHUP", "configs": [{"source": "menu", "target": "/menu"}]}
UPDATES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "fresh": ({}, A),
    "image": (A, {"shop": {"web": "web:2"}}),
    "two services": (
        {"shop": {"db": "db:1", "web": {"image": "web:1", "depends_on": {"db": {"condition": "service_healthy"}}}}},
        {"shop": {"db": "db:2", "web": {"image": "web:2", "depends_on": {"db": {"condition": "service_healthy"}}}}},
    ),
    "two networks": (
        {"shop": {"services": {"web": {"image": "web:1", "networks": ["back"]}}, "networks": {"back": {}}}},
        {
            "shop": {
                "services": {"web": {"image": "web:2", "networks": ["back", "front"]}},
                "networks": {"back": {}, "front": {}},
            }
        },
    ),
    "network made anew": (
        {"shop": {"services": {"web": {"image": "web:1", "restart": "always"}}}},
        {
            "shop": {
                "services": {"web": {"image": "web:1", "restart": "always"}},
                "networks": {"default": {"internal": True}},
            }
        },
    ),
    "service renamed, with its port": (
        {"shop": {"web": {"image": "web:1", "ports": ["80:80"]}}},
        {"shop": {"front": {"image": "web:2", "ports": ["80:80"]}}},
    ),
    "container renamed": (A, {"shop": {"web": {"image": "web:1", "container_name": "front"}}}),
    "limits in place, with an image": (
        {"shop": {"db": {"image": "db:1", "mem_limit": "64m"}, "web": "web:1"}},
        {"shop": {"db": {"image": "db:1", "mem_limit": "128m", "restart": "always"}, "web": "web:2"}},
    ),
    "limits taken away": ({"shop": {"web": {"image": "web:1", "mem_limit": "64m"}}}, A),
    "reload": (
        {"shop": {"services": {"web": RELOADING}, "configs": {"menu": {"content": "red"}}}},
        {"shop": {"services": {"web": RELOADING, "db": "db:1"}, "configs": {"menu": {"content": "blue"}}}},
    ),
    "pulled after the stop": (A, {"shop": {"web": {"image": "web:2", "x-pull": "after-stop"}}}),
    "pulled after the removal": (A, {"shop": {"web": {"image": "web:2", "x-pull": "after-remove"}}}),
    "port kept": (
        {"shop": {"web": {"image": "web:1", "ports": ["80:80"]}}},
        {"shop": {"web": {"image": "web:2", "ports": ["80:80"]}}},
    ),
    "app for another": ({"bar": {"tap": {"image": "tap:1", "restart": "always"}}}, A),
    "job": ({"shop": {"migrate": "migrate:1"}}, {"shop": {"migrate": "migrate:2"}}),
    "everything away": ({"shop": {"web": {"image": "web:1", "restart": "always"}}}, {}),
}
# A third revision, which may arrive after any cut.
C = {"shop": {"web": "web:3"}}


def interrupted(make: Callable[[], FakeEngine], act: Callable[[FakeEngine], object]) -> Iterator[FakeEngine]:
    """An Engine for each step of `act`, cut off before it and after it, until the act comes to its end."""
    for cut in range(100):
        for after in (False, True):
            engine = make()
            engine.fail_at(cut, after=after)
            try:
                act(engine)
            except PowerCut:
                engine.fail_at(None)
                yield engine
            else:
                return
    pytest.fail("the act has no end")


def device(*fleets: dict[str, Any]) -> FakeEngine:
    engine = FakeEngine(DEVICE)
    engine.behaviours = {"migrate:1": "job", "migrate:2": "job", "web:bad": "unhealthy", "web:gone": "exits"}
    for fleet in fleets:
        applied(drawn(fleet), engine)
    engine.writes.clear()
    return engine


def reach(wanted: DesiredState, engine: FakeEngine) -> None:
    result = perform(plan_of(wanted, engine), engine)
    assert not result.failures
    assert str(plan_of(wanted, engine)) == "nothing to do"
    up = {box.name: box.state for box in engine.boxes.values()}
    jobs = {service.container_name for app in wanted.apps for service in app.services if "migrate" in service.image}
    assert all(state == ("exited" if name in jobs else "running") for name, state in up.items()), up
    assert up.keys() == {service.container_name for app in wanted.apps for service in app.services}
    for service in (service for app in wanted.apps for service in app.services):
        for mount in (mount for mount in service.mounts if mount.live):
            read = hashlib.sha256(engine.reads(service.container_name, mount.target)).hexdigest()
            assert (read, engine.live[mount.live]) == (mount.source, mount.source)


@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.parametrize("aim", ["on", "back", "elsewhere"])
@pytest.mark.parametrize("reboots", [False, True], ids=["agent died", "device rebooted"])
def test_after_a_power_cut_at_any_step_every_aim_is_reached(name: str, aim: str, reboots: bool) -> None:
    first, second = UPDATES[name]
    wanted = drawn({"on": second, "back": first, "elsewhere": C}[aim])
    cuts = 0
    for engine in interrupted(lambda: device(first), lambda engine: perform(plan_of(drawn(second), engine), engine)):
        if reboots:
            engine.reboot()
        reach(wanted, engine)
        cuts += 1
    assert cuts >= 4


@pytest.mark.parametrize("name", UPDATES)
def test_a_second_cut_on_the_way_on_does_no_harm(name: str) -> None:
    first, second = UPDATES[name]
    wanted = drawn(second)
    total = len(plan_of(wanted, device(first)).steps)
    for cut in range(total):

        def cut_off(cut: int = cut) -> FakeEngine:
            engine = device(first)
            engine.fail_at(cut)
            with pytest.raises(PowerCut):
                perform(plan_of(wanted, engine), engine)
            engine.fail_at(None)
            return engine

        for engine in interrupted(cut_off, lambda engine: perform(plan_of(wanted, engine), engine)):
            reach(wanted, engine)


# The way back, through converge and its journal.

BAD: dict[str, dict[str, Any]] = {
    "unhealthy": {"shop": {"web": "web:bad"}},
    "exits": {"shop": {"web": "web:gone"}},
    "unhealthy beside a good one": {"shop": {"db": "db:2", "web": "web:bad"}},
    "under another name": {"shop": {"web": {"image": "web:bad", "container_name": "front"}}},
    "unhealthy after its network": {
        "shop": {"services": {"web": {"image": "web:bad", "networks": ["back"]}}, "networks": {"back": {}}}
    },
}


def good_device(journal: Journal, fleet: dict[str, Any]) -> FakeEngine:
    engine = device()
    converge(drawn(fleet), "a" * 40, engine, journal, 0.0)
    assert journal.memory.good.keys() == {"shop"}
    engine.writes.clear()
    return engine


def ids(engine: FakeEngine) -> dict[str, tuple[str, str]]:
    return {box.name: (box.id, box.state) for box in engine.boxes.values()}


@pytest.mark.parametrize("restart", ["no", "on-failure", "always"])
@pytest.mark.parametrize("kind", BAD)
def test_after_a_bad_revision_the_very_same_container_runs(tmp_path: Path, kind: str, restart: str) -> None:
    good = {"shop": {"db": "db:1", "web": {"image": "web:1", "restart": restart}}}
    bad = drawn(BAD[kind])
    journal = Journal(tmp_path)
    engine = good_device(journal, good)
    before = ids(engine)
    first = converge(bad, "b" * 40, engine, journal, 0.0)
    assert {name: ids(engine)[name] for name in ("shop-web-1",)} == {"shop-web-1": before["shop-web-1"]}
    assert first.choices["shop"].failed is not None
    check_not_tried_again(bad, engine, journal)


def check_not_tried_again(bad: DesiredState, engine: FakeEngine, journal: Journal) -> Converged:
    engine.settle()
    engine.writes.clear()
    again = converge(bad, "c" * 40, engine, journal, 0.0)
    assert not engine.writes
    assert again.choices["shop"].revision == "a" * 40
    assert again.healthy("shop")
    return again


@pytest.mark.parametrize("restart", ["no", "always"])
@pytest.mark.parametrize("kind", ["unhealthy", "exits", "under another name"])
@pytest.mark.parametrize("reboots", [False, True], ids=["agent died", "device rebooted"])
def test_the_way_back_survives_a_power_cut_at_any_step(tmp_path: Path, kind: str, restart: str, reboots: bool) -> None:
    good, bad = {"shop": {"web": {"image": "web:1", "restart": restart}}}, drawn(BAD[kind])
    made = iter(Journal(tmp_path / str(number)) for number in range(200))
    journals: list[Journal] = []

    def make() -> FakeEngine:
        journals.append(next(made))
        return good_device(journals[-1], good)

    cuts = 0
    for engine in interrupted(make, lambda engine: converge(bad, "b" * 40, engine, journals[-1], 0.0)):
        if reboots:
            engine.reboot()
        tried_before = journals[-1].memory.failed
        before = [box.id for box in engine.boxes.values() if box.service.image == "web:1"]
        engine.writes.clear()
        after = converge(bad, "b" * 40, engine, journals[-1], 0.0)
        if tried_before:
            assert not any(isinstance(step, PullImage) or step.verb == "create" for step in engine.writes)
        assert after.choices["shop"].failed is not None
        assert ids(engine) == {"shop-web-1": (before[0], "running")}
        check_not_tried_again(bad, engine, journals[-1])
        cuts += 1
    assert cuts >= 20
