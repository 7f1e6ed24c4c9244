"""The branch of documents of an operator's clone: what is on it, by the eyes of a device, and how to add to it."""

import argparse
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import reconciler
from reconciler.documents import Contents, branch_of
from reconciler.errors import UnknownRevision, Untrusted
from reconciler.repository import Store
from reconciler.repository.desk import Desk
from reconciler.repository.shared_branch import SharedBranch
from signing import PublicKey, SignatureError
from signing.documents import (
    MAX_LISTING,
    RELEASE,
    RELEASE_NAMESPACE,
    Accepted,
    Branch,
    Policy,
    Release,
    ReleaseJudge,
    Step,
    Voices,
    follow_policies,
    has_quorum,
    taken,
    voices_of,
)

_BEGIN = "begin it with `fleet policy propose`"


@dataclass(frozen=True, slots=True)
class Releases:
    """The documents of a clone at one moment: what is on their branch, and by which policies."""

    desk: Desk
    shared: SharedBranch
    store: Store
    branch: Branch
    policies: "Policies"

    @classmethod
    def of(cls, options: argparse.Namespace) -> "Releases":
        """Of the folder of the command line; fetched before, unless it says not to.

        Raises UnknownRevision when nobody has begun the branch, Untrusted.
        """
        desk = Desk(options.folder)
        return cls.read(desk, shared_branch(desk, options))

    @classmethod
    def read(cls, desk: Desk, shared: SharedBranch) -> "Releases":
        """What is there now."""
        store = Store(desk.git_dir)
        try:
            tip = shared.tip
        except UnknownRevision as error:
            raise UnknownRevision(f"no branch `{shared.name}` yet", advice=_BEGIN) from error
        return cls(desk, shared, store, *policies_of(store, tip))

    def again(self) -> "Releases":
        """After something was added."""
        return self.read(self.desk, self.shared)

    @property
    def policy(self) -> Policy:
        """The one in force."""
        return self.policies.in_force

    @property
    def contents(self) -> Contents:
        return Contents(self.store)

    def find(self, channel: str, seq: int) -> "Found":
        return find(self.branch, self.policies, channel, seq)

    def newest_signed(self, channel: str, below: int = 10**15) -> "Found | None":
        """The highest release under a number that its quorum has signed, expired or not."""
        for seq in reversed([seq for seq in self.branch.seqs(channel) if seq < below]):
            with suppress(SignatureError):
                found = self.find(channel, seq)
                if found.is_signed:
                    return found
        return None

    def judged(self, channel: str, seq: int) -> Accepted:
        """As by a device, now, that has the release before. Raises SignatureError."""
        before = self.newest_signed(channel, seq)
        accepted = taken(before.release, before.voices) if before else None
        now, version = datetime.now(UTC), reconciler.__version__
        return ReleaseJudge(self.branch, self.contents, self.policy, channel, version, now).judge(seq, accepted)


def shared_branch(desk: Desk, options: argparse.Namespace) -> SharedBranch:
    """The branch of documents of a clone, with what others have added."""
    shared = SharedBranch(desk, options.branch, MAX_LISTING)
    if not options.no_fetch:
        shared.fetch()
    return shared


@dataclass(frozen=True, slots=True)
class Policies:
    """The anchor's digest, the policy in force, why not the next one, and what it waits for."""

    anchor: str
    in_force: Policy
    refusal: SignatureError | None
    waits: str
    # From the first to the one in force: a release is signed by the rules of its day.
    chain: tuple[Policy, ...]


def policies_of(store: Store, commit: str) -> tuple[Branch, Policies]:
    """What is on this commit of the branch of documents, and its policies. Raises Untrusted."""
    with untrusted(commit):
        branch = branch_of(store, commit)
        return branch, _policies(branch)


def _policies(branch: Branch) -> Policies:
    versions = branch.versions()
    files = branch.policy(versions[0]) if versions else None
    if files is None:
        raise SignatureError("POLICY_ANCHOR", "no policy on the branch; " + _BEGIN)
    first = Policy.parse(files.raw, files.signers)
    chain = [first]
    policy, refusal, waits = follow_policies(branch, first, lambda newer, _: chain.append(newer))
    return Policies(first.sha256, policy, refusal, waits, tuple(chain))


@dataclass(frozen=True, slots=True)
class Found:
    """A release as it lies on the branch, and who has signed it, as of the day that it was made.

    `policy` is the newest by whose rules it is signed; the one in force, when it is by none.
    """

    step: Step
    release: Release
    voices: Voices
    policy: Policy

    @property
    def is_signed(self) -> bool:
        return has_quorum(self.voices, self.policy.role(RELEASE))


def find(branch: Branch, policies: Policies, channel: str, seq: int) -> Found:
    """Raises SignatureError when there is none that can be read."""
    step = branch.release(channel, seq)
    if step is None:
        raise SignatureError("NO_RELEASE", f"no release {channel}/{seq} on the branch")
    release = Release.parse(step.raw)
    judged = [Found(step, release, _voices(step, release, policy), policy) for policy in reversed(policies.chain)]
    return next((found for found in judged if found.is_signed), judged[0])


def _voices(step: Step, release: Release, policy: Policy) -> Voices:
    return voices_of(step.raw, step.signatures, RELEASE_NAMESPACE, policy.signers, policy.revoked, release.issued)


def missing(policy: Policy, name: str, people: Iterable[str]) -> str:
    """Who could still sign for a role, for people; empty when nobody has to."""
    role = policy.role(name)
    signed = role.principals & set(people)
    if len(signed) >= role.threshold:
        return ""
    alive = {one.principal for one in policy.signers.by_blob.values() if one.key.fingerprint not in policy.revoked}
    return f"{role.threshold - len(signed)} more of {', '.join(sorted((role.principals - signed) & alive))}"


def signature_name(person: str, key: PublicKey) -> str:
    """The name of a signature's file: whose, and with which of his keys. It says nothing to those who judge."""
    return f"{person}-{re.sub('[^A-Za-z0-9]', '', key.fingerprint.removeprefix('SHA256:'))[:12]}"


def check_key(policy: Policy, key: PublicKey, namespace: str, at: datetime) -> str:
    """Whose key this is. Raises SignatureError when what it signs would not be heard."""
    if key.fingerprint in policy.revoked:
        raise SignatureError("KEY_REVOKED", f"key {key.fingerprint} is revoked; use another one")
    return policy.signers.principal_for(key, namespace, at)


@contextmanager
def untrusted(commit: str = "") -> Iterator[None]:
    """What signing refuses, as an error of ours."""
    try:
        yield
    except SignatureError as error:
        raise Untrusted(error.code, error.message, commit=commit) from error
