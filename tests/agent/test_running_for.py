"""However the clock is set: a run never seems longer than it is."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler.agent.engine.running_for import STEP_SECONDS, Moment, Run, Watched, seconds_of_run, watched

NOON = 1_800_000_000.0
# To the next look: the seconds, and by how much the clock is set on the way, after how much of it.
SETS = st.one_of(st.just(0.0), st.floats(-2, 2), st.floats(-1e7, 1e7))
ON = st.tuples(st.floats(0, 100), SETS, st.floats(0, 1))


@given(before=st.lists(ON, max_size=5), start=st.floats(0, 1), after=st.lists(ON, min_size=1, max_size=8))
def test_no_setting_of_the_clock_makes_a_run_longer(
    before: list[tuple[float, float, float]], start: float, after: list[tuple[float, float, float]]
) -> None:
    """The container starts on the way to the first look of `after`; those before it are at other containers."""
    time, offset = 0.0, NOON
    since, seen = Moment(NOON, 0.0), None
    began, run = 0.0, Run(0.0, 0)
    for number, (seconds, jump, when) in enumerate([*before, *after]):
        if number == len(before):
            began = time + seconds * start
            run = Run(began + offset + (jump if start > when else 0.0), 0)
        time, offset = time + seconds, offset + jump
        now = Moment(time + offset, time)
        since = since if now.is_of_the_same_setting(since) else now
        if number >= len(before):
            seen = watched(seen, run, now)
            told = seconds_of_run(seen, since, now)
            assert 0 <= told <= time - began + 2 * STEP_SECONDS + 1e-5


def test_another_start_is_another_run() -> None:
    first = Watched(Run(NOON, 0), 10.0)
    now = Moment(NOON + 60, 70.0)
    assert watched(first, Run(NOON, 0), now) == first
    assert watched(first, Run(NOON + 1, 0), now) == Watched(Run(NOON + 1, 0), 70.0)
    assert watched(first, Run(NOON, 1), now) == Watched(Run(NOON, 1), 70.0)
