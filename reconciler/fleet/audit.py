"""What ran where and when, since which commit, who wrote, signed and approved it: out of Git alone."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from reconciler.documents import RolesHistory
from reconciler.errors import GitError
from reconciler.fleet.blame import Writer, writer_of
from reconciler.fleet.history import Heard
from reconciler.fleet.released import Policies, find
from reconciler.fleet.report_times import wrong_places
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
class Ran:
    """What a device ran at a time: its newest report by then, and the first of an unbroken row with the same commit.

    `wrong_times` are those of the row, and of what follows it at once, that go against the order of the branch.
    """

    newest: Heard
    since: Heard
    wrong_times: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Stay:
    """A commit on a device: the first report that says that it runs, how it went, and when another one ran.

    `first` is one whose time can be right, if there is such. `wrong_times` are those of its reports, and of the one
    with which it ended, that go against the order of the branch.
    """

    device: str
    first: Heard
    phases: tuple[str, ...]
    until: datetime | None = None
    # Of its reports that the device's key of today did not sign, the fingerprints of the keys that did.
    former_keys: tuple[str, ...] = ()
    wrong_times: tuple[datetime, ...] = ()


def at(reports: Sequence[Heard], moment: datetime, now: datetime) -> Ran | None:
    """What a device had told by then, by its reports in the order of the branch."""
    wrong = wrong_places([one.signed_at for one in reports], now)
    newest = _newest(reports, wrong, moment, now)
    if newest is None:
        return None
    start, end = newest, newest + 1
    while start > 0 and reports[start - 1].applied == reports[newest].applied:
        start -= 1
    while end in wrong:
        end += 1
    since = next((place for place in range(start, newest + 1) if place not in wrong), start)
    times = tuple(reports[place].signed_at for place in range(start, end) if place in wrong)
    return Ran(reports[newest], reports[since], times)


def _newest(reports: Sequence[Heard], wrong: Container[int], moment: datetime, now: datetime) -> int | None:
    """The place of the newest report that was there; one with a wrong time, when the next right one was, or now."""
    there_by = now
    for place in reversed(range(len(reports))):
        if place not in wrong:
            there_by = min(there_by, reports[place].signed_at)
        if there_by <= moment:
            return place
    return None


def stays(reports: Iterable[Heard], commit: str, now: datetime) -> list[Stay]:
    """Each time that a device ran this commit, by device, in the order of the branch."""
    by_device = groupby(sorted(reports, key=lambda one: one.device), key=lambda one: one.device)
    return [stay for _, mine in by_device for stay in _stays(list(mine), commit, now)]


def _stays(mine: Sequence[Heard], commit: str, now: datetime) -> Iterator[Stay]:
    place = 0
    for runs, ones in groupby(mine, key=lambda one: one.applied == commit):
        row = list(ones)
        before, place = mine[max(place - 1, 0) : place], place + len(row)
        if runs:
            yield _stay(before, row, mine[place : place + 1], now)


def _stay(before: Sequence[Heard], row: Sequence[Heard], after: Sequence[Heard], now: datetime) -> Stay:
    """One row of reports, with the one before it and the one behind it, which show a time that cannot be."""
    around = [*before, *row, *after]
    wrong = wrong_places([one.signed_at for one in around], now)
    right = (one for place, one in enumerate(row, len(before)) if place not in wrong)
    return Stay(
        row[0].device,
        next(right, row[0]),
        tuple(dict.fromkeys(one.report.phase for one in row)),
        after[0].signed_at if after else None,
        tuple(dict.fromkeys(one.former_key for one in row if one.former_key)),
        tuple(around[place].signed_at for place in sorted(wrong) if place >= len(before)),
    )


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
