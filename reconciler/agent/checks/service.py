"""Checks of the agent that is at work here."""

from reconciler.agent.checks.checked import Checked, Warned
from reconciler.errors import StateInUse


def service(at: Checked) -> str:
    try:
        with at.journal.locked():
            raise Warned("no reconciler is at work here", advice="start the service")
    except StateInUse:
        return "a reconciler is at work"
