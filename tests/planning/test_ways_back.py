"""What becomes of an app whose new state fails, by what its `update_config` asks, and with whom it changed."""

from pathlib import Path
from typing import Any

import pytest

from reconciler.agent.passes.converge import Converged, converge
from reconciler.agent.state.journal import Journal
from reconciler.errors import ImageUnavailable, UpdateLocked
from reconciler.model import Lock
from tests.fakes.box import Box
from tests.fakes.engine import FakeEngine
from tests.planning.test_plan_properties import RELOADING, device, drawn, interrupted

Fleet = dict[str, Any]


class Device:
    """A device, its journal, and the passes that it makes."""

    def __init__(self, folder: Path, good: Fleet) -> None:
        self.engine: FakeEngine = device()
        self.journal = Journal(folder)
        self.now = 0.0
        self.good = self.obey(good, "a")
        assert not self.good.performed.failures
        self.engine.settle()
        self.engine.writes.clear()

    def obey(self, fleet: Fleet, commit: str) -> Converged:
        self.now += 1.0
        return converge(drawn(fleet), commit * 40, self.engine, self.journal, self.now)

    def images(self) -> dict[str, tuple[str, str]]:
        return {box.name: (box.service.image, box.state) for box in self.engine.boxes.values()}

    def verbs(self) -> list[str]:
        return [step.verb for step in self.engine.writes]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def menu(content: str, **service: Any) -> Fleet:
    return {"shop": {"services": {"web": {**RELOADING, **service}}, "configs": {"menu": {"content": content}}}}


def test_a_program_that_fails_on_new_content_is_told_of_the_old_and_never_stopped(folder: Path) -> None:
    one = Device(folder, menu("red"))
    before = one.engine.box("shop-web-1").id
    after = one.obey(menu("bad"), "b")
    assert after.choices["shop"].failed is not None
    assert (one.engine.box("shop-web-1").id, one.engine.reads("shop-web-1", "/menu")) == (before, b"red")
    assert not {"stop", "create", "restart"} & set(one.verbs())
    assert one.verbs().count("signal") == 2
    one.engine.settle()
    one.engine.writes.clear()
    assert one.obey(menu("bad"), "c").healthy("shop")
    assert not one.engine.writes, "it is not tried again until it changes"
    assert one.obey(menu("blue"), "d").healthy("shop")
    assert one.engine.reads("shop-web-1", "/menu") == b"blue"


def test_new_content_that_came_with_a_bad_image_goes_back_with_it(folder: Path) -> None:
    one = Device(folder, menu("red"))
    before = one.engine.box("shop-web-1").id
    one.obey(menu("blue", image="web:bad"), "b")
    assert (one.engine.box("shop-web-1").id, one.engine.reads("shop-web-1", "/menu")) == (before, b"red")


def bad(action: str) -> Fleet:
    return {"shop": {"web": {"image": "web:bad", "deploy": {"update_config": {"failure_action": action}}}}}


def test_paused_it_stays_as_it_is_and_the_old_one_is_kept(folder: Path) -> None:
    one = Device(folder, {"shop": {"web": "web:1"}})
    for commit in "bcd":
        after = one.obey(bad("pause"), commit)
        assert "is unhealthy" in str(after.performed.failures["shop"])
        assert one.images() == {"shop-web-1": ("web:bad", "running"), "shop-web-1.previous": ("web:1", "exited")}
    after = one.obey({"shop": {"web": "web:2"}}, "e")
    assert after.healthy("shop")
    assert one.images() == {"shop-web-1": ("web:2", "running")}


def test_what_continues_goes_on_without_the_one_that_failed(folder: Path) -> None:
    one = Device(folder, {"shop": {"web": "web:1"}})
    after = one.obey(bad("continue"), "b")
    assert not after.performed.failures
    assert not after.healthy("shop")
    assert one.images() == {"shop-web-1": ("web:bad", "running")}
    one.engine.writes.clear()
    one.obey(bad("continue"), "c")
    assert not one.engine.writes


TOGETHER = {"deploy": {"update_config": {"x-rollback": "together"}}}


def pair(bar: str, shop: str, alone: str = "") -> Fleet:
    found: Fleet = {"bar": {"tap": {"image": bar, **TOGETHER}}, "shop": {"web": {"image": shop, **TOGETHER}}}
    return {**found, "zoo": {"cat": alone}} if alone else found


def test_apps_that_changed_together_go_back_together(folder: Path) -> None:
    one = Device(folder, pair("tap:1", "web:1", "cat:1"))
    after = one.obey(pair("tap:2", "web:bad", "cat:2"), "b")
    assert one.images() == {
        "bar-tap-1": ("tap:1", "running"),
        "shop-web-1": ("web:1", "running"),
        "zoo-cat-1": ("cat:2", "running"),
    }
    failed = after.choices["bar"].failed
    assert failed is not None
    assert "goes back with shop, which changed in the same revision" in failed.reason
    one.engine.writes.clear()
    one.obey(pair("tap:2", "web:bad", "cat:2"), "c")
    assert not one.engine.writes


