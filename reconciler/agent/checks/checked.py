"""What the checks of a device look at, each thing asked for once, and the words for what is not well."""

import re
import sys
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from reconciler.agent.build import make_engine
from reconciler.agent.config import Config, load_config
from reconciler.agent.docker_engine import DockerEngine
from reconciler.agent.journal import Journal
from reconciler.agent.remembered import Trusted
from reconciler.errors import ReconcilerError, StateError
from reconciler.manifests import FleetFiles, Rendering
from reconciler.model import ObservedState
from reconciler.repository import Mirror

Value = TypeVar("Value")


class Warned(ReconcilerError):
    """Not as it should be, and nothing that stops the device."""


class Skipped(ReconcilerError):
    """Not looked at; another check says why."""


class Checked:
    """What checks look at, each thing asked for once."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self.path, self.now = path, now

    @cached_property
    def config(self) -> Config:
        try:
            return load_config(self.path)
        except ReconcilerError as error:
            raise Skipped("the settings cannot be used") from error

    @cached_property
    def journal(self) -> Journal:
        return Journal(self.config.state)

    @cached_property
    def trusted(self) -> Trusted:
        try:
            trusted = self.journal.trusted
        except StateError as error:
            raise Skipped("what was trusted cannot be read") from error
        if trusted is None:
            raise Skipped("nothing is trusted yet")
        return trusted

    @cached_property
    def mirror(self) -> Mirror:
        return Mirror(self.config.state / "repository.git", self.config.remote, self.config.branch)

    @cached_property
    def fleet(self) -> FleetFiles:
        return FleetFiles(self.mirror.files(self.trusted.commit, self.config.device))

    @cached_property
    def rendering(self) -> Rendering:
        return self.fleet.render(self.config.device)

    @cached_property
    def engine(self) -> DockerEngine:
        return make_engine(self.config)

    @cached_property
    def observed(self) -> ObservedState:
        return self._answer(lambda: self.engine.observe(self.config.device))

    @cached_property
    def lack_of_room(self) -> str:
        return self._answer(self.engine.lack_of_room)

    def _answer(self, ask: Callable[[], Value]) -> Value:
        try:
            return ask()
        except ReconcilerError as error:
            raise Skipped("the Engine does not answer") from error


def numbers(version: str) -> tuple[int, ...]:
    """Major and minor. What has none is built by somebody who knows better than a check."""
    found = re.search(r"([0-9]+)\.([0-9]+)", version)
    return (int(found[1]), int(found[2])) if found else (sys.maxsize,)
