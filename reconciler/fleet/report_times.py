"""Which times of a device's reports go against their order on the status branch: a clock was wrong. Pure.

A device writes to the branch, or is collected, one report after the other, whatever its clock says meanwhile. So the
branch has the order, and a time is a device's word for people.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

# Clocks of two machines differ by seconds.
AHEAD_SECONDS = 60


def wrong_places(times: Sequence[datetime], now: datetime) -> frozenset[int]:
    """The places of those that are of the future, and of as few others as it takes to have the rest grow.

    `times` are in the order of the branch.
    """
    come = [place for place, time in enumerate(times) if time <= now + timedelta(seconds=AHEAD_SECONDS)]
    rising = _rising([times[place].timestamp() for place in come])
    return frozenset(range(len(times))) - {come[place] for place in rising}


def _rising(times: Sequence[float]) -> list[int]:
    """The places of a longest row of numbers that never falls, from its end.

    `rows[n]` are the places at which such a row of n + 1 may end; their numbers fall. Where there is a choice, the
    greatest is taken: more clocks lose their time than run ahead.
    """
    lowest: list[float] = []
    rows: list[list[int]] = []
    before: list[int] = []
    for place, time in enumerate(times):
        length = bisect_right(lowest, time)
        if length == len(rows):
            lowest.append(time)
            rows.append([])
        lowest[length] = time
        ends = rows[length - 1] if length else []
        before.append(ends[bisect_left(ends, -time, key=lambda end: -times[end])] if ends else -1)
        rows[length].append(place)
    place, found = rows[-1][0] if rows else -1, []
    while place >= 0:
        found.append(place)
        place = before[place]
    return found
