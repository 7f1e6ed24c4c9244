"""What a process that ends answers, as one line of JSON: what is known, or why it could not do its work."""

from dataclasses import dataclass

from reconciler.admission import Admission
from reconciler.agent.orders.known import Known, Obtained, Rendered
from reconciler.agent.state.remembered import Trusted
from reconciler.errors import (
    ConfigError,
    GitError,
    PermissionDenied,
    Problem,
    ReconcilerError,
    Relayed,
    RemoteUnavailable,
    SealRefused,
    StateError,
    StateLost,
    UnknownRevision,
)
from reconciler.model import DesiredState, Fact
from reconciler.model.codec import canonical, from_json

# What comes back as what it was; all others as their words and their exit code.
_KINDS: dict[str, type[ReconcilerError]] = {
    kind.__name__: kind
    for kind in (ConfigError, GitError, PermissionDenied, RemoteUnavailable, StateError, StateLost, UnknownRevision)
}


@dataclass(frozen=True, slots=True)
class Told:
    """An error: its kind and its words, its exit code, and for how many seconds a server wants to be left alone."""

    kind: str
    what: str
    code: int
    where: str = ""
    advice: str = ""
    retry_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ToldKnown:
    """A Known whose errors are words."""

    seen: str
    trusted: Trusted | None
    facts: tuple[Fact, ...]
    errors: tuple[Told, ...]
    desired: DesiredState | None
    problems: tuple[Problem, ...]
    error: Told | None
    admission: Admission
    update: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What was asked for; nothing, when there is nothing yet; or the error that stopped it."""

    known: ToldKnown | None = None
    unsealed: bytes | None = None
    error: Told | None = None


def encode(answer: Answer) -> bytes:
    return canonical(answer) + b"\n"


def decode(line: bytes) -> Answer:
    """Raises ValueError for what is no answer."""
    return from_json(Answer, line)


def tell(known: Known | None) -> ToldKnown | None:
    if known is None:
        return None
    obtained, rendered = known.obtained, known.rendered
    return ToldKnown(
        obtained.seen,
        obtained.trusted,
        obtained.facts,
        tuple(map(tell_error, obtained.errors)),
        rendered.desired,
        rendered.problems,
        tell_error(rendered.error) if rendered.error is not None else None,
        known.admission,
        known.update,
    )


def hear(told: ToldKnown | None) -> Known | None:
    if told is None:
        return None
    obtained = Obtained(told.seen, told.trusted, told.facts, tuple(map(hear_error, told.errors)))
    error = hear_error(told.error) if told.error is not None else None
    return Known(obtained, Rendered(told.desired, told.problems, error), told.admission, told.update)


def tell_error(error: ReconcilerError) -> Told:
    kind, code = type(error).__name__, error.exit_code
    if kind not in _KINDS and not isinstance(error, SealRefused):
        return Told(kind, str(error), code)
    return Told(kind, error.what, code, error.where, error.advice, getattr(error, "retry_seconds", 0.0))


def hear_error(told: Told) -> ReconcilerError:
    """The same words and exit code, and where somebody asks for it, the same kind."""
    if told.kind == SealRefused.__name__:
        code, _, what = told.what.partition(": ")
        return SealRefused(code, what, where=told.where, advice=told.advice)
    kind = _KINDS.get(told.kind)
    if kind is None:
        return Relayed(told.what, told.code)
    error = kind(told.what, where=told.where, advice=told.advice)
    if isinstance(error, RemoteUnavailable):
        error.retry_seconds = told.retry_seconds
    return error
