"""reconciler: its commands. What each does is elsewhere, and so are its options."""

import argparse
import importlib
import logging
from collections.abc import Callable, Sequence

from reconciler.agent.log_lines import log_to_stderr
from reconciler.agent.parsers import new_parser
from reconciler.terminal import run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = new_parser().parse_args(arguments)
    log_to_stderr(logging.INFO if options.verbose else logging.WARNING)
    return run_command("reconciler", lambda: _act(options))


# Loaded when it is called: what most commands need, an agent that sits idle does not hold.
_COMMANDS = {
    "run": "service:run",
    "once": "commands:once",
    "sync": "commands:sync",
    "pause": "pause:pause",
    "resume": "pause:resume",
    "plan": "commands:plan",
    "status": "commands:status",
    "import": "commands:take",
    "trust": "commands:trust",
    "check": "commands:fitness",
    "logs": "log_command:logs",
    "enroll": "enroll:enroll",
    "rotate-key": "enroll:rotate",
    "support-bundle": "commands:support",
}


def _act(options: argparse.Namespace) -> int:
    module, _, function = _COMMANDS[options.command].partition(":")
    act: Callable[[argparse.Namespace], int] = getattr(importlib.import_module(f"reconciler.agent.{module}"), function)
    return act(options)
