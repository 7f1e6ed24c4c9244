"""What `reconciler run` is made of: passes at each interval, healing between them, and pulls beside both."""

import logging
import signal
from collections.abc import Sequence

from reconciler.agent.aside import Aside
from reconciler.agent.build import build, docker_engine
from reconciler.agent.config import Config
from reconciler.agent.journal import Journal
from reconciler.agent.loop import Bell, Loop, Passes
from reconciler.agent.pulls import Pulls
from reconciler.agent.reconcile import Reconciler, Result
from reconciler.agent.watch import watch
from reconciler.errors import RemoteUnavailable

log = logging.getLogger("reconciler")


def serve(config: Config, journal: Journal) -> None:
    """Keep the device equal to Git until a signal ends it. Ending it touches no container."""
    bell = Bell()
    engine = docker_engine(config, bell.sleep)
    pulls = Pulls(engine.pull, bell.ring_for_change)
    device = _Device(build(config, journal, Aside(engine, pulls)), pulls)
    loop = Loop(Passes(device.reconcile, device.heal), config.interval, config.device, bell)
    watch(engine.changes, bell.ring_for_change)
    signal.signal(signal.SIGHUP, lambda *_: bell.ring())
    signal.signal(signal.SIGTERM, lambda *_: bell.stop())
    signal.signal(signal.SIGINT, lambda *_: bell.stop())
    log.info("start    %s obeys %s every %g s", config.device, config.remote.url, config.interval)
    loop.run()
    log.info("stop     containers go on running")


class _Device:
    """The passes as the loop calls them, with their log."""

    def __init__(self, reconciler: Reconciler, pulls: Pulls) -> None:
        self._reconciler, self._pulls = reconciler, pulls
        self._was_cut_off = False

    def reconcile(self) -> None:
        result = self._reconciler.reconcile()
        is_cut_off = any(isinstance(error, RemoteUnavailable) for error in result.errors)
        if self._was_cut_off and not is_cut_off:
            self._pulls.hurry()
        self._was_cut_off = is_cut_off
        _log(result)

    def heal(self) -> Sequence[str]:
        """The steps. What nobody has to know of is not told: events come in crowds."""
        result = self._reconciler.heal()
        if result.steps or result.errors:
            _log(result)
        return result.steps


def _log(result: Result) -> None:
    for error in result.errors:
        log.error("%s", error)
    log.info("pass     %s, %d steps, at %s", result.report.phase, len(result.steps), result.report.revisions.trusted)
