"""Waits for what was started: one look after the other, until it is judged."""

import time
from collections.abc import Callable

from reconciler.agent.docker_engine import answers
from reconciler.agent.docker_engine.client import Client
from reconciler.agent.engine.health import COMPLETION_SECONDS, GRACE_SECONDS, Look, Verdict, judge, judge_job
from reconciler.agent.engine.running_for import Moment, Watched, seconds_of_run, watched
from reconciler.errors import ServiceFailed
from reconciler.planning import AwaitCompleted, AwaitHealthy

POLL_SECONDS = 0.2


class Waits:
    """One Engine's containers. `last_lines` reads what one wrote that failed: soon it is removed, and its log with it.

    Raises as a Client does, and ServiceFailed.
    """

    def __init__(
        self,
        client: Client,
        last_lines: Callable[[str], tuple[str, ...]],
        sleep: Callable[[float], None],
        clock: Callable[[], float],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._client, self._last_lines, self._sleep = client, last_lines, sleep
        self._clock, self._wall = clock, wall
        self._unset_since = self._now()
        # By container, across waits: what was watched once need not be watched again.
        self._watched: dict[str, Watched] = {}

    def until_healthy(self, step: AwaitHealthy) -> None:
        look_again = self._looks(step.container)
        first = look_again()
        monitor = step.service.update.monitor
        proven = self._clock() + (monitor if step.was_well else 0.0)

        def judged(look: Look) -> tuple[Verdict, str]:
            verdict, reason = judge(step.service, look, first)
            is_early = verdict is Verdict.GOOD and self._clock() < proven
            return (Verdict.WAIT if is_early else verdict), reason

        self._wait(step, look_again, judged, max(first.patience(monitor), monitor + GRACE_SECONDS))

    def until_completed(self, step: AwaitCompleted) -> None:
        self._wait(step, self._looks(step.container), judge_job, COMPLETION_SECONDS)

    def _wait(
        self,
        step: AwaitHealthy | AwaitCompleted,
        look_again: Callable[[], Look],
        judgement: Callable[[Look], tuple[Verdict, str]],
        patience: float,
    ) -> None:
        deadline = self._clock() + patience
        while True:
            look = look_again()
            verdict, reason = judgement(look)
            late = self._clock() > deadline
            if verdict is Verdict.GOOD or (not step.required and (late or verdict is Verdict.BAD)):
                return
            if verdict is Verdict.BAD or late:
                waited = f" after {patience:g} s" if late else ""
                raise ServiceFailed(
                    f"{step.subject} {reason}{waited}",
                    advice=f"see `docker logs {step.service.container_name}`",
                    lasting=not look.may_be_ended_by_hand,
                    lines=self._last_lines(step.container),
                )
            self._sleep(POLL_SECONDS)

    def _looks(self, container: str) -> Callable[[], Look]:
        """Looks at a container, each with how long it has run by then."""

        def look() -> Look:
            found = self._client.api.inspect_container(container)
            now = self._now()
            seen = self._watched[container] = watched(self._watched.get(container), answers.run(found), now)
            return answers.look(found, seconds_of_run(seen, self._steady_since(now), now))

        return look

    def _steady_since(self, now: Moment) -> Moment:
        """Since when nobody has set the Engine's clock, as far as we know."""
        if not self._client.is_on_this_machine:
            # Its clock is not ours, and may be any time off.
            return now
        # Waits go on side by side. One that is late may put an older moment here; the next look finds the step again.
        since = self._unset_since
        if not now.is_of_the_same_setting(since):
            since = self._unset_since = now
        return since

    def _now(self) -> Moment:
        return Moment(self._wall(), self._clock())
