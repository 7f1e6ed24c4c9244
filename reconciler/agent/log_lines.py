"""How the agent logs: to stderr, a line each."""

import logging
import sys


def log_to_stderr(level: int) -> None:
    """Of every process of the agent, in one form."""
    logging.basicConfig(stream=sys.stderr, level=level, format="%(asctime)s %(levelname)-7s %(message)s")
