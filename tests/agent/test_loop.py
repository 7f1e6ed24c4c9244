"""When a device asks Git, when it heals, and how long it leaves alone what somebody undoes. Time is a script here."""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from reconciler.agent.docker_engine import DockerEngine
from reconciler.agent.docker_engine.answers import change, foreign
from reconciler.agent.service.fights import MOST_SECONDS, PATIENCE, Fights
from reconciler.agent.service.loop import (
    SECOND_LOOK_SECONDS,
    SETTLE_MOST_SECONDS,
    SETTLE_SECONDS,
    Loop,
    Passes,
    Rung,
    delay,
)
from reconciler.errors import EngineError, EngineUnavailable
from tests.fakes.files import service_files

INTERVAL = 60.0


@dataclass
class Script:
    """A clock, and a bell that is rung at these times: `c` for a change, `n` for a nudge."""

    rings: list[tuple[float, str]]
    end: float
    now: float = 0.0
    told: list[tuple[str, float]] = field(default_factory=list)
    steps: tuple[str, ...] = ()
    # For so long the server wants to be left alone, after each pass.
    rests: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    @property
    def stopped(self) -> bool:
        return self.now >= self.end

    def wait(self, seconds: float) -> Rung:
        until = self.now + max(0.0, seconds)
        if self.rings and self.rings[0][0] <= until:
            at, kind = self.rings.pop(0)
            self.now = max(self.now, at)
            return Rung.CHANGE if kind == "c" else Rung.NUDGE
        self.now = until
        return Rung.NOT

    def reconcile(self) -> float:
        self.told.append(("reconcile", round(self.now, 3)))
        return self.rests.pop(0) if self.rests else 0.0

    def heal(self) -> tuple[str, ...]:
        self.told.append(("heal", round(self.now, 3)))
        return self.steps

    def run(self) -> list[tuple[str, float]]:
        Loop(Passes(self.reconcile, self.heal), INTERVAL, "press", self, self.clock).run()  # type: ignore[arg-type]
        return self.told


def test_a_nudge_that_comes_as_a_second_look_is_due_is_not_lost() -> None:
    """On a busy machine it may be read only when its time is over."""
    due = 10.0 + SETTLE_SECONDS + SECOND_LOOK_SECONDS
    told = Script([(10.0, "c"), (due, "n")], due + 1).run()
    assert told[-1] == ("reconcile", round(due, 3))


def test_a_server_that_asks_for_rest_gets_it_and_a_nudge_ends_it() -> None:
    rested = Script([], 1000, rests=[300.0, 0.0]).run()
    assert 300 <= rested[1][1] <= 300 * 1.25
    assert rested[2][1] - rested[1][1] < INTERVAL * 1.2, "once it answers, all is as before"
    assert Script([], 130, rests=[1.0]).run()[1][1] >= INTERVAL * 0.9, "a short rest makes nobody come sooner"
    assert Script([(5.0, "n")], 10, rests=[300.0]).run() == [("reconcile", 0.0), ("reconcile", 5.0)]


def test_without_a_word_git_is_asked_at_each_interval() -> None:
    first = delay(INTERVAL, "press", 1)
    second = first + delay(INTERVAL, "press", 2)
    assert Script([], 130).run() == [
        ("reconcile", 0.0),
        ("reconcile", round(first, 3)),
        ("reconcile", round(second, 3)),
    ]


def test_a_change_is_healed_at_once_and_git_is_not_asked_sooner() -> None:
    told = Script([(10.0, "c")], 61, steps=("start      shop/web",)).run()
    assert told[:2] == [("reconcile", 0.0), ("heal", 10.0 + SETTLE_SECONDS)]
    assert told[2] == ("reconcile", round(delay(INTERVAL, "press", 1), 3))


def test_where_a_look_after_an_event_finds_all_well_another_one_follows() -> None:
    first = 10.0 + SETTLE_SECONDS
    told = Script([(10.0, "c")], 30).run()
    assert told == [("reconcile", 0.0), ("heal", first), ("heal", first + SECOND_LOOK_SECONDS)]


def test_a_nudge_before_the_second_look_asks_git() -> None:
    told = Script([(10.0, "c"), (10.5, "n")], 20).run()
    assert told == [("reconcile", 0.0), ("heal", 10.0 + SETTLE_SECONDS), ("reconcile", 10.5)]


def test_a_crowd_of_events_is_one_healing() -> None:
    told = Script([(10.0, "c"), (10.01, "c"), (10.05, "c")], 20, steps=("start      shop/web",)).run()
    assert told == [("reconcile", 0.0), ("heal", 10.05 + SETTLE_SECONDS)]


def test_events_that_never_end_do_not_keep_it_from_healing() -> None:
    told = Script([(10.0 + number / 20, "c") for number in range(40)], 11, steps=("wait       shop/web",)).run()
    assert told[1] == ("heal", 10.0 + SETTLE_MOST_SECONDS)


@pytest.mark.parametrize("rings", [[(10.0, "n")], [(9.95, "c"), (10.0, "n")]], ids=["alone", "while things settle"])
def test_a_nudge_asks_git(rings: list[tuple[float, str]]) -> None:
    assert Script(rings, 20).run() == [("reconcile", 0.0), ("reconcile", 10.0)]


