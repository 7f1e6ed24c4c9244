"""An Engine that keeps nobody waiting for a pull."""

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.agent.engine.pulls import Pulls
from reconciler.agent.engine.seam import Engine
from reconciler.model import ObservedState
from reconciler.planning import PullImage, Step


@dataclass(frozen=True, slots=True)
class Aside:
    """Another Engine, whose pulls go on aside: to perform one is to ask for it, and to be told where it stands."""

    engine: Engine
    pulls: Pulls

    @property
    def at_once(self) -> int:
        return self.engine.at_once

    def observe(self, device: str) -> ObservedState:
        return self.engine.observe(device)

    def version(self) -> str:
        return self.engine.version()

    def perform(self, step: Step) -> None:
        if isinstance(step, PullImage):
            self.pulls.want(step)
        else:
            self.engine.perform(step)

    def lack_of_room(self) -> str:
        return self.engine.lack_of_room()

    def discard_files(self, names: Iterable[str]) -> None:
        self.engine.discard_files(names)

    def end_pass(self) -> tuple[Step, ...]:
        return self.pulls.end_pass()
