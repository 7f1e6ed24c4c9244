"""Plans as data: tests/cases/plan/*.yaml. What is on the device, what is wanted, and the plan word for word.

A case has these keys; names of containers are APP-SERVICE-1, as Compose makes them.

    before    apps that were applied and are well: {app: {service: image or Compose}}, or a whole Compose document
    seen      what differs from that, by container: {state, exit, name, networks, and what `docker update` did:
              adjusted}; `~` is a container removed by hand;
              one that is not there yet is made, `as` a service of `before`, of `desired`, or a Compose service
    local     images that are on the device as well
    lost      images, networks, volumes and configs (by content) that are not on the device any more
    moved     tags that mean another image by now
    locks     update locks that are held: {APP/SERVICE: who}
    unlimited limits that the device's kernel cannot keep to
    foreign   containers of somebody else, with their networks
    desired   the apps that are wanted, as in `before`; untouched, partly, allow_empty: see DesiredState
    plan      what make_plan says; or `refused`, part of its error
    fails     part of the error when the plan is performed; without it, the plan succeeds and the next one is empty
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.agent.passes.perform import perform
from reconciler.model import DesiredState, Lock, Service
from reconciler.model.image import listed_name
from reconciler.planning import EmptyDesiredState, make_plan
from tests.fakes.engine import FakeEngine
from tests.planning.workbench import DEVICE, add_box, applied, desired

FOLDER = Path(__file__).parent.parent / "cases" / "plan"
KEYS = {
    "case",
    "before",
    "seen",
    "local",
    "lost",
    "moved",
    "foreign",
    "desired",
    "plan",
    "refused",
    "fails",
    "unlimited",
    "locks",
}
# Images that end with 0 at once; all others go on, and are healthy.
JOBS = {"migrate:1": "job", "migrate:2": "job"}
WORDS = {"untouched", "partly", "allow_empty"}
CASES = [
    pytest.param(case, id=f"{path.stem}: {case['case']}")
    for path in sorted(FOLDER.glob("*.yaml"))
    for case in yaml.safe_load(path.read_text())
]


@pytest.mark.parametrize("case", CASES)
def test_plan(case: dict[str, Any]) -> None:
    assert not case.keys() - KEYS - WORDS
    wanted = wanted_by(case)
    engine = engine_of(case, wanted)
    if "refused" in case:
        with pytest.raises(EmptyDesiredState, match=case["refused"]):
            make_plan(wanted, engine.observe(DEVICE))
        return
    plan = make_plan(wanted, engine.observe(DEVICE))
    assert str(plan) == case["plan"].rstrip()
    result = perform(plan, engine)
    if "fails" in case:
        assert case["fails"] in " ".join(map(str, result.failures.values()))
    else:
        assert not result.failures
        assert str(make_plan(wanted, engine.observe(DEVICE))) == "nothing to do"


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 60


def wanted_by(case: dict[str, Any]) -> DesiredState:
    state = desired(case["desired"], allow_empty=case.get("allow_empty", False))
    untouched = frozenset(case.get("untouched", ()))
    return DesiredState(DEVICE, state.apps, untouched, state.allow_empty, not case.get("partly", False))


def engine_of(case: dict[str, Any], wanted: DesiredState) -> FakeEngine:
    before = desired(case.get("before", {}))
    engine = FakeEngine(DEVICE)
    engine.behaviours = JOBS
    engine.unlimited = frozenset(case.get("unlimited", ()))
    applied(before, engine)
    engine.locks = {subject: Lock(who, "noon") for subject, who in case.get("locks", {}).items()}
    for name in case.get("foreign", {}):
        engine.foreign(name, case["foreign"][name] or ())
    for name, edits in case.get("seen", {}).items():
        see(engine, name, edits, {"before": before, "desired": wanted})
    engine.have(*case.get("local", ()))
    for name in case.get("lost", ()):
        engine.images.pop(listed_name(name), None)
        engine.volumes.pop(name, None)
        engine.networks = {key: network for key, network in engine.networks.items() if network.name != name}
        engine.configs = {key: content for key, content in engine.configs.items() if content.decode() != name}
    for image in case.get("moved", ()):
        engine.move_tag(image)
    return engine


def see(engine: FakeEngine, name: str, edits: dict[str, Any] | None, states: dict[str, DesiredState]) -> None:
    if edits is None:
        engine.forget(name)
        return
    known = {box.name for box in engine.boxes.values()}
    if name not in known:
        app, service = name.split("-")[:2]
        add_box(engine, app, service_as(edits["as"], app, service, states), name)
    box = engine.box(name)
    box.name = edits.get("name", box.name)
    box.state = edits.get("state", box.state)
    box.health = "healthy" if box.state == "running" else ""
    box.exit_code = edits.get("exit", 0)
    engine.adjust(box.id, **edits.get("adjusted", {}))
    if "networks" in edits:
        box.networks = dict.fromkeys(edits["networks"], "")


def service_as(given: Any, app: str, service: str, states: dict[str, DesiredState]) -> Service:
    state = states.get(given) if isinstance(given, str) else None
    state = state or desired({app: {service: given}})
    found = next(a for a in state.apps if a.name == app).service(service)
    assert found is not None
    return found