def test_who_undoes_what_we_do_is_left_alone_for_longer_and_longer() -> None:
    script = Script([(float(second), "c") for second in range(1, 50)], 50, steps=("start shop/web was stopped",))
    healed = [at for word, at in script.run() if word == "heal"]
    gaps = [round(later - earlier) for earlier, later in pairwise(healed)]
    assert gaps[:PATIENCE] == [1, 1, 1]
    assert gaps[PATIENCE:] == sorted(gaps[PATIENCE:])
    assert gaps[-1] >= 8


def test_a_healing_that_finds_nothing_is_no_fight() -> None:
    script = Script([(float(second), "c") for second in range(1, 20)], 20)
    assert len([word for word, _ in script.run() if word == "heal"]) == 19 + 1, "and the second look at the end"


def test_an_error_ends_a_healing_and_not_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    script = Script([(1.0, "c"), (2.0, "c")], 10)

    def fails() -> tuple[str, ...]:
        script.heal()
        raise EngineUnavailable("no Docker Engine answers") if len(script.told) == 2 else ZeroDivisionError

    Loop(Passes(script.reconcile, fails), INTERVAL, "press", script, script.clock).run()  # type: ignore[arg-type]
    assert [word for word, _ in script.told] == ["reconcile", "heal", "heal", "heal"]
    assert "no Docker Engine answers" in caplog.text
    assert "a defect of the reconciler" in caplog.text


def test_waiting_is_no_fight() -> None:
    fights = Fights()
    for second in range(20):
        fights.note(["wait       shop/web                     started"], float(second))
    assert fights.gap(20.0) == 0.0


def test_a_fight_is_forgotten_after_a_minute() -> None:
    fights = Fights()
    for second in range(20):
        fights.note(["start web", "wait web"], float(second))
    assert fights.gap(20.0) == MOST_SECONDS
    assert fights.worst(20.0)[1] == 20
    assert fights.gap(100.0) == 0.0
    assert fights.worst(100.0) == ("", 0)


def test_a_container_of_others_without_labels_is_one_of_others() -> None:
    found = {"Id": "1", "Names": ["/theirs"], "Image": "a", "ImageID": "b", "State": "running", "Status": "Up"}
    shown = foreign({**found, "Labels": None, "NetworkSettings": {"Networks": None}, "Mounts": []})
    assert (shown.name, shown.app, shown.service) == ("theirs", "", "")


@pytest.mark.parametrize(("more", "app"), [({}, "edge"), ({"fleet.agent": "reconciler"}, "")])
def test_of_an_agents_own_container_no_app_can_say_that_it_is_its(more: dict[str, str], app: str) -> None:
    """What Compose made, an app may adopt; whoever adopted himself would stop in the middle."""
    compose = {"com.docker.compose.project": "edge", "com.docker.compose.service": "reconciler"}
    found = {"Id": "1", "Names": ["/reconciler"], "Image": "a", "ImageID": "b", "State": "running", "Status": "Up"}
    shown = foreign({**found, "Labels": compose | more, "NetworkSettings": {"Networks": None}, "Mounts": []})
    assert (shown.name, shown.app) == ("reconciler", app)


OURS = {"fleet.device": "press", "name": "shop-web-1"}
EVENTS = [
    ({"Type": "container", "Action": "die", "Actor": {"Attributes": OURS}}, "shop-web-1 die"),
    ({"Type": "container", "Action": "health_status: unhealthy", "Actor": {"Attributes": OURS}}, "shop-web-1 health"),
    ({"Type": "container", "Action": "exec_start: wget", "Actor": {"Attributes": OURS}}, ""),
    ({"Type": "container", "Action": "die", "Actor": {"Attributes": {"fleet.device": "other"}}}, ""),
    ({"Type": "container", "Action": "die", "Actor": {"Attributes": {}}}, ""),
    (
        {"Type": "network", "Action": "disconnect", "Actor": {"Attributes": {"name": "shop_default"}}},
        "network disconnect",
    ),
    ({"Type": "network", "Action": "create", "Actor": {"Attributes": {}}}, ""),
    ({"Type": "image", "Action": "tag", "Actor": {"Attributes": {"name": "web:1"}}}, "image tag"),
    ({"Type": "image", "Action": "delete", "Actor": {"Attributes": {"name": "sha256:0"}}}, "image delete"),
    ({"Type": "image", "Action": "save", "Actor": {"Attributes": {"name": "web:1"}}}, ""),
]


@pytest.mark.parametrize(("event", "told"), EVENTS)
def test_events_that_concern_the_device_wake_it(event: dict[str, object], told: str) -> None:
    assert change(event, "press").startswith(told)
    assert bool(change(event, "press")) == bool(told)


@pytest.mark.parametrize("actor", [None, [], {}, {"Attributes": None}, {"Attributes": []}])
def test_an_event_that_is_none_of_the_apis_is_an_error_that_the_listener_outlives(
    actor: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Api:
        def events(self, **_: object) -> list[object]:
            return [{"Type": "container", "Action": "die", "Actor": actor}]

    monkeypatch.setattr("docker.APIClient", lambda **_: Api())
    engine = DockerEngine("unix:///run/none.sock", "press", service_files(tmp_path))
    with pytest.raises(EngineError, match="none of the API's"):
        next(engine.changes())
