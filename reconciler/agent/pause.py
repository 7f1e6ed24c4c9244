"""`reconciler pause` and `resume`: somebody works on this device, and for a while nothing of it is changed."""

import argparse
import logging
import time

from reconciler.agent.config import load_config
from reconciler.agent.control import ask_for_pass
from reconciler.agent.journal import Journal
from reconciler.agent.moment import rfc3339
from reconciler.agent.remembered import Pause
from reconciler.errors import StateError
from reconciler.terminal import Parser, seconds

log = logging.getLogger("reconciler")

# The service hears of it at once; it may be in the middle of a pass.
_SECONDS = 60.0
_MOST_TEXT = 200
_TEXT = """\
Change nothing on this device for a while: no container is made, started, stopped or healed. What is new in Git is
still fetched and verified, and reports say that the device is paused, until when, and why.
"""


def add_pause(commands: "argparse._SubParsersAction[Parser]") -> None:
    """The options of both commands, but those that all have."""
    parser = commands.add_parser("pause", help="change nothing here for a while", description=_TEXT)
    parser.add_argument("--for", dest="seconds", type=seconds, default=3600.0, metavar="TIME",
                        help="such as 30m or 8h, at most 168h; default: 1h")  # fmt: skip
    parser.add_argument("--why", default="", metavar="TEXT", help="for those who read the report")
    text = "end the pause"
    commands.add_parser("resume", help=text, description=text)
    for name in ("pause", "resume"):
        commands.choices[name].set_defaults(verbose=False)


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
