"""The `fleet` command as it is installed: says what is missing where only the device's part is there."""

import sys


def main() -> int:
    """Run the command; the exit code."""
    try:
        from reconciler.fleet.cli import main as run  # noqa: PLC0415 - a device's installation lacks what it imports
    except ModuleNotFoundError as error:
        if error.name != "git":
            raise
        advice = "pip install 'git-edge-reconciler[fleet]'"
        print(f"fleet: error: the operators' part is not installed (GitPython); {advice}", file=sys.stderr)
        return 1
    return run()
