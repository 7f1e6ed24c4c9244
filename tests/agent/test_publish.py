"""Who records and who sends: what happens to a report that is recorded while another one is on its way."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.agent.passes.publish import Publisher
from reconciler.agent.state.journal import Journal
from reconciler.errors import RemoteUnavailable, StateError
from reconciler.model import AppReport, Report, Revisions, ServiceReport

REPORT = Report(
    device="press-1", time="2026-06-01T00:00:00Z", phase="Healthy", revisions=Revisions(), steps=("start a/b",)
)
LATER = replace(REPORT, time="2026-06-01T00:01:00Z", sequence=2, disk_free_bytes=7)


class Link:
    """Notes what is sent; something happens while it does."""

    def __init__(self) -> None:
        self.sent: list[Report] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def deliver(self, report: Report, now: float) -> None:
        self.sent.append(report)
        self.meanwhile()


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture
def publisher(link: Link, tmp_path: Path) -> Publisher:
    made = Publisher(link, Journal(tmp_path), 900.0)
    assert made.record(REPORT, 0.0) is None
    return made


def test_what_says_the_same_at_another_time_is_not_sent_again(link: Link, publisher: Publisher) -> None:
    """A link on which a report takes longer than a pass would be full of them for ever."""
    link.meanwhile = lambda: publisher.record(LATER, 60.0)
    for now in (1.0, 2.0):
        assert publisher.send(now) is None
    assert link.sent == [REPORT]
    assert publisher.previous is not None
    assert (publisher.previous.report, publisher.previous.is_sent) == (REPORT, True)


MANY = tuple(f"start a/{number}" for number in range(100))


@pytest.mark.parametrize(
    ("phase", "steps", "behind"),
    [
        ("Failed", ("start a/b",), ()),
        ("Healthy", ("start a/b", "stop a/b"), ("stop a/b",)),
        ("Healthy", ("start a/b", "start a/b"), ("start a/b",)),
        ("Healthy", ("stop a/b",), ("stop a/b",)),
        ("Healthy", MANY, MANY),
    ],
)
def test_news_that_came_meanwhile_are_sent_next_and_no_step_twice(
    phase: str, steps: tuple[str, ...], behind: tuple[str, ...], link: Link, publisher: Publisher
) -> None:
    newer = replace(LATER, phase=phase, steps=steps)
    link.meanwhile = lambda: publisher.record(newer, 60.0)
    publisher.send(1.0)
    link.meanwhile = lambda: None
    publisher.send(2.0)
    publisher.send(3.0)
    assert link.sent == [REPORT, replace(newer, steps=behind)]


def test_of_more_steps_than_a_report_holds_none_is_told_twice(link: Link, publisher: Publisher) -> None:
    """The oldest were cut off while the report that tells them was on its way."""
    publisher.record(replace(LATER, steps=MANY), 1.0)
    newer = replace(LATER, steps=(*MANY, "stop a/b")[-100:])
    link.meanwhile = lambda: publisher.record(newer, 60.0)
    publisher.send(1.0)
    link.meanwhile = lambda: None
    assert not publisher.is_heard
    publisher.send(2.0)
    assert link.sent[1].steps == ("stop a/b",)
    assert publisher.is_heard


def test_what_waits_is_written_again_for_news_or_once_a_heartbeat(publisher: Publisher, tmp_path: Path) -> None:
    """An outage of a week must not wear out a card by a write each pass."""

    def writes(report: Report, now: float) -> bool:
        before = (tmp_path / "report.json").stat().st_ino
        assert publisher.record(report, now) is None
        return (tmp_path / "report.json").stat().st_ino != before

    assert [now for now in range(60, 3600, 60) if writes(LATER, float(now))] == [900, 1800, 2700]
    assert writes(replace(LATER, phase="Failed"), 3600.0)
    assert not writes(replace(LATER, phase="Failed", sequence=9), 3660.0)
    assert writes(replace(LATER, phase="Failed", steps=(*LATER.steps, "stop a/b")), 3720.0)
    assert writes(replace(LATER, phase="Failed", steps=(*LATER.steps, "stop a/b")), 0.0), "the clock was set back"


def test_what_could_not_be_sent_waits(link: Link, publisher: Publisher) -> None:
    def refuse() -> None:
        raise RemoteUnavailable("no answer")

    link.meanwhile = refuse
    assert "no answer" in str(publisher.send(1.0))
    link.meanwhile = lambda: None
    assert publisher.send(2.0) is None
    assert link.sent == [REPORT, REPORT]


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The disk takes nothing, until this is undone."""

    def refuse(*_: object) -> None:
        raise StateError("cannot be written: No space left on device")

    monkeypatch.setattr("reconciler.agent.state.journal.write_atomically", refuse)
    return monkeypatch


