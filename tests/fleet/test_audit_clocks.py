"""What `fleet audit` reads out of reports whose device had a wrong clock for a while: their order is the branch's."""

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.fleet.audit import at, stays
from reconciler.fleet.history import Heard
from reconciler.fleet.report_times import wrong_places
from reconciler.model import Report, Revisions

A, B = "a" * 40, "b" * 40
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def day(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}T00:00:00+00:00")


def said(*lines: str) -> list[Heard]:
    """Reports in the order of the branch, as `A 2026-01-01`."""
    made = []
    for number, line in enumerate(lines):
        letter, text = line.split()
        applied = f"main@sha1:{letter.lower() * 40}"
        report = Report("d1", "Healthy", "t", Revisions(applied=applied), sequence=number + 1)
        made.append(Heard("d1", report, day(text), f"{number:040}"))
    return made


AHEAD = said("A 2026-01-01", "A 2036-01-01", "A 2026-02-01", "B 2026-03-01", "B 2026-04-01")
BEHIND = said("A 2026-01-01", "A 2026-02-01", "B 2026-03-01", "B 1970-01-01", "B 2026-04-01")
AT_ITS_BEGIN = said("A 2026-01-01", "A 2026-02-01", "B 1970-01-01", "B 2026-03-01")
AT_ITS_END = said("A 2026-01-01", "B 2026-02-01", "B 1970-01-01", "A 2026-03-01")
NEWEST = said("A 2026-01-01", "B 2026-02-01", "B 2036-01-01")
ALONE = said("A 2026-01-01", "A 2026-02-01", "B 1970-01-01", "A 2026-03-01")

# Of each, where a commit ran: from, until, and which times are told as wrong.
RAN = {
    "ahead while the one before ran": (AHEAD, A, [("2026-01-01", "2026-03-01", ["2036-01-01"])]),
    "ahead, seen from the one behind": (AHEAD, B, [("2026-03-01", "", [])]),
    "behind while it ran": (BEHIND, B, [("2026-03-01", "", ["1970-01-01"])]),
    "behind, seen from the one before": (BEHIND, A, [("2026-01-01", "2026-03-01", [])]),
    "behind when it began": (AT_ITS_BEGIN, B, [("2026-03-01", "", ["1970-01-01"])]),
    "behind when it began, seen from the one before": (
        AT_ITS_BEGIN, A, [("2026-01-01", "1970-01-01", ["1970-01-01"])],
    ),
    "behind when it ended": (AT_ITS_END, B, [("2026-02-01", "2026-03-01", ["1970-01-01"])]),
    "ahead until now": (NEWEST, B, [("2026-02-01", "", ["2036-01-01"])]),
    "behind in its only report": (ALONE, B, [("1970-01-01", "2026-03-01", ["1970-01-01"])]),
    "before it and after it": (
        ALONE, A, [("2026-01-01", "1970-01-01", ["1970-01-01"]), ("2026-03-01", "", [])],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", RAN)
def test_where_a_commit_ran(case: str) -> None:
    reports, commit, wanted = RAN[case]
    told = [
        (
            f"{one.first.signed_at:%Y-%m-%d}",
            f"{one.until:%Y-%m-%d}" if one.until else "",
            [f"{time:%Y-%m-%d}" for time in one.wrong_times],
        )
        for one in stays(reports, commit, NOW)
    ]
    assert told == wanted


# What ran at a time: the commit, since when, and which times are told as wrong.
THEN = {
    "before the wrong time": (AHEAD, "2026-01-15", (A, "2026-01-01", ["2036-01-01"])),
    "behind the wrong time": (AHEAD, "2026-02-15", (A, "2026-01-01", ["2036-01-01"])),
    "when the next one ran": (AHEAD, "2026-05-01", (B, "2026-03-01", [])),
    "long before a clock fell back": (BEHIND, "2026-01-15", (A, "2026-01-01", [])),
    "behind a clock that fell back": (BEHIND, "2026-05-01", (B, "2026-03-01", ["1970-01-01"])),
    "before a clock that fell back was right again": (AT_ITS_BEGIN, "2026-02-15", (A, "2026-01-01", ["1970-01-01"])),
    "now, and the newest is of the future": (NEWEST, "2026-06-01", (B, "2026-02-01", ["2036-01-01"])),
}


@pytest.mark.parametrize("case", THEN)
def test_what_ran_at_a_time(case: str) -> None:
    reports, moment, wanted = THEN[case]
    known = at(reports, day(moment), NOW)
    assert known is not None
    times = [f"{time:%Y-%m-%d}" for time in known.wrong_times]
    assert (known.newest.applied, f"{known.since.signed_at:%Y-%m-%d}", times) == wanted


def test_nothing_ran_before_the_first_report() -> None:
    for reports in (AHEAD, BEHIND, AT_ITS_BEGIN, NEWEST, []):
        assert at(reports, day("2025-12-31"), NOW) is None


def test_of_many_times_as_few_as_possible_are_wrong() -> None:
    times = [NOW + timedelta(minutes=number - 5000) for number in range(5000)]
    for place in range(0, 5000, 7):
        times[place] = NOW - timedelta(days=365 * 10, minutes=place)
    assert wrong_places(times, NOW) == frozenset(range(0, 5000, 7)) - {0}


def test_the_same_time_twice_is_not_wrong() -> None:
    assert wrong_places([NOW, NOW, NOW], NOW) == frozenset()
