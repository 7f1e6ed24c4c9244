"""What mode `release` remembers over a power cut."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.agent.state.journal import Journal
from signing.documents import Accepted

_FILE = "releases.json"


@dataclass(frozen=True, slots=True)
class Noted:
    """The newest freshness note of a channel: until then, the release `seq` is the newest. Seconds since 1970."""

    issued: float
    until: float
    seq: int
    release: str


@dataclass(frozen=True, slots=True)
class ReleaseTrust:
    """In mode `release`: the policy in force with its keys, and by channel what was accepted. Nothing of it goes back.

    It is `time_floor` or later, whatever the clock says, in seconds since 1970. Notes count under the policy by which
    they were heard, and not beyond it: the next one may have revoked their key.
    """

    policy: str
    signers: str
    time_floor: float = 0.0
    accepted: Mapping[str, Accepted] = field(default_factory=dict)
    notes: Mapping[str, Noted] = field(default_factory=dict)


def release_trust(journal: Journal) -> ReleaseTrust | None:
    """What mode `release` goes by. Raises StateError when it is gone: without it, older words would count again."""
    return journal.remembered(_FILE, ReleaseTrust)


def write_release_trust(journal: Journal, trust: ReleaseTrust) -> None:
    """Remember it, before anything is done by it. Raises StateError."""
    journal.establish(_FILE, trust)
