"""fleet policy: make the next version of the policy out of the fleet's files, sign it, and show what is in force."""

import argparse
import json
from datetime import UTC, datetime

from reconciler.errors import ReconcilerError, UnknownRevision, Untrusted
from reconciler.fleet.policy_file import compile_policy
from reconciler.fleet.released import Releases, missing, untrusted
from reconciler.fleet.signing_key import signing_key
from reconciler.manifests import POLICY_FILE as POLICY_SOURCE
from reconciler.terminal import printable
from signing.documents import (
    POLICY_FILE,
    POLICY_NAMESPACE,
    ROOT,
    SIGNERS_FILE,
    Grant,
    Policy,
    policy_folder,
    signature_file,
    voices_of,
)


def propose(options: argparse.Namespace) -> int:
    """Put the next version onto the branch, for people to sign. The digest of the first is the anchor of devices."""
    releases = Releases.of(options)
    tree = releases.desk.worktree()
    try:
        branch = releases.branch
    except UnknownRevision:
        version = 1
    else:
        version = releases.policies(branch).in_force.version + 1
        if branch.policy(version) is not None:
            advice = f"sign it (`fleet policy sign`), or take it off the branch `{options.branch}`"
            raise ReconcilerError(f"policy {version} is proposed already, and waits for signatures", advice=advice)
    policy, files = compile_policy(tree, version, datetime.now(UTC).replace(microsecond=0))
    folder = policy_folder(version)
    documents = {f"{folder}/{POLICY_FILE}": files.raw, f"{folder}/{SIGNERS_FILE}": files.signers}
    releases.shared.add(documents, f"Propose policy {version}")
    print(f"made policy {version} out of {POLICY_SOURCE}, until {policy.expires:%Y-%m-%d}")
    if version == 1:
        print(f"anchor {policy.sha256}")
        print("      which the settings of devices name: `trust: {mode: release, anchor: ...}`")
    print("next: fleet policy sign, by " + (missing(policy.role(ROOT), ()) or "nobody"))
    return 0


def sign(options: argparse.Namespace) -> int:
    """Sign the version that waits, after what it changes was shown, and push it."""
    releases = Releases.of(options)
    branch = releases.branch
    known = releases.policies(branch)
    version = options.version or max(branch.versions())
    files = branch.policy(version)
    if files is None:
        raise UnknownRevision(f"no policy {version}", advice="make it with `fleet policy propose`")
    with untrusted():
        policy = Policy.parse(files.raw, files.signers)
    for line in _differences(known.in_force, policy):
        print(printable(line))
    key = signing_key(releases.desk, options.key)
    with untrusted():
        judges = (policy,) if version == 1 else (known.in_force, policy)
        people = [judge.signers.principal_for(key.public, POLICY_NAMESPACE, policy.issued) for judge in judges]
    if not any(person in judge.role(ROOT).principals for person, judge in zip(people, judges, strict=True)):
        raise Untrusted("QUORUM", f"{people[0]} is not of role `{ROOT}`", commit="", advice="ask who is")
    confirm(options, f"sign policy {version} as {people[0]}")
    folder = policy_folder(version)
    documents = {
        f"{folder}/{POLICY_FILE}": files.raw,
        f"{folder}/{SIGNERS_FILE}": files.signers,
        signature_file(folder, people[0]): key.sign(files.raw, POLICY_NAMESPACE),
    }
    releases.shared.publish(documents, f"Sign policy {version} as {people[0]}")
    print(_waits(releases, version))
    return 0


