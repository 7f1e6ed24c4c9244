"""What goes after a pass: images that nobody needs when the disk is low, config files at once; and what never goes."""

from pathlib import Path
from typing import Any

import pytest

from reconciler.agent.passes.collect import MAX_PULLED, collectable, remember_pulled
from reconciler.agent.passes.converge import Converged, converge
from reconciler.agent.passes.tidy import tidied
from reconciler.agent.state.journal import Journal
from reconciler.agent.state.remembered import Pulled
from reconciler.errors import EngineError
from reconciler.model import DesiredState, ObservedState
from reconciler.planning import RemoveImage, Step
from tests.planning.test_plan_properties import device, drawn

Fleet = dict[str, Any]


class Device:
    """A device and its passes, an hour apart."""

    def __init__(self, folder: Path) -> None:
        self.engine, self.journal, self.now = device(), Journal(folder), 0.0

    def obey(self, fleet: Fleet, *, untouched: frozenset[str] = frozenset()) -> Converged:
        self.now += 3600
        drawn_state = drawn(fleet)
        state = DesiredState(drawn_state.device, drawn_state.apps, untouched, allow_empty=True)
        converged = converge(state, "a" * 40, self.engine, self.journal, self.now)
        return tidied(converged, state, self.engine, self.journal, self.now)

    def images(self) -> set[str]:
        return {name.partition("/")[2] or name for name in self.engine.images}


@pytest.fixture
def one(tmp_path: Path) -> Device:
    return Device(tmp_path)


def web(image: str, **more: Any) -> Fleet:
    return {"shop": {"web": {"image": image, **more}}}


def test_while_there_is_room_no_image_goes(one: Device) -> None:
    for number in range(1, 5):
        assert one.obey(web(f"web:{number}")).removed == ()
    assert {f"web:{number}" for number in range(1, 5)} <= one.images()


def test_when_the_disk_is_low_the_image_needed_longest_ago_goes_first(one: Device) -> None:
    for number in range(1, 5):
        one.obey(web(f"web:{number}"))
    one.engine.room = 3
    removed = one.obey(web("web:4")).removed
    assert removed == (
        "remove     image web:1                  not needed since 1970-01-01T02:00:00Z; no room on the disk",
    )
    assert not one.obey(web("web:4")).removed


def test_an_image_that_is_needed_again_is_needed(one: Device) -> None:
    for image in ("web:1", "web:2", "web:1"):
        one.obey(web(image))
    one.engine.room = 0
    one.obey(web("web:1"))
    assert "web:1" in one.images()
    assert "web:2" not in one.images()


def test_the_last_good_image_stays_while_another_is_tried(one: Device) -> None:
    one.obey(web("web:1"))
    one.engine.room = 0
    one.engine.behaviours["web:2"] = "missing"
    assert one.obey(web("web:2")).removed == ()
    assert one.obey(web("web:bad")).removed == ()
    assert "web:1" in one.images()


def test_an_image_that_somebody_else_put_there_stays(one: Device) -> None:
    one.engine.have("web:1", "guest:1")
    one.obey(web("web:1"))
    one.obey(web("web:2"))
    one.engine.room = 0
    assert one.obey(web("web:2")).removed == ()
    assert {"web:1", "guest:1"} <= one.images()


def test_an_image_that_the_engine_keeps_is_tried_again_and_keeps_no_other_from_going(
    one: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 4):
        one.obey(web(f"web:{number}"))
    one.engine.room, perform = 0, one.engine.perform

    def refuses(step: Step) -> None:
        if isinstance(step, RemoveImage) and step.image == "web:1":
            raise EngineError("cannot remove it")
        perform(step)

    monkeypatch.setattr(one.engine, "perform", refuses)
    assert [line.split()[2] for line in one.obey(web("web:3")).removed] == ["web:2"]
    monkeypatch.undo()
    assert [line.split()[2] for line in one.obey(web("web:3")).removed] == ["web:1"]


def menu(content: str, image: str = "web:1") -> Fleet:
    services = {"web": {"image": image, "configs": [{"source": "menu", "target": "/menu"}]}}
    return {"shop": {"services": services, "configs": {"menu": {"content": content}}}}


def test_configs_that_nobody_has_any_more_go_at_once(one: Device) -> None:
    one.obey(menu("red"))
    one.obey(menu("blue"))
    assert list(one.engine.configs.values()) == [b"blue"]
    one.obey({})
    assert one.engine.configs == {}


def test_configs_that_a_container_mounts_or_that_may_be_gone_back_to_stay(one: Device) -> None:
    one.obey(menu("red"))
    one.engine.behaviours["web:2"] = "missing"
    one.obey(menu("blue", "web:2"))
    assert list(one.engine.configs.values()) == [b"red"]
    one.obey(menu("green", "web:bad"))
    assert b"red" in one.engine.configs.values()


def test_while_an_app_is_not_rendered_no_config_goes(one: Device) -> None:
    one.obey(menu("red"))
    one.engine.configs["0" * 64] = b"whose?"
    one.obey({}, untouched=frozenset({"shop"}))
    assert "0" * 64 in one.engine.configs


def test_the_memory_of_images_is_bounded_and_forgets_the_oldest() -> None:
    nothing = ObservedState("press")
    pulled = Pulled()
    for number in range(MAX_PULLED + 10):
        pulled = remember_pulled(pulled, [f"web:{number}"], (), nothing, 1.0 + number)
    assert len(pulled.unneeded_since) == MAX_PULLED
    assert collectable(pulled)[0] == "web:10"
