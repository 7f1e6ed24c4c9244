"""The seam to the Docker Engine: look, and perform one step. A fake in the tests keeps the same contract."""

from collections.abc import Iterable
from typing import Protocol

from reconciler.model import ObservedState
from reconciler.planning import Step


class Engine(Protocol):
    """One Engine. Every method raises EngineUnavailable when nothing answers there."""

    @property
    def at_once(self) -> int:
        """How many steps it may perform at a time, each in a thread of its own."""

    def observe(self, device: str) -> ObservedState:
        """What is there of this device."""

    def perform(self, step: Step) -> None:
        """Perform one step. Raises EngineError; ImageUnavailable for a pull; ServiceFailed for a wait."""

    def end_pass(self) -> tuple[Step, ...]:
        """A pass is over. The steps that ended aside since the last one, while no pass waited for them."""

    def lack_of_room(self) -> str:
        """Why its disk is too full for another image, for people; nothing while there is room, or nobody can tell."""

    def discard_files(self, names: Iterable[str]) -> None:
        """Remove stored configs and secrets."""

    def version(self) -> str:
        """The Engine's version, for the report; asked for once a connection. Raises EngineUnavailable."""