def show(options: argparse.Namespace) -> int:
    """Print the policy in force, and the anchor of devices."""
    releases = Releases.of(options)
    branch = releases.branch
    known = releases.policies(branch)
    policy = known.in_force
    if options.output == "json":
        print(json.dumps(_plain(known.anchor, policy), indent=2))
    else:
        print(f"anchor     {known.anchor}")
        print(f"version    {policy.version}, from {policy.issued:%Y-%m-%d} until {policy.expires:%Y-%m-%d}")
        print(f"repository {policy.repository}")
        for name, role in sorted(policy.roles.items()):
            print(f"role       {name}: {role.threshold} of {', '.join(sorted(role.principals))}")
        for rule in policy.paths:
            print(f"path       {rule.match}: {', '.join(rule.roles)}")
        for grant in policy.grants:
            print(f"grant      {_granted(grant)}")
        for signer in sorted(policy.signers.by_blob.values(), key=lambda one: one.principal):
            revoked = " revoked" if signer.key.fingerprint in policy.revoked else ""
            print(f"key        {signer.principal} {signer.key.fingerprint}{revoked}")
        if known.waits:
            print(f"waits      {known.waits}")
    if known.refusal is not None:
        raise Untrusted(known.refusal.code, known.refusal.message, commit=releases.shared.tip)
    return 0


def confirm(options: argparse.Namespace, what: str) -> None:
    """Ask on the terminal, after everything was shown. Raises ReconcilerError when nobody can be asked, or says no."""
    if options.yes:
        return
    try:
        answer = input(f"{what}? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise ReconcilerError("nothing was signed", advice="answer `y`, or say `--yes` where nobody can be asked")


def _waits(releases: Releases, version: int) -> str:
    """What happens next with this version."""
    branch = releases.branch
    known = releases.policies(branch)
    if known.in_force.version >= version > 1:
        return f"policy {version} is in force; devices take it at their next pass"
    files = branch.policy(version)
    if files is None:
        return ""
    policy = Policy.parse(files.raw, files.signers)
    judge = policy if version == 1 else known.in_force
    voices = voices_of(
        files.raw, files.signatures, POLICY_NAMESPACE, judge.signers, policy.revoked | judge.revoked, policy.issued
    )
    left = missing(judge.role(ROOT), voices.people)
    return f"policy {version} waits for {left}" if left else f"policy {version} is signed"


def _differences(before: Policy, after: Policy) -> list[str]:
    """What a signer should see: each line that only one of them has."""
    old, new = _lines(before), _lines(after)
    gone = [f"- {line}" for line in old if line not in new] if before.version != after.version else []
    added = [f"+ {line}" for line in new if before.version == after.version or line not in old]
    return [f"policy {after.version}:", *gone, *added]


def _lines(policy: Policy) -> list[str]:
    lines = [f"repository {policy.repository}"]
    lines += [
        f"role {name}: {role.threshold} of {', '.join(sorted(role.principals))}"
        for name, role in sorted(policy.roles.items())
    ]
    lines += [f"path {number}: {rule.match}: {', '.join(rule.roles)}" for number, rule in enumerate(policy.paths, 1)]
    lines += [
        f"grant {one.capability} to {one.apps} on {one.devices} by {', '.join(one.roles)}" for one in policy.grants
    ]
    lines += [f"revoked {fingerprint}" for fingerprint in sorted(policy.revoked)]
    lines += sorted(f"key {one.principal} {one.key.fingerprint}" for one in policy.signers.by_blob.values())
    lines += ["images by digest only"] if policy.requires_digest else []
    if policy.freshness is not None:
        lines.append(f"freshness within {policy.freshness.max_age} s, refuses new: {policy.freshness.refuses_new}")
    return lines


def _granted(grant: Grant) -> str:
    to = f"{', '.join(grant.services)} of {', '.join(grant.apps)} on {', '.join(grant.devices)}"
    return f"{grant.capability} to {to}, by {', '.join(grant.roles)}"


def _plain(anchor: str, policy: Policy) -> dict[str, object]:
    return {
        "anchor": anchor,
        "version": policy.version,
        "repository": policy.repository,
        "issued": policy.issued.isoformat(),
        "expires": policy.expires.isoformat(),
        "roles": {
            name: {"principals": sorted(role.principals), "threshold": role.threshold}
            for name, role in policy.roles.items()
        },
        "paths": [{"match": rule.match, "roles": list(rule.roles)} for rule in policy.paths],
        "keys": [
            {"principal": one.principal, "fingerprint": one.key.fingerprint} for one in policy.signers.by_blob.values()
        ],
        "revoked": sorted(policy.revoked),
    }
