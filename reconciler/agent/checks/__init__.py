"""`reconciler check`: is this device fit to do its work? Looks only; each check has an id that stays.

A check gives what it found, in words; it raises an error of ours for what is wrong, Warned for what is not good, and
Skipped for what cannot be told because of something that another check tells.
"""

from reconciler.agent.checks.table import CHECKS, IDS, Finding, check

__all__ = ["CHECKS", "IDS", "Finding", "check"]
