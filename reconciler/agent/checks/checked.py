"""What the checks of a device look at, each thing asked for once, and the words for what is not well."""

import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

from reconciler.admission import Admission
from reconciler.agent.docker_engine.probing import EngineFacts, Occupant, Probe
from reconciler.agent.docker_engine.registry import Registries
from reconciler.agent.host.device_root import check_root
from reconciler.agent.host.links import place
from reconciler.agent.orders.build_orders import make_source
from reconciler.agent.orders.image_signatures import ImageSignatures
from reconciler.agent.passes.build import make_engine
from reconciler.agent.settings.config import Config, load_config
from reconciler.agent.settings.trust_settings import RELEASE, TAG
from reconciler.agent.state.journal import Journal
from reconciler.agent.state.remembered import Reported, Trusted
from reconciler.errors import ReconcilerError, StateError
from reconciler.manifests import FleetFiles, Rendering
from reconciler.model import ObservedState, Service
from reconciler.repository import Answered, Mirror, Remote, newest

Value = TypeVar("Value")


class Warned(ReconcilerError):
    """Not as it should be, and nothing that stops the device."""


class Skipped(ReconcilerError):
    """Not looked at; another check says why."""


@dataclass(frozen=True, slots=True)
class Timed(Generic[Value]):
    """An answer, and between which moments of this device's clock it was given, in seconds since 1970."""

    value: Value
    began: float
    ended: float

    def ahead(self, told: float) -> float:
        """Seconds by which the clock that told this is ahead of this one; 0 for what may be the same moment."""
        # Clocks that tell whole seconds tell the one that has begun.
        if self.began - 1 <= told <= self.ended + 1:
            return 0.0
        return told - (self.ended if told > self.ended else self.began)


def usable(path: Path) -> Config:
    """The settings, of an agent that sees its device. Raises as load_config, and ConfigError."""
    config = load_config(path)
    check_root(config.root, (config.state, config.secrets.folder))
    return config


class Checked:
    """What checks look at, each thing asked for once. `root` is where the machine's own files are."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time, root: Path = Path("/")) -> None:
        self.path, self.now, self.root = path, now, root

    @cached_property
    def config(self) -> Config:
        try:
            return usable(self.path)
        except ReconcilerError as error:
            raise Skipped("the settings cannot be used") from error

    @cached_property
    def remotes(self) -> tuple[Remote, ...]:
        """Every Git server that this device may talk to, the one that counts first."""
        return tuple(dict.fromkeys((self.config.remote, *self.config.mirrors, self.config.status.remote)))

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
    def reported(self) -> Reported:
        """The newest report, as the device remembers it."""
        reported = self.journal.reported
        if reported is None:
            raise Skipped("no pass has ended yet")
        return reported

    @cached_property
    def mirror(self) -> Mirror:
        return Mirror(self.config.state / "repository.git", self.config.remote, self.config.branch)

    @property
    def ref(self) -> str:
        """What a fetch asks the server for."""
        trust = self.config.trust
        branch = trust.releases if trust.mode == RELEASE else self.config.branch
        return f"refs/tags/{trust.tag_prefix}*" if trust.mode == TAG else f"refs/heads/{branch}"

    @cached_property
    def server(self) -> Timed[Answered] | ReconcilerError:
        """What the Git server answers, or why it does not."""
        return self._timed(lambda: newest(self.config.remote, self.ref))

    @cached_property
    def fleet(self) -> FleetFiles:
        return FleetFiles(self.mirror.files(self.trusted.commit, self.config.device))

    @cached_property
    def rendered(self) -> Rendering | ReconcilerError:
        """What the fleet says of this device, or why that cannot be read."""
        try:
            return self.fleet.render(self.config.device)
        except Skipped:
            raise
        except ReconcilerError as error:
            return error

    @property
    def rendering(self) -> Rendering:
        if isinstance(self.rendered, ReconcilerError):
            raise Skipped("what is trusted does not render") from self.rendered
        return self.rendered

    @property
    def services(self) -> tuple[tuple[str, Service], ...]:
        """Every service that was rendered, as APP/SERVICE."""
        apps = self.rendering.desired.apps
        return tuple((f"{app.name}/{service.name}", service) for app in apps for service in app.services)

    @cached_property
    def admission(self) -> Admission:
        """What apps may have here; of signatures of images, only what is remembered."""
        source = make_source(self.config, self.mirror, self.journal)
        admission = source.admission(self.config.device, self.config.allow)
        images = [service.image for _, service in self.services]
        known = ImageSignatures(self.journal, Registries()).known(admission.images, images, asks=False)
        return replace(admission, images=known)

    @cached_property
    def admitted(self) -> Rendering:
        """Without the apps that ask for more than this device allows."""
        return self.fleet.admit(self.rendering, self.admission, self.config.real)

    @cached_property
    def engine(self) -> Timed[EngineFacts] | ReconcilerError:
        """What the Engine says of itself, or why it does not."""
        return self._timed(Probe(self.config.engine).facts)

    @property
    def facts(self) -> EngineFacts:
        if isinstance(self.engine, ReconcilerError):
            raise Skipped("the Engine does not answer") from self.engine
        return self.engine.value

    @property
    def engine_root(self) -> Path | None:
        """Where we reach the folder of its images; None for an Engine of another machine."""
        root = self.facts.root
        return place(str(root), self.config.root) if root is not None else None

    @cached_property
    def observed(self) -> ObservedState:
        return self._of_engine(lambda: make_engine(self.config).observe(self.config.device))

    @cached_property
    def occupants(self) -> tuple[Occupant, ...]:
        return self._of_engine(Probe(self.config.engine).occupants)

    @cached_property
    def labelled_networks(self) -> dict[str, str]:
        """The device that each network is of."""
        return self._of_engine(Probe(self.config.engine).networks)

    def _timed(self, ask: Callable[[], Value]) -> Timed[Value] | ReconcilerError:
        """Asked once, whatever comes of it: who does not answer is not waited for by every check anew."""
        began = self.now()
        try:
            return Timed(ask(), began, self.now())
        except ReconcilerError as error:
            return error

    def _of_engine(self, ask: Callable[[], Value]) -> Value:
        _ = self.facts
        try:
            return ask()
        except ReconcilerError as error:
            raise Skipped("the Engine does not answer") from error


def within(seconds: float, act: Callable[[], Value]) -> Value:
    """What it gives. Raises what it raises, and TimeoutError: a server can send a byte now and then for ever."""
    found: list[Value | Exception] = []

    def run() -> None:
        try:
            found.append(act())
        except (ReconcilerError, OSError, ValueError) as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        raise TimeoutError(f"no answer within {seconds:g} s")
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def numbers(version: str) -> tuple[int, ...]:
    """Major and minor. What has none is built by somebody who knows better than a check."""
    found = re.search(r"([0-9]+)\.([0-9]+)", version)
    return (int(found[1]), int(found[2])) if found else (sys.maxsize,)


def few(names: Sequence[str], most: int = 5) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
