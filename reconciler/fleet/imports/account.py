"""What an import carried and what it did not, each with its reason and its place. Nothing is lost silently."""

from collections import Counter
from dataclasses import dataclass
from enum import Enum

from reconciler.errors import Problem
from reconciler.fleet.imports.secret_values import SecretValues
from reconciler.fleet.text import count
from reconciler.terminal import printable

# A value of the input is shown in a line of a table; the whole of it is in the input.
_LONGEST_CELL = 300


class Outcome(Enum):
    """What became of one part of the input."""

    CARRIED = "carried"
    REFUSED = "written, refused"  # it stands in the files, and `fleet validate` refuses it today
    UNSAFE = "written, unsafe"  # it was copied as it stands, and should not be committed like this
    LEFT = "not carried"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the account."""

    outcome: Outcome
    subject: str
    reason: str = ""
    where: str = ""


class Account:
    """The lines so far, and the secrets that none of them may show."""

    def __init__(self) -> None:
        self.secrets = SecretValues()
        self._entries: dict[Entry, None] = {}

    def carried(self, subject: str, where: str, reason: str = "") -> None:
        self._add(Outcome.CARRIED, subject, reason, where)

    def left(self, subject: str, where: str, reason: str) -> None:
        self._add(Outcome.LEFT, subject, reason, where)

    def refused(self, problem: Problem) -> None:
        self._add(Outcome.REFUSED, problem.what, problem.advice, problem.where)

    def unsafe(self, subject: str, where: str, reason: str) -> None:
        self._add(Outcome.UNSAFE, subject, reason, where)

    def _add(self, outcome: Outcome, subject: str, reason: str, where: str) -> None:
        self._entries.setdefault(Entry(outcome, subject, reason, where))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every line, without secrets: what was carried first, in the order of the input."""
        rank = list(Outcome)
        return tuple(sorted(map(self._hidden, self._entries), key=lambda entry: rank.index(entry.outcome)))

    @property
    def is_complete(self) -> bool:
        """Was everything carried?"""
        return all(entry.outcome is Outcome.CARRIED for entry in self._entries)

    def _hidden(self, entry: Entry) -> Entry:
        hide = self.secrets.hide
        # Secrets go first: a cut one could not be found any more.
        return Entry(entry.outcome, _cut(hide(entry.subject)), _cut(hide(entry.reason)), _cut(hide(entry.where)))


def as_text(account: Account) -> str:
    """For a terminal: what, why and where below each other, because each may fill a line; then a line that counts."""
    width = max(len(outcome.value) for outcome in Outcome) + 2
    lines = []
    for entry in account.entries:
        lines.append(entry.outcome.value.ljust(width) + printable(entry.subject))
        lines += [f"{'':{width + 2}}{printable(more)}" for more in (entry.reason, entry.where) if more]
    counts = Counter(entry.outcome for entry in account.entries)
    told = "; ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome])
    return "\n".join([*lines, f"{count(len(account.entries), 'part')}: {told or 'nothing'}"])


def as_plain(account: Account) -> list[dict[str, str]]:
    """For programs."""
    return [
        {"outcome": entry.outcome.value, "what": entry.subject, "reason": entry.reason, "where": entry.where}
        for entry in account.entries
    ]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 3] + "..."
