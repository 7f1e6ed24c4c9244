"""The seam to the Docker Engine: look, and perform one step. A fake in the tests keeps the same contract."""

from typing import Protocol

from reconciler.model import ObservedState
from reconciler.planning import Step


class Engine(Protocol):
    """One Engine. Every method raises EngineUnavailable when nothing answers there."""

    # How many steps it may perform at a time, each in a thread of its own.
    at_once: int

    def observe(self, device: str) -> ObservedState:
        """What is there of this device."""

    def perform(self, step: Step) -> None:
        """Perform one step. Raises EngineError; ImageUnavailable for a pull; ServiceFailed for a wait."""

    def version(self) -> str:
        """The Engine's version, for the report."""
