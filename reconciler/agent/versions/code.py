"""Which Python runs this, and which code it runs: other processes of ours shall be of the same."""

import os
import sys
from pathlib import Path

import reconciler


def interpreter() -> str:
    """This Python, by a path that stays when the link to the newest version is turned (docs/guides/install.md)."""
    path = Path(sys.executable)
    return str(Path(os.path.realpath(path.parent)) / path.name)


def code_home() -> str:
    """Where this very code was imported from."""
    return os.path.realpath(Path(reconciler.__file__).parent.parent)
