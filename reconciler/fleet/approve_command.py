"""fleet approve: say, beside the commits, that a branch may be merged: for squash, rebase and quorums of several."""

import argparse
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.documents import Contents, RolesHistory, branch_of
from reconciler.errors import ReconcilerError, UnknownRevision, Untrusted
from reconciler.fleet.policy_commands import confirm
from reconciler.fleet.preview import preview
from reconciler.fleet.preview_text import as_text
from reconciler.fleet.released import check_key, missing, shared_branch, signature_name, untrusted
from reconciler.fleet.signing_key import signing_key
from reconciler.repository import Store
from reconciler.repository.desk import Desk
from reconciler.repository.shared_branch import SharedBranch
from reconciler.terminal import printable
from signing.documents import (
    APPROVAL_FILE,
    APPROVAL_NAMESPACE,
    Approval,
    Branch,
    Policy,
    approval_folder,
    roles_for,
    signature_file,
    voices_of,
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What would follow the newest commit of the branch that devices obey, and by whose word it may."""

    desk: Desk
    shared: SharedBranch
    policy: Policy
    approval: Approval
    # Of the files that it changes, by path.
    roles: dict[str, tuple[str, ...]]

    @property
    def folder(self) -> str:
        return approval_folder(self.approval.base, self.approval.content)

    def people(self, at: datetime) -> frozenset[str]:
        """Who has approved it."""
        found: set[str] = set()
        for raw, signatures in self._fresh().approvals(self.approval.base):
            if raw == self.approval.raw:
                signers, revoked = self.policy.signers, self.policy.revoked
                with untrusted():
                    found |= voices_of(raw, signatures, APPROVAL_NAMESPACE, signers, revoked, at).people
        return frozenset(found)

    def waits(self, people: frozenset[str]) -> list[str]:
        """Whose approval is missing, for people; nothing when a button may merge it."""
        named = sorted({name for roles in self.roles.values() for name in roles})
        left = {name: missing(self.policy, name, people) for name in named}
        return [f"{told} (role {name})" for name, told in left.items() if told]

    def _fresh(self) -> RolesHistory:
        """As the branch is now: somebody may just have approved."""
        store = Store(self.desk.git_dir)
        return RolesHistory(store, lambda: branch_of(store, self.shared.tip))


def approve(options: argparse.Namespace) -> int:
    """Show what a branch would change on every device; then sign that it may follow, and push that word."""
    proposal = _proposal(options)
    if options.show:
        return _show(proposal, options)
    for path, roles in proposal.roles.items():
        print(printable(f"  {path} ({', '.join(roles)})"))
    before = proposal.desk.files(proposal.approval.base)
    print(as_text(preview(before, proposal.desk.files(proposal.approval.tree))))
    key, now = signing_key(proposal.desk, options.key), datetime.now(UTC)
    with untrusted():
        person = check_key(proposal.policy, key.public, APPROVAL_NAMESPACE, now)
    if person in proposal.people(now):
        print(f"{person} has approved it already; {_next(proposal, now)}")
        return 0
    confirm(options, f"approve it as {person}")
    raw, base = proposal.approval.raw, proposal.approval.base
    documents = {
        f"{proposal.folder}/{APPROVAL_FILE}": raw,
        signature_file(proposal.folder, signature_name(person, key.public)): key.sign(raw, APPROVAL_NAMESPACE),
    }
    proposal.shared.publish(documents, f"Approve what follows {base[:12]} as {person}")
    print(_next(proposal, now))
    return 0


def _proposal(options: argparse.Namespace) -> Proposal:
    """What merging the revision gives, as git makes it. Raises ReconcilerError when no button could merge it."""
    desk = Desk(options.folder)
    if desk.prefix():
        raise ReconcilerError(
            "devices read a fleet at the root of its repository", advice="go to where `fleet.yaml` is"
        )
    shared = shared_branch(desk, options)
    onto = desk.remote_ref(options.onto) if options.no_fetch else desk.fetch(options.onto)
    store = Store(desk.git_dir)
    base, head = store.resolve(onto), desk.resolve(options.revision)
    tree = store.merged_tree(base, head)
    if not tree:
        advice = f"bring it up to date with `{options.onto}`, and push it"
        raise ReconcilerError(f"`{options.revision}` conflicts with `{options.onto}`", advice=advice)
    with untrusted(base):
        policy = RolesHistory(store, Branch.empty).policy(base)
        changed = store.changed(base, tree)
        roles = {path: roles_for(policy, path) for path in changed}
        content = Contents(store).listing_of(tree).content
    if not changed:
        raise UnknownRevision(f"`{options.revision}` changes nothing on `{options.onto}`", advice="name a branch")
    return Proposal(desk, shared, policy, Approval(policy.repository, options.onto, base, tree, content), roles)


def _show(proposal: Proposal, options: argparse.Namespace) -> int:
    """Who has approved it, and who has to. Exit code 40 when somebody has to."""
    people = proposal.people(datetime.now(UTC))
    left = proposal.waits(people)
    if options.output == "json":
        told = {"base": proposal.approval.base, "content": proposal.approval.content, "approvers": sorted(people)}
        print(json.dumps({**told, "waitsFor": left}, indent=2))
    else:
        print(f"approved by {', '.join(sorted(people)) or 'nobody'}")
    if left:
        raise Untrusted("PATH_QUORUM", f"it waits for {'; '.join(left)}", commit="")
    return 0


def _next(proposal: Proposal, now: datetime) -> str:
    left = proposal.waits(proposal.people(now))
    if left:
        return f"it waits for {'; '.join(left)}; a good signature under its commit counts as well"
    onto = proposal.approval.branch
    return f"it may be squashed or merged, as long as nothing else comes onto `{onto}` before"
