"""What Git said last, as values: what to obey, what it means for this device, and what apps may have of it. Pure."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from reconciler.admission import Admission
from reconciler.agent.state.remembered import Trusted
from reconciler.errors import ErrandFailed, Problem, ReconcilerError, RemoteUnavailable, StateLost
from reconciler.model import DesiredState, Fact, Revision


@dataclass(frozen=True, slots=True)
class Obtained:
    """What to obey, and how we came to it. `seen` is where the branch is; `errors` are told, and stop nothing."""

    seen: str
    trusted: Trusted | None
    facts: tuple[Fact, ...]
    errors: tuple[ReconcilerError, ...] = ()

    @property
    def is_cut_off(self) -> bool:
        """Did no Git server answer?"""
        return any(isinstance(error, RemoteUnavailable) for error in self.errors)

    @property
    def rest_seconds(self) -> float:
        """For so long the server wants to be left alone."""
        return max((e.retry_seconds for e in self.errors if isinstance(e, RemoteUnavailable)), default=0.0)


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the trusted commit says of this device; without `desired`, nothing may be changed."""

    desired: DesiredState | None
    problems: tuple[Problem, ...] = ()
    error: ReconcilerError | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What Git said last, and what it means for this device."""

    obtained: Obtained
    rendered: Rendered
    # What apps may have, also those that go back to what ran before.
    admission: Admission
    # The version of the reconciler itself that shall run, by name; empty for the installed one, None for any.
    update: str | None = None

    @property
    def is_from_git(self) -> bool:
        """Did a server answer, and is there something to obey?"""
        is_asked = not any(isinstance(error, RemoteUnavailable | ErrandFailed) for error in self.obtained.errors)
        return is_asked and self.obtained.trusted is not None and bool(self.obtained.seen)

    @property
    def is_followed(self) -> bool:
        """Is what the server has trusted to its end, and rendered? Then a newer word can be followed as well."""
        ours = (fact for fact in self.obtained.facts if fact.type in ("Trusted", "Updated"))
        return self.is_from_git and self.rendered.desired is not None and all(fact.status is True for fact in ours)

    def revision(self, branch: str) -> str:
        """What is obeyed, as reports tell it; nothing yet, if so."""
        trusted = self.obtained.trusted
        return str(Revision(trusted.tag or branch, trusted.commit)) if trusted else ""


class Orders(Protocol):
    """Where a device's orders come from: worked out here, or by a process that ends (errands/)."""

    def recall(self) -> Known | None:
        """What was trusted before, without the server; nothing before the first time, or when it cannot be read."""

    def obtain(self, *, is_fetched: bool = False) -> Known:
        """Ask Git, unless it was asked just now, and render what it says. What is wrong is told in it."""


class Obtain(Protocol):
    """`obtain` of Orders."""

    def __call__(self, *, is_fetched: bool = False) -> Known: ...


class OrdersByErrand(Orders, Protocol):
    """By processes that take a moment to start."""

    def prepared(self) -> AbstractContextManager[Obtain]:
        """For whoever will `obtain` in a moment: once by what this gives, and not after its end."""


def kept(trusted: Trusted | None, error: ReconcilerError) -> Obtained:
    """What a device obeys while it cannot ask."""
    still = Fact("Trusted", trusted is not None, "Kept" if trusted else "NothingTrusted", told_of(trusted))
    return Obtained("", trusted, (still, Fact("Fresh", False, type(error).__name__, str(error))), (error,))


def lost(error: StateLost) -> Obtained:
    """Without what was trusted, an older word would be believed again: nothing is obeyed before somebody mends it."""
    fact = Fact("Trusted", False, "TRUST_STATE", str(error))
    return Obtained("", None, (fact, Fact("Fresh", None, "NotAsked", "")), (error,))


def unasked(error: ReconcilerError, allowed: frozenset[str]) -> Known:
    """Nobody could look up what is obeyed. What ran well before, on a device that allows this, goes on."""
    if isinstance(error, RemoteUnavailable):
        obtained = kept(None, error)
    elif isinstance(error, StateLost):
        obtained = lost(error)
    else:
        fact = Fact("Trusted", None, type(error).__name__, str(error))
        obtained = Obtained("", None, (fact, Fact("Fresh", None, "NotAsked", "")), (error,))
    return Known(obtained, Rendered(None), Admission(allowed))


def told_of(trusted: Trusted | None) -> str:
    """What is obeyed, for people."""
    if trusted is None:
        return "obeying nothing yet"
    return f"obeying {trusted.tag or trusted.commit[:12]} by {trusted.principal}"