def test_a_disk_that_takes_nothing_does_not_silence_a_device(
    link: Link, publisher: Publisher, full: pytest.MonkeyPatch
) -> None:
    publisher.send(1.0)
    failed = replace(LATER, phase="Failed", steps=())
    assert "No space left" in str(publisher.record(failed, 60.0))
    publisher.hold(failed, 60.0)
    assert publisher.send(61.0) is None
    assert publisher.send(62.0) is None
    assert link.sent == [REPORT, failed]
    for now, sent in ((600.0, 2), (961.0, 3), (1200.0, 3), (1861.0, 4)):
        publisher.hold(replace(failed, sequence=int(now)), now)
        publisher.send(now)
        assert len(link.sent) == sent, f"a heartbeat at {now}"
    full.undo()
    well = replace(failed, phase="Healthy", sequence=9)
    assert publisher.record(well, 1900.0) is None
    assert publisher.send(1901.0) is None
    assert link.sent[4:] == [well]


def test_what_is_held_and_could_not_be_sent_waits_too(
    link: Link, publisher: Publisher, full: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise RemoteUnavailable("no answer")

    publisher.send(1.0)
    failed = replace(LATER, phase="Failed", steps=())
    publisher.hold(failed, 60.0)
    link.meanwhile = refuse
    assert "no answer" in str(publisher.send(61.0))
    link.meanwhile = lambda: None
    publisher.send(62.0)
    assert link.sent == [REPORT, failed, failed]
    del full


def of_service(report: Report, **fields: object) -> Report:
    service = ServiceReport("serve", state="running", **fields)  # type: ignore[arg-type]  # each test gives its own
    return replace(report, steps=(), apps=(AppReport("web", "Healthy", services=(service,)),))


@pytest.mark.parametrize(
    ("before", "after", "is_news"),
    [
        ({"started_at": "2026-06-01T00:00:00Z"}, {"started_at": "2026-06-01T00:00:30Z"}, False),
        ({}, {"restarts": 1}, True),
        ({"restarts": 4}, {"restarts": 7}, False),
        ({"restarts": 7}, {"restarts": 8}, True),
        ({"restarts": 900}, {}, True),
        ({}, {"out_of_memory": True}, True),
    ],
)
def test_of_how_a_service_runs_only_what_somebody_would_ask_about_is_news(
    before: dict[str, object], after: dict[str, object], is_news: bool
) -> None:
    assert of_service(LATER, **after).differs_from(of_service(REPORT, **before)) is is_news


def test_what_a_service_wrote_is_no_news_by_itself() -> None:
    """It is tried again and again, and writes each time what time it is."""
    before, after = (AppReport("web", "Failed", log=(line,)) for line in ("10:00 cannot start", "10:01 cannot start"))
    assert not replace(LATER, steps=(), apps=(after,)).differs_from(replace(REPORT, apps=(before,)))


def test_a_crash_loop_of_a_year_makes_few_reports(link: Link, publisher: Publisher) -> None:
    """Started again each minute: what counts up may not fill the branch."""
    publisher.send(1.0)
    for restarts in range(1, 500_000, 7):
        publisher.record(of_service(LATER, restarts=restarts), 2.0)
        publisher.send(2.0)
    assert len(link.sent) <= 20