def test_when_the_one_that_failed_is_mended_both_go_on(folder: Path) -> None:
    one = Device(folder, pair("tap:1", "web:1"))
    one.obey(pair("tap:2", "web:bad"), "b")
    one.obey(pair("tap:2", "web:2"), "c")
    assert one.images() == {"bar-tap-1": ("tap:2", "running"), "shop-web-1": ("web:2", "running")}


def test_an_app_that_did_not_change_with_it_stays(folder: Path) -> None:
    one = Device(folder, pair("tap:1", "web:1"))
    one.obey(pair("tap:2", "web:1"), "b")
    one.obey(pair("tap:2", "web:bad"), "c")
    assert one.images() == {"bar-tap-1": ("tap:2", "running"), "shop-web-1": ("web:1", "running")}


def test_while_a_lock_is_held_the_last_good_state_is_healed(folder: Path) -> None:
    def locking(web: str, db: str) -> Fleet:
        return {"shop": {"db": {"image": db}, "web": {"image": web, "x-update-lock": "/run/update"}}}

    one = Device(folder, locking("web:1", "db:1"))
    one.engine.locks = {"shop/web": Lock("recorder", "noon")}
    one.engine.kill("shop-db-1")
    after = one.obey(locking("web:2", "db:2"), "b")
    assert isinstance(after.performed.failures["shop"], UpdateLocked)
    assert one.images() == {"shop-db-1": ("db:1", "running"), "shop-web-1": ("web:1", "running")}
    one.engine.locks = {}
    assert one.obey(locking("web:2", "db:2"), "c").healthy("shop")
    assert one.images() == {"shop-db-1": ("db:2", "running"), "shop-web-1": ("web:2", "running")}


def late(image: str, when: str) -> Fleet:
    return {"shop": {"web": {"image": image, "x-pull": when}}}


@pytest.mark.parametrize("when", ["after-stop", "after-remove"])
def test_what_stopped_for_its_image_waits_for_it(folder: Path, when: str) -> None:
    one = Device(folder, late("web:1", when))
    one.engine.behaviours["web:2"] = "missing"
    for commit in "bc":
        after = one.obey(late("web:2", when), commit)
        assert isinstance(after.performed.failures["shop"], ImageUnavailable)
        assert [state for _, state in one.images().values()] == (["exited"] if when == "after-stop" else [])
    del one.engine.behaviours["web:2"]
    assert one.obey(late("web:2", when), "d").healthy("shop")
    assert one.images() == {"shop-web-1": ("web:2", "running")}


@pytest.mark.parametrize("when", ["after-stop", "after-remove"])
def test_a_bad_image_that_was_pulled_late_goes_back(folder: Path, when: str) -> None:
    one = Device(folder, late("web:1", when))
    after = one.obey(late("web:bad", when), "b")
    assert after.choices["shop"].failed is not None
    assert one.images() == {"shop-web-1": ("web:1", "running")}


# From a good state to a bad one, and what must run again after a power cut at any step on the way there and back.
BACK: dict[str, tuple[Fleet, Fleet]] = {
    "told of bad content": (menu("red"), menu("bad")),
    "bad content and a bad image": (menu("red"), menu("bad", image="web:bad")),
    "pulled after the stop": (late("web:1", "after-stop"), late("web:bad", "after-stop")),
    "pulled after the removal": (late("web:1", "after-remove"), late("web:bad", "after-remove")),
    "limits in place, beside a bad image": (
        {"shop": {"db": {"image": "db:1", "mem_limit": "64m"}, "web": "web:1"}},
        {"shop": {"db": {"image": "db:1", "mem_limit": "128m"}, "web": "web:bad"}},
    ),
    "together": (pair("tap:1", "web:1"), pair("tap:2", "web:bad")),
}


@pytest.mark.parametrize("kind", BACK)
@pytest.mark.parametrize("reboots", [False, True], ids=["agent died", "device rebooted"])
def test_after_a_power_cut_at_any_step_of_the_way_back_the_good_state_runs(
    folder: Path, kind: str, reboots: bool
) -> None:
    good, bad_one = BACK[kind]
    made = iter(Device(folder / str(number), good) for number in range(400))
    devices: list[Device] = []

    def make() -> FakeEngine:
        devices.append(next(made))
        return devices[-1].engine

    cuts = 0
    for engine in interrupted(make, lambda engine: devices[-1].obey(bad_one, "b")):
        if reboots:
            engine.reboot()
        after = devices[-1].obey(bad_one, "b")
        assert all(choice.failed is not None for choice in after.choices.values())
        fresh = Device(folder / f"{kind} {cuts} as it was", good)
        assert devices[-1].images() == fresh.images()
        assert [box.limits for box in boxes(engine)] == [box.limits for box in boxes(fresh.engine)]
        assert engine.live_content == fresh.engine.live_content
        cuts += 1
    assert cuts >= 8


