"""One fact on a device's health: type, status, reason for machines, message for people, since when.

The shape is that of Kubernetes' conditions (API conventions, "Typical status properties").
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Fact:
    """A condition that does not know yet since when it holds. `status` is None when it is not known."""

    type: str
    status: bool | None
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class ReportedCondition:
    """A condition as reported; `since` is an RFC 3339 time in UTC that moves only when the status changes."""

    type: str
    status: str
    reason: str
    message: str
    since: str

    @property
    def is_wrong(self) -> bool:
        """Is something not in good order by it? Not where that is unknown (docs/reference/conditions.md)."""
        return self.status == ("True" if self.type in _FALSE_IN_GOOD_ORDER else "False")


_FALSE_IN_GOOD_ORDER = ("Stalled", "Reconciling", "Drifted")
_STATUS = {True: "True", False: "False", None: "Unknown"}


def carry_over(facts: Iterable[Fact], previous: Iterable[ReportedCondition], now: str) -> tuple[ReportedCondition, ...]:
    """Give each fact its time: that of the previous condition of its type while the status is the same, else now."""
    before = {condition.type: condition for condition in previous}
    conditions = []
    for fact in facts:
        fresh = ReportedCondition(fact.type, _STATUS[fact.status], fact.reason, fact.message, now)
        old = before.get(fact.type)
        conditions.append(replace(fresh, since=old.since) if old and old.status == fresh.status else fresh)
    return tuple(conditions)
