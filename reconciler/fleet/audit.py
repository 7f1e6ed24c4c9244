"""What ran where and when, since which commit, who wrote, signed and approved it: out of Git alone."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.documents import RolesHistory
from reconciler.errors import GitError
from reconciler.fleet.blame import Writer, writer_of
from reconciler.fleet.history import Heard
from reconciler.fleet.released import Policies, find
from reconciler.repository import Store
from signing import AllowedSigners, SignatureError, follow_chain, split_commit
from signing.documents import Approval, Branch, RolesAt

# Commits that change nothing may lie between one that was approved and its base.
_MOST_STEPS = 101


@dataclass(frozen=True, slots=True)
class Origin:
    """A commit of the fleet: who made it and what it says; by which release people approved it, if by one."""

    commit: str
    writer: Writer
    subject: str
    approved_by: tuple[str, ...] = ()
    release: str = ""


@dataclass(frozen=True, slots=True)
class Stay:
    """A commit on a device: the first report that says that it runs, how it went, and when another one ran."""

    device: str
    first: Heard
    phases: tuple[str, ...]
    until: datetime | None = None
    # Of its reports that the device's key of today did not sign, the fingerprints of the keys that did.
    former_keys: tuple[str, ...] = ()


def at(reports: Iterable[Heard], device: str, moment: datetime) -> Heard | None:
    """The newest report of a device that it had signed by then."""
    earlier = [one for one in reports if one.device == device and one.signed_at <= moment]
    return max(earlier, key=lambda one: one.signed_at, default=None)


def since(reports: Iterable[Heard], known: Heard) -> Heard:
    """The first report of an unbroken row with the same commit that leads to this one."""
    first = known
    mine = sorted((one for one in reports if one.device == known.device), key=lambda one: one.signed_at)
    for one in reversed([one for one in mine if one.signed_at <= known.signed_at]):
        if one.applied != known.applied:
            break
        first = one
    return first


def stays(reports: Iterable[Heard], commit: str) -> list[Stay]:
    """Each time that a device ran this commit, by device and time."""
    by_device: dict[str, list[Heard]] = {}
    for one in sorted(reports, key=lambda one: (one.device, one.signed_at)):
        by_device.setdefault(one.device, []).append(one)
    return [stay for name, mine in by_device.items() for stay in _stays(name, mine, commit)]


def _stays(device: str, mine: list[Heard], commit: str) -> list[Stay]:
    found: list[Stay] = []
    row: list[Heard] = []
    for one in [*mine, None]:
        if one is not None and one.applied == commit:
            row.append(one)
        elif row:
            phases = tuple(dict.fromkeys(heard.report.phase for heard in row))
            former = tuple(dict.fromkeys(heard.former_key for heard in row if heard.former_key))
            found.append(Stay(device, row[0], phases, one.signed_at if one else None, former))
            row = []
    return found


def origin(
    commit: str,
    store: Store,
    signers: AllowedSigners | SignatureError,
    approvals: Mapping[str, tuple[str, tuple[str, ...]]],
) -> Origin:
    """Who is behind a commit. Raises GitError when this clone has not got it."""
    raw = store.commit(commit)
    try:
        subject = split_commit(raw).subject
    except SignatureError:
        subject = ""
    release, people = approvals.get(commit, ("", ()))
    return Origin(commit, writer_of(commit, raw, signers), subject, people, release)


def approvers(commit: str, store: Store, branch: Branch) -> tuple[str, ...]:
    """Who approved it beside the commits, judged as by a device that comes from the commit before."""
    history = RolesHistory(store, lambda: branch)
    for base in _bases(commit, store, branch):
        for raw, _ in branch.approvals(base):
            try:
                rules = RolesAt.of(base, Approval.parse(raw).branch, history)
                chain, previous = store.chain(commit, base), (base, store.commit(base))
                admitted, _ = follow_chain(chain, rules, previous, datetime.now(UTC), history)
            except SignatureError:
                continue
            if admitted and admitted[-1].id == commit:
                return admitted[-1].approvers
    return ()


def _bases(commit: str, store: Store, branch: Branch) -> Iterator[str]:
    """The commits before it for which something was approved, as far as this clone has them."""
    bases = {path.split("/")[1] for path in branch.paths if path.startswith("approvals/")}
    for _ in range(_MOST_STEPS if bases else 0):
        try:
            parents = split_commit(store.commit(commit)).parents
        except (GitError, SignatureError):
            return
        commit = parents[0] if parents else ""
        if commit in bases:
            yield commit
        if not commit:
            return


def approvals_of(branch: Branch, policies: Policies) -> dict[str, tuple[str, tuple[str, ...]]]:
    """By commit, the first release of it that a quorum has signed, and who these were."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for channel in branch.channels():
        for seq in branch.seqs(channel):
            try:
                release = find(branch, policies, channel, seq)
            except SignatureError:
                continue
            if release.is_signed:
                people = tuple(sorted(release.voices.people))
                found.setdefault(release.release.commit, (release.release.name, people))
    return found
