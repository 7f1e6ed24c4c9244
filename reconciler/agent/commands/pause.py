"""`reconciler pause` and `resume`: somebody works on this device, and for a while nothing of it is changed."""

import argparse
import logging
import time

from reconciler.agent.service.control import ask_for_pass
from reconciler.agent.settings.config import load_config
from reconciler.agent.state.journal import Journal
from reconciler.agent.state.moment import rfc3339
from reconciler.agent.state.remembered import Pause
from reconciler.errors import StateError

log = logging.getLogger("reconciler")

# The service hears of it at once; it may be in the middle of a pass.
_SECONDS = 60.0
_MOST_TEXT = 200


def pause(options: argparse.Namespace) -> int:
    """Write it down, and have the service hear of it."""
    journal = Journal(load_config(options.config).state)
    until = time.time() + options.seconds
    journal.write_pause(Pause(until, " ".join(options.why.split())[:_MOST_TEXT]))
    _tell(journal)
    print(f"paused until {rfc3339(until)}; `reconciler resume` ends it")
    return 0


def resume(options: argparse.Namespace) -> int:
    """Forget it, and have the service make a pass."""
    journal = Journal(load_config(options.config).state)
    was = journal.paused(time.time())
    journal.forget_pause()
    _tell(journal)
    print("resumed" if was else "it was not paused")
    return 0


def _tell(journal: Journal) -> None:
    try:
        ask_for_pass(journal.folder, _SECONDS)
    except StateError as error:
        # What is written down counts at its next start.
        log.info("%s", error)
