"""Everything that can go wrong, drawn as one tree; each kind has its own exit code.

    ReconcilerError                 1
    ├── Interrupted                 1  asked to stop while it waited
    ├── ErrandFailed                1  a process of ours that did a piece of work ended without an answer
    ├── ManifestError              10  files of the fleet repository are wrong; carries every problem found
    │   ├── SyntaxProblem  (kind)  10  not YAML, or YAML that we refuse
    │   ├── RuleProblem    (kind)  11  a key, value or reference that is not allowed
    │   └── PatchProblem   (kind)  12  a patch that does not apply
    ├── UnknownDevice              13
    ├── EngineError                20  the Docker Engine refused or failed a call
    │   ├── ImageUnavailable       20  an image could not be pulled; nothing was stopped for it
    │   │   ├── ImagePending       20  it is on its way
    │   │   └── NoRoom             20  the disk has no room for it
    │   ├── EngineUnavailable      21  no Engine answers there
    │   └── ServiceFailed          22  a started service did not become healthy
    ├── UpdateLocked               23  a container holds its update lock; nothing was stopped
    ├── GitError                   30  git failed
    │   ├── TreeRefused, ObjectTooBig  30  what no device reads (repository/objects.py)
    │   ├── PushRejected           30  somebody else pushed first
    │   ├── RemoteUnavailable      31  no Git server answers there, or it refuses us
    │   └── UnknownRevision        32
    ├── Untrusted                  40  a commit that the device must not obey
    ├── SealRefused                41  a sealed secret that cannot be unsealed
    ├── UpdateRefused              42  a version of the reconciler itself that cannot be used
    ├── PermissionDenied           50  a file or socket of this machine that we may not use, or others may change
    ├── ConfigError                51  the agent's own settings are wrong
    ├── StateError                 52  the state on disk: StateLost: torn, foreign, gone; StateInUse: another agent
    └── EmptyDesiredState           1  containers run, but nothing is wanted (planning/planner.py)

0 is success, 2 means "there are changes" (`plan` commands only), 64 is wrong usage of a command.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class ReconcilerError(Exception):
    """Something went wrong: what, where, and what to do about it, in one line.

    `where` is a `file:line:column` or an address; `advice` says what to do.
    `transient` is true when doing nothing but waiting may help, `lasting` when the same must fail again.
    """

    exit_code = 1
    transient = False
    lasting: bool = False

    def __init__(self, what: str, *, where: str = "", advice: str = "") -> None:
        self.what, self.where, self.advice = what, where, advice
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}; {self.advice}" if self.advice else text


class ProblemKind(Enum):
    """Which rule a manifest breaks, as an exit code; a note breaks none."""

    NOTE = 0
    SYNTAX = 10
    RULE = 11
    PATCH = 12


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file of the fleet repository."""

    where: str
    what: str
    advice: str = ""
    kind: ProblemKind = ProblemKind.RULE

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f"; {self.advice}" if self.advice else "")


class ManifestError(ReconcilerError):
    """Files of the fleet repository are wrong; `problems` holds every one that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        self.exit_code = first.kind.value
        super().__init__(first.what, where=first.where, advice=first.advice)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


class Interrupted(ReconcilerError):
    """Somebody asked the agent to stop while it waited; the next start looks and plans anew."""

    transient = True


class ErrandFailed(ReconcilerError):
    """A process of ours that should do a piece of work gave no answer: killed, out of memory, or wrong itself."""

    transient = True


class UnknownDevice(ReconcilerError):
    """The fleet repository has no such device."""

    exit_code = 13


class EngineError(ReconcilerError):
    """The Docker Engine refused or failed a call.

    It is `lasting` when trying the same again must fail again; anything else may be a port or a name that is still
    taken, a full disk, or a container that somebody removed meanwhile.
    """

    exit_code = 20

    def __init__(self, what: str, *, where: str = "", advice: str = "", lasting: bool = False) -> None:
        super().__init__(what, where=where, advice=advice)
        self.lasting = lasting


class EngineUnavailable(EngineError):
    """No Docker Engine answers at this address."""

    exit_code = 21
    transient = True


class ImageUnavailable(EngineError):
    """An image could not be pulled; nothing was stopped for it."""

    transient = True


class ImagePending(ImageUnavailable):
    """An image is on its way: nothing failed, and what needs it waits."""


class NoRoom(ImageUnavailable):
    """The disk has no room for an image."""


class ServiceFailed(EngineError):
    """A started service exited, or did not become healthy in time. Not `lasting` if somebody may have ended it.

    `lines` are the last ones that it wrote, without what it was given; none, unless the device's settings ask for them.
    """

    exit_code = 22

    def __init__(
        self, what: str, *, where: str = "", advice: str = "", lasting: bool = False, lines: tuple[str, ...] = ()
    ) -> None:
        super().__init__(what, where=where, advice=advice, lasting=lasting)
        self.lines = lines


class UpdateLocked(ReconcilerError):
    """A container holds its update lock, so nothing that would stop it is done."""

    exit_code = 23
    transient = True


class GitError(ReconcilerError):
    """git failed."""

    exit_code = 30


class RemoteUnavailable(GitError):
    """No Git server answers at this address, or it refuses us; for `retry_seconds` it wants to be left alone."""

    exit_code = 31
    transient = True

    def __init__(self, what: str, *, where: str = "", advice: str = "", retry_seconds: float = 0.0) -> None:
        self.retry_seconds = retry_seconds
        super().__init__(what, where=where, advice=advice)


class PushRejected(GitError):
    """Somebody else pushed first; fetch and try again."""

    transient = True


class UnknownRevision(GitError):
    """The repository has no such branch, tag or commit."""

    exit_code = 32


class Untrusted(ReconcilerError):
    """A commit that the device must not obey: `code` is the machine word, `commit` the commit's id."""

    exit_code = 40

    def __init__(self, code: str, message: str, *, commit: str, advice: str = "") -> None:
        self.code, self.commit = code, commit
        super().__init__(f"{code}: {message}", where=f"commit {commit[:12]}" if commit else "", advice=advice)


class SealRefused(ReconcilerError):
    """A sealed secret that cannot be made, or unsealed: `code` is the machine word."""

    exit_code = 41

    def __init__(self, code: str, what: str, *, where: str = "", advice: str = "") -> None:
        self.code = code
        super().__init__(f"{code}: {what}", where=where, advice=advice)


class UpdateRefused(ReconcilerError):
    """A version of the reconciler itself that cannot be used; the one that runs goes on."""

    exit_code = 42


class Relayed(ReconcilerError):
    """What another process of ours has told: its words, and the exit code that belongs to them."""

    def __init__(self, told: str, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(told)


class PermissionDenied(ReconcilerError):
    """A file or socket of this machine that we may not use, or that others may change although we believe it."""

    exit_code = 50


class ConfigError(ReconcilerError):
    """The agent's own settings are wrong."""

    exit_code = 51


class StateError(ReconcilerError):
    """The state on disk is torn, foreign or in use."""

    exit_code = 52


class StateLost(StateError):
    """What was remembered is gone, or not believed."""


class StateInUse(StateError):
    """Another agent is at work on the state."""
