"""Mode `release`: the newest release that a quorum has signed, by a policy which moves only by quorums itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import reconciler
from reconciler.admission import Admission, PolicyGrant
from reconciler.agent.orders.known import Obtained, told_of
from reconciler.agent.orders.source import ANYBODY, Source, image_rules
from reconciler.agent.state.journal import Journal
from reconciler.agent.state.release_memory import Noted, ReleaseTrust, release_trust, write_release_trust
from reconciler.agent.state.remembered import Trusted
from reconciler.documents import Contents, branch_of
from reconciler.errors import Untrusted
from reconciler.model import Fact, Revision
from reconciler.repository import Mirror
from signing import SignatureError
from signing.documents import (
    RELEASE_NAMESPACE,
    Accepted,
    Branch,
    Followed,
    Policy,
    PolicyFiles,
    ReleaseJudge,
    anchored,
    follow_policies,
    judge_freshness,
)

_ADVICE = "say `fleet release verify` in a clone; what is obeyed stays as it is"
_SLACK = timedelta(hours=1)


class ReleaseSource(Source):
    """Fetches the branch of documents beside the commits, and never goes below what it accepted."""

    def __init__(self, mirror: Mirror, journal: Journal, anchor: str, channel: str, branch: str) -> None:
        super().__init__(mirror, journal)
        self._anchor, self.channel, self._branch = anchor, channel, branch

    def take(self, bundle: Path) -> None:
        self._mirror.take(bundle, self._branch)

    def admission(self, device: str, allowed: frozenset[str]) -> Admission:
        """What those who signed the release that is obeyed have granted, as far as the device allows it.

        Before the first release, what is obeyed comes from another mode, in which the device alone decides.
        """
        state = release_trust(self._journal)
        accepted = state.accepted.get(self.channel) if state else None
        if state is None or accepted is None:
            return Admission(allowed)
        policy = Policy.parse(state.policy.encode(), state.signers.encode())
        granted = policy.granted(device, policy.standing(accepted.voices, RELEASE_NAMESPACE))
        grants = tuple(PolicyGrant(one.capability, one.apps, one.services) for one in granted)
        return Admission(allowed, grants, policy.requires_digest, image_rules(policy))

    def _tip(self, *, fetch: bool) -> Revision:
        if fetch:
            self._mirror.fetch(self._branch)
        return self._mirror.seen(self._branch)

    def _judged(self, tip: Revision, trusted: Trusted | None, now: datetime, *, keeps: bool) -> Obtained:
        if trusted is not None and trusted.principal == ANYBODY:
            # Nobody has judged it; here a quorum does, and it begins anew.
            trusted = None
        try:
            branch = branch_of(self._mirror, tip.commit)
            held = self._held(branch, keeps)
            policy, refused, waiting = self._policy(branch, held)
            note_refused = self._hear_note(branch, policy, held)
            followed = self._newest(branch, policy, held, max(now, self._floor(held.state)))
        except SignatureError as error:
            return self._told(str(tip), trusted, [str(error)], error, Fact("Fresh", True, "Fetched", ""), tip)
        newest = _as_trusted(held.state.accepted.get(self.channel)) or trusted
        refusal = refused or followed.refusal
        words = [str(refusal)] if refusal else []
        words += [word for word in (waiting, followed.pending) if word]
        fresh = self._fresh(held.state, policy, now, note_refused)
        return self._told(_highest(branch, self.channel, tip), newest, words, refusal, fresh, tip)

    def _held(self, branch: Branch, keeps: bool) -> "_Held":
        """What is remembered; the anchor, for a device that remembers nothing."""
        state = release_trust(self._journal)
        if state is not None:
            return _Held(self._journal, keeps, state)
        policy, files = anchored(branch, self._anchor)
        text, signers = _texts(files)
        held = _Held(self._journal, keeps, ReleaseTrust(text, signers))
        held.put(replace(held.state, time_floor=policy.issued.timestamp()))
        return held

    def _policy(self, branch: Branch, held: "_Held") -> tuple[Policy, SignatureError | None, str]:
        """The newest policy, why not the next, and what it waits for."""
        policy = Policy.parse(held.state.policy.encode(), held.state.signers.encode())

        def keep(newer: Policy, files: PolicyFiles) -> None:
            text, signers = _texts(files)
            floor = max(held.state.time_floor, newer.issued.timestamp())
            held.put(replace(held.state, policy=text, signers=signers, time_floor=floor, notes={}))

        return follow_policies(branch, policy, keep)

    def _newest(self, branch: Branch, policy: Policy, held: "_Held", now: datetime) -> Followed:
        accepted = held.state.accepted.get(self.channel)
        judge = ReleaseJudge(branch, Contents(self._mirror), policy, self.channel, reconciler.__version__, now)
        rule, note = policy.freshness, held.state.notes.get(self.channel)
        if rule is not None and rule.refuses_new and (note is None or now.timestamp() > note.until):
            stale = SignatureError("STALE", "nothing new is obeyed without a freshness note")
            return Followed(accepted, (judge.trouble(accepted) if accepted else None) or stale)
        followed = judge.newest(accepted)
        if followed.accepted is not None:
            floor = max(held.state.time_floor, followed.accepted.issued)
            known = {**held.state.accepted, self.channel: followed.accepted}
            held.put(replace(held.state, accepted=known, time_floor=floor))
        return followed

    def _hear_note(self, branch: Branch, policy: Policy, held: "_Held") -> SignatureError | None:
        """Take in the freshness note, if it is newer than the last one: a replayed one says nothing. Why not, if so."""
        found = branch.freshness(self.channel) if policy.freshness is not None else None
        if found is None:
            return None
        try:
            note = judge_freshness(*found, policy, self.channel)
        except SignatureError as error:
            return error
        before = held.state.notes.get(self.channel)
        if before is None or note.issued.timestamp() > before.issued:
            heard = Noted(note.issued.timestamp(), note.expires.timestamp(), note.seq, note.release)
            held.put(replace(held.state, notes={**held.state.notes, self.channel: heard}))
        return None

    def _floor(self, state: ReleaseTrust) -> datetime:
        """Earlier than this it cannot be."""
        note = state.notes.get(self.channel)
        return datetime.fromtimestamp(max(state.time_floor, note.issued if note else 0.0), UTC)

    def _fresh(self, state: ReleaseTrust, policy: Policy, clock: datetime, refused: SignatureError | None) -> Fact:
        """Is what was fetched known to be the newest?"""
        floor, note, accepted = self._floor(state), state.notes.get(self.channel), state.accepted.get(self.channel)
        if clock < floor - _SLACK:
            told = f"the clock says {clock:%Y-%m-%dT%H:%MZ}; by what was signed it is {floor:%Y-%m-%dT%H:%MZ} or later"
            return Fact("Fresh", False, "CLOCK_SKEW", told)
        if policy.freshness is None:
            return Fact("Fresh", True, "Fetched", "")
        if note is None or max(clock, floor).timestamp() > note.until:
            until = f"since {datetime.fromtimestamp(note.until, UTC):%Y-%m-%dT%H:%MZ}" if note else "yet"
            told = f"nobody says that this is the newest, {until}"
            why = f"{told}; {refused.message}" if refused else told
            return Fact("Fresh", False, refused.code if refused else "STALE", why)
        if accepted is None or accepted.seq < note.seq:
            return Fact("Fresh", False, "STALE", f"release {note.seq} is out, and does not reach this device")
        if accepted.seq == note.seq and accepted.sha256 != note.release:
            return Fact("Fresh", False, "EQUIVOCATION", f"the note is of another release {note.seq} than the one here")
        return Fact("Fresh", True, "Fetched", "")

    def _told(
        self,
        seen: str,
        trusted: Trusted | None,
        words: list[str],
        refusal: SignatureError | None,
        fresh: Fact,
        tip: Revision,
    ) -> Obtained:
        message = "; ".join([*words, told_of(trusted)])
        if refusal is None:
            return Obtained(seen, trusted, (Fact("Trusted", True, "Verified", message), fresh))
        error = Untrusted(refusal.code, refusal.message, commit=tip.commit, advice=_ADVICE)
        return Obtained(seen, trusted, (Fact("Trusted", False, refusal.code, message), fresh), (error,))


class _Held:
    """What is remembered. Each change is on the disk before anything is done with it."""

    def __init__(self, journal: Journal, keeps: bool, state: ReleaseTrust) -> None:
        self._journal, self._keeps, self.state = journal, keeps, state

    def put(self, state: ReleaseTrust) -> None:
        if state != self.state and self._keeps:
            write_release_trust(self._journal, state)
        self.state = state


def _texts(files: PolicyFiles) -> tuple[str, str]:
    """The policy and its keys as text; both were read as UTF-8 before."""
    return files.raw.decode(), files.signers.decode()


def _as_trusted(accepted: Accepted | None) -> Trusted | None:
    """What is obeyed, as all other rooms know it."""
    if accepted is None:
        return None
    people = ", ".join(sorted({voice.principal for voice in accepted.voices}))
    return Trusted(accepted.commit, people, "", accepted.name, accepted.sha256)


def _highest(branch: Branch, channel: str, tip: Revision) -> str:
    """The highest release there is, whoever signed it, at this commit of the branch of documents."""
    seqs = branch.seqs(channel)
    return str(Revision(f"{channel}/{seqs[-1]}", tip.commit)) if seqs else str(tip)
