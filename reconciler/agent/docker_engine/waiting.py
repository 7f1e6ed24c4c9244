"""Waits for what was started: one look after the other, until it is judged."""

import time
from collections.abc import Callable

from reconciler.agent.docker_engine import answers
from reconciler.agent.docker_engine.client import Client
from reconciler.agent.engine.health import COMPLETION_SECONDS, GRACE_SECONDS, Look, Verdict, judge, judge_job
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
    ) -> None:
        self._client, self._last_lines, self._sleep, self._clock = client, last_lines, sleep, clock

    def until_healthy(self, step: AwaitHealthy) -> None:
        first = self._look(step.container)
        monitor = step.service.update.monitor
        proven = self._clock() + (monitor if step.was_well else 0.0)

        def judged(look: Look) -> tuple[Verdict, str]:
            verdict, reason = judge(step.service, look, first)
            is_early = verdict is Verdict.GOOD and self._clock() < proven
            return (Verdict.WAIT if is_early else verdict), reason

        self._wait(step, judged, max(first.patience(monitor), monitor + GRACE_SECONDS))

    def until_completed(self, step: AwaitCompleted) -> None:
        self._wait(step, judge_job, COMPLETION_SECONDS)

    def _wait(
        self, step: AwaitHealthy | AwaitCompleted, judgement: Callable[[Look], tuple[Verdict, str]], patience: float
    ) -> None:
        deadline = self._clock() + patience
        while True:
            look = self._look(step.container)
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

    def _look(self, container: str) -> Look:
        return answers.look(self._client.api.inspect_container(container), time.time())
