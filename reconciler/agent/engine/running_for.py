"""For how long has a container run? What the Engine says of its start is by a clock that anybody may set: a step back
would make a good container fail its wait, a step forward would prove a bad one at once. So two things count that no
step can fake, and the longer of the two.

- What we have watched ourselves, by the monotonic clock, since the first look that showed this run.
- What the Engine says of its start, as far back as we know that nobody has set the clock. `monitor` is how long to
  watch after a change (Compose Specification, `update_config`); without this, a container that was started before its
  wait, as those of a plan are one after the other, or one that runs since last week, would be watched all over again.
"""

from dataclasses import dataclass

# A smaller step cannot be told from two clocks that are not read at the very same moment. By twice this, once to each
# side, a run may seem longer than it is.
STEP_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment by two clocks: in seconds since 1970, and of a clock that nobody sets."""

    wall: float
    steady: float

    def is_of_the_same_setting(self, earlier: "Moment") -> bool:
        """Did nobody set the clock in between? After the machine slept, which no steady clock counts, it says no."""
        jump = (self.wall - self.steady) - (earlier.wall - earlier.steady)
        return abs(jump) < STEP_SECONDS


@dataclass(frozen=True, slots=True)
class Run:
    """From one start of a container to its end, by what only a start changes; `started` is in seconds since 1970."""

    started: float
    restarts: int


@dataclass(frozen=True, slots=True)
class Watched:
    """A run, and when it was first seen, by the clock that nobody sets."""

    run: Run
    since: float


def watched(before: Watched | None, run: Run, now: Moment) -> Watched:
    """What was watched before, if it is the same run; otherwise one that begins now."""
    return before if before is not None and before.run == run else Watched(run, now.steady)


def seconds_of_run(seen: Watched, unset_since: Moment, now: Moment) -> float:
    """No more than it has run; nobody has set the Engine's clock since `unset_since`."""
    told = min(now.wall - seen.run.started, now.steady - unset_since.steady)
    return max(now.steady - seen.since, told)
