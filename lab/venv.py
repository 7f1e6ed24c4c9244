"""Where our own commands are installed."""

import sys
from pathlib import Path


def program(name: str) -> str:
    """The path of a command beside the Python that runs us."""
    return str(Path(sys.executable).parent / name)
