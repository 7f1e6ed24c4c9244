"""Pulls beside the passes: how many at once, when again, what is given up, and what is told. Time is a script here."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from reconciler.agent.engine.pull_progress import Layers, Progress, Tell
from reconciler.agent.engine.pulls import MOST_AT_ONCE, Pulls, Threads
from reconciler.agent.state.backoff import JITTER, RETRY_FACTOR, RETRY_MOST_SECONDS, RETRY_SECONDS
from reconciler.agent.state.moment import boot_seconds
from reconciler.errors import EngineUnavailable, ImagePending, ImageUnavailable, ReconcilerError
from reconciler.planning import PullImage

NOON = 1_800_000_000.0


@dataclass
class Registry:
    """Images that come when the script says so; and the machinery, whose threads are acts that somebody calls."""

    time: float = 0.0
    # What somebody has set the clock on the wall to, at time 0.
    set_to: float = NOON
    rings: int = 0
    aside_: list[Callable[[], None]] = field(default_factory=list)
    timers: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    pulled: list[str] = field(default_factory=list)
    broken: dict[str, Exception] = field(default_factory=dict)
    progress: Progress = field(default_factory=lambda: Progress(1, 2, 30, 100))
    meanwhile: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.set_to + self.time

    def aside(self, name: str, act: Callable[[], None]) -> None:
        self.aside_.append(act)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        self.timers.append((self.time + seconds, act))

    def ring(self) -> None:
        self.rings += 1

    def pull(self, image: str, platform: str, tell: Tell) -> None:
        if image in self.broken:
            raise self.broken[image]
        tell(self.progress)
        self.meanwhile()
        tell(self.progress)
        self.pulled.append(image)

    def work(self) -> None:
        """Let every thread that stands there come to its end."""
        acts, self.aside_ = self.aside_, []
        for act in acts:
            act()

    def wait_for_timers(self) -> float:
        """Let time pass until the next timer; the seconds that it took."""
        (at, act), *self.timers = sorted(self.timers, key=lambda timer: timer[0])
        waited, self.time = at - self.time, at
        act()
        return waited


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def pulls(registry: Registry) -> Pulls:
    return Pulls(registry.pull, registry.ring, registry)


def step(image: str, app: str = "shop") -> PullImage:
    return PullImage(app, f"{app}/web", f"{image} is not on the device", image)


def told(pulls: Pulls, image: str, app: str = "shop") -> ReconcilerError:
    with pytest.raises(ImageUnavailable) as caught:
        pulls.want(step(image, app))
    return caught.value


def test_a_pass_does_not_wait_and_is_woken_when_the_image_is_here(registry: Registry, pulls: Pulls) -> None:
    assert isinstance(told(pulls, "web:1"), ImagePending)
    assert (registry.pulled, registry.rings) == ([], 0)
    registry.work()
    assert (registry.pulled, registry.rings) == (["web:1"], 1)
    assert pulls.end_pass() == (step("web:1"),)
    assert pulls.end_pass() == (), "it is told once"


def test_an_image_that_two_apps_want_is_pulled_once(registry: Registry, pulls: Pulls) -> None:
    told(pulls, "web:1", "bar")
    told(pulls, "web:1", "shop")
    registry.work()
    assert registry.pulled == ["web:1"]


def test_so_many_are_pulled_at_once_and_the_others_in_their_turn(registry: Registry, pulls: Pulls) -> None:
    images = [f"web:{number}" for number in range(MOST_AT_ONCE + 2)]
    last = [told(pulls, image) for image in images][-1]
    assert "is pulled when others are here" in str(last)
    assert len(registry.aside_) == MOST_AT_ONCE
    registry.work()
    assert registry.pulled == images[:MOST_AT_ONCE]
    registry.work()
    assert registry.pulled == images


def test_progress_is_told_in_tenths_so_that_reports_do_not_change_with_every_byte(
    registry: Registry, pulls: Pulls
) -> None:
    seen: list[str] = []
    registry.meanwhile = lambda: seen.append(str(told(pulls, "web:1")))
    registry.progress = Progress(1, 2, 39_999, 100_000)
    told(pulls, "web:1")
    registry.work()
    assert seen == ["pulling web:1, 30 % of it is here"]


def test_what_fails_is_tried_again_later_and_later_and_says_when(registry: Registry, pulls: Pulls) -> None:
    registry.broken["web:1"] = ImageUnavailable("cannot pull web:1: manifest unknown")
    told(pulls, "web:1")
    waits = []
    for _ in range(10):
        registry.work()
        failed = told(pulls, "web:1")
        assert not isinstance(failed, ImagePending)
        assert str(failed).startswith(
            "cannot pull web:1: manifest unknown; nothing was stopped; the next try is at 2027"
        )
        waits.append(registry.wait_for_timers())
    for tries, wait in enumerate(waits):
        asked = min(RETRY_SECONDS * RETRY_FACTOR**tries, RETRY_MOST_SECONDS)
        assert asked * (1 - JITTER) <= wait <= asked
    del registry.broken["web:1"]
    registry.work()
    assert registry.pulled == ["web:1"]


@pytest.mark.parametrize("jump", [-200_000_000.0, 200_000_000.0])
def test_a_clock_that_is_set_neither_stops_nor_hurries_what_is_tried_again(
    jump: float, registry: Registry, pulls: Pulls
) -> None:
    registry.broken["web:1"] = ImageUnavailable("cannot pull web:1: no route")
    told(pulls, "web:1")
    registry.work()
    before = str(told(pulls, "web:1"))
    registry.set_to += jump
    assert str(told(pulls, "web:1")) == before, "each pass that tells something else is another report"
    assert registry.aside_ == []
    del registry.broken["web:1"]
    assert registry.wait_for_timers() <= RETRY_SECONDS
    registry.work()
    assert registry.pulled == ["web:1"]


def test_what_is_due_is_judged_by_the_clock_that_nobody_sets() -> None:
    real = Threads()
    assert real.now() == pytest.approx(boot_seconds(), abs=60)
    assert real.wall() == pytest.approx(time.time(), abs=60)


def test_a_failed_pull_holds_no_place(registry: Registry, pulls: Pulls) -> None:
    for number in range(MOST_AT_ONCE):
        registry.broken[f"bad:{number}"] = ImageUnavailable("cannot pull")
        told(pulls, f"bad:{number}")
    told(pulls, "web:1")
    registry.work()
    registry.work()
    assert registry.pulled == ["web:1"]


def test_when_the_network_is_back_nothing_waits_out_its_time(registry: Registry, pulls: Pulls) -> None:
    registry.broken["web:1"] = ImageUnavailable("cannot pull web:1: no route")
    told(pulls, "web:1")
    registry.work()
    del registry.broken["web:1"]
    pulls.hurry()
    registry.work()
    assert registry.pulled == ["web:1"]


def test_what_nobody_asks_for_any_more_is_given_up_in_the_middle(registry: Registry, pulls: Pulls) -> None:
    def pass_that_wants_another() -> None:
        registry.meanwhile = lambda: None
        told(pulls, "web:2")
        pulls.end_pass()

    told(pulls, "web:1")
    pulls.end_pass()
    registry.meanwhile = pass_that_wants_another
    registry.work()
    assert registry.pulled == []
    registry.work()
    assert registry.pulled == ["web:2"]
    assert pulls.end_pass() == (step("web:2"),)


def test_what_is_wanted_again_after_it_was_given_up_is_pulled(registry: Registry, pulls: Pulls) -> None:
    told(pulls, "web:1")
    pulls.end_pass()
    pulls.end_pass()
    told(pulls, "web:1")
    registry.work()
    assert registry.pulled == ["web:1"]


@pytest.mark.parametrize("error", [EngineUnavailable("no Docker Engine answers"), ZeroDivisionError("a defect")])
def test_no_error_of_a_pull_keeps_it_from_being_tried_again(
    error: Exception, registry: Registry, pulls: Pulls, caplog: pytest.LogCaptureFixture
) -> None:
    registry.broken["web:1"] = error
    told(pulls, "web:1")
    registry.work()
    assert "the next try is at" in str(told(pulls, "web:1"))
    del registry.broken["web:1"]
    registry.wait_for_timers()
    registry.work()
    assert registry.pulled == ["web:1"]


LINES = [
    {"status": "Pulling from web", "id": "1"},
    {"status": "Pulling fs layer", "progressDetail": {}, "id": "a"},
    {"status": "Pulling fs layer", "progressDetail": {}, "id": "b"},
    {"status": "Already exists", "progressDetail": {}, "id": "c"},
    {"status": "Downloading", "progressDetail": {"current": 10, "total": 100}, "id": "a"},
    {"status": "Downloading", "progressDetail": {"current": 50, "total": 100}, "id": "a"},
    {"status": "Download complete", "progressDetail": {}, "id": "a"},
    {"status": "Extracting", "progressDetail": {"current": 900, "total": 1000}, "id": "a"},
    {"status": "Downloading", "progressDetail": {"current": 20, "total": 40}, "id": "b"},
]


def test_progress_adds_up_the_bytes_of_the_network() -> None:
    layers = Layers()
    for line in LINES:
        layers.add(line)
    assert layers.progress == Progress(layers_here=2, layers=3, bytes_here=120, bytes=140)
    assert layers.progress.missing == 20
    assert str(layers.progress) == "2 of 3 layers, 0.0 MB of 0.0 MB"


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"status": "Downloading"},
        {"status": "Downloading", "id": 7},
        {"status": "Downloading", "id": "a", "progressDetail": None},
        {"status": "Downloading", "id": "a", "progressDetail": {"current": "many", "total": -1}},
        {"status": ["Downloading"], "id": "a"},
    ],
)
def test_a_line_that_is_none_of_the_apis_counts_no_bytes(line: dict[str, object]) -> None:
    layers = Layers()
    layers.add(line)
    assert (layers.progress.bytes, layers.progress.missing) == (0, 0)