def boxes(engine: FakeEngine) -> list[Box]:
    return sorted(engine.boxes.values(), key=lambda box: box.name)


def resting(until: str) -> Fleet:
    rule = {"what": ["stopped"], "owner": "ann", "until": until}
    return {"shop": {"web": {"image": "web:1", "restart": "always", "x-ignore-drift": [rule]}}}


def test_what_is_left_alone_is_left_alone_until_it_expires(folder: Path) -> None:
    one = Device(folder, {"shop": {"web": {"image": "web:1", "restart": "always"}}})
    one.engine.kill("shop-web-1")
    before = one.obey(resting("1970-01-01T00:01:00Z"), "b")
    assert before.healthy("shop")
    assert not one.engine.writes
    one.now = 60.0
    after = one.obey(resting("1970-01-01T00:01:00Z"), "c")
    assert after.healthy("shop")
    assert one.verbs() == ["start", "wait"]


def adopted(image: str, **more: Any) -> Fleet:
    return {"shop": {"services": {"web": {"image": image, **more}}, "x-adopt": True}}


@pytest.fixture
def composed(folder: Path) -> Device:
    """A device on which Docker Compose runs a project of the app's name, and another service of it."""
    one = Device(folder, {"zoo": {"cat": "cat:1"}})
    one.engine.compose_made("shop", "web", "web:1")
    one.engine.compose_made("shop", "other", "other:1")
    one.engine.add_network("shop_default")
    return one


ZOO: Fleet = {"zoo": {"cat": "cat:1"}}
THEIRS = {"shop-other-1": ("other:1", "running"), "zoo-cat-1": ("cat:1", "running")}


def test_without_a_word_what_compose_made_is_a_name_that_is_taken(composed: Device) -> None:
    after = composed.obey({**ZOO, "shop": {"web": "web:1"}}, "b")
    assert "already exists" in str(after.performed.failures["shop"])
    assert composed.images() == {**THEIRS, "shop-web-1": ("web:1", "running")}


def test_what_compose_made_is_taken_over_and_the_rest_of_it_left_alone(composed: Device) -> None:
    before = composed.engine.box("shop-web-1").id
    after = composed.obey({**ZOO, **adopted("web:1")}, "b")
    assert after.healthy("shop")
    assert composed.images() == {**THEIRS, "shop-web-1": ("web:1", "running")}
    assert composed.engine.box("shop-web-1").id != before
    assert any("taken over from Docker Compose" in step.cause for step in composed.engine.writes)
    composed.engine.settle()
    composed.engine.writes.clear()
    composed.obey({**ZOO, **adopted("web:1")}, "c")
    assert not composed.engine.writes


def test_what_fails_to_take_over_gives_the_very_same_container_back_until_git_changes(composed: Device) -> None:
    before = composed.engine.box("shop-web-1").id
    after = composed.obey({**ZOO, **adopted("web:bad")}, "b")
    assert "is unhealthy" in after.given_back["shop"].reason
    assert not after.performed.failures
    assert composed.images() == {**THEIRS, "shop-web-1": ("web:1", "running")}
    assert composed.engine.box("shop-web-1").id == before
    composed.engine.writes.clear()
    assert composed.obey({**ZOO, **adopted("web:bad")}, "c").given_back
    assert not composed.engine.writes
    assert composed.obey({**ZOO, **adopted("web:2")}, "d").healthy("shop")
    assert composed.images() == {**THEIRS, "shop-web-1": ("web:2", "running")}


@pytest.mark.parametrize("image", ["web:2", "web:bad"])
def test_taking_over_survives_a_power_cut_at_any_step(folder: Path, image: str) -> None:
    made = iter(range(200))
    devices: list[Device] = []
    wanted = {**ZOO, **adopted(image)}

    def make() -> FakeEngine:
        one = Device(folder / str(next(made)), ZOO)
        one.engine.compose_made("shop", "web", "web:1")
        one.engine.writes.clear()
        devices.append(one)
        return one.engine

    cuts = 0
    for engine in interrupted(make, lambda engine: devices[-1].obey(wanted, "b")):
        devices[-1].obey(wanted, "b")
        served = "web:1" if image == "web:bad" else image
        assert devices[-1].images() == {"shop-web-1": (served, "running"), "zoo-cat-1": ("cat:1", "running")}
        assert str(engine.box("shop-web-1").device) == ("" if image == "web:bad" else "press")
        cuts += 1
    assert cuts >= 8
