"""fleet policy: make the next version of the policy out of the fleet's files, sign it, and show what is in force."""

import argparse
import json
from datetime import UTC, datetime

from reconciler.documents import compile_policy
from reconciler.errors import ReconcilerError, UnknownRevision, Untrusted
from reconciler.fleet.released import Releases, check_key, missing, shared_branch, signature_name, untrusted
from reconciler.fleet.signing_key import signing_key
from reconciler.manifests import POLICY_FILE as POLICY_SOURCE
from reconciler.repository.desk import Desk
from reconciler.terminal import printable
from signing import PublicKey, SignatureError
from signing.documents import (
    POLICY_FILE,
    POLICY_NAMESPACE,
    ROOT,
    SIGNERS_FILE,
    Grant,
    ImageSigners,
    Policy,
    policy_folder,
    signature_file,
    voices_of,
)


def propose(options: argparse.Namespace) -> int:
    """Put the next version onto the branch, for people to sign. The digest of the first is the anchor of devices."""
    desk = Desk(options.folder)
    shared = shared_branch(desk, options)
    try:
        known = Releases.read(desk, shared)
    except UnknownRevision:
        version = 1
    else:
        version = known.policy.version + 1
        if known.policy.version == 1 and (left := _left(known, 1)):
            raise ReconcilerError(f"policy 1 waits for {left}", advice="sign it first (`fleet policy sign`)")
        if known.branch.policy(version) is not None:
            advice = f"sign it (`fleet policy sign`), or take it off the branch `{options.branch}`"
            raise ReconcilerError(f"policy {version} is proposed already, and waits for signatures", advice=advice)
    policy, files = compile_policy(desk.worktree(), version, datetime.now(UTC).replace(microsecond=0))
    folder = policy_folder(version)
    documents = {f"{folder}/{POLICY_FILE}": files.raw, f"{folder}/{SIGNERS_FILE}": files.signers}
    shared.add(documents, f"Propose policy {version}")
    print(f"made policy {version} out of {POLICY_SOURCE}, until {policy.expires:%Y-%m-%d}")
    if version == 1:
        print(f"anchor {policy.sha256}")
        print("      which the settings of devices name: `trust: {mode: release, anchor: ...}`")
    print("next: fleet policy sign, by " + (missing(policy, ROOT, ()) or "nobody"))
    return 0


def sign(options: argparse.Namespace) -> int:
    """Sign the version that waits, after what it changes was shown, and push it."""
    releases = Releases.of(options)
    version = options.version or max(releases.branch.versions())
    files = releases.branch.policy(version)
    if files is None:
        raise UnknownRevision(f"no policy {version}", advice="make it with `fleet policy propose`")
    with untrusted():
        policy = Policy.parse(files.raw, files.signers)
    for line in _differences(releases.policy, policy):
        print(printable(line))
    key = signing_key(releases.desk, options.key)
    judges = (policy,) if version == 1 else (releases.policy, policy)
    person = _person(judges, key.public)
    folder = policy_folder(version)
    signature = signature_file(folder, signature_name(person, key.public))
    if signature in releases.branch.paths:
        print(f"{person} has signed it already; {_waits(releases, version)}")
        return 0
    confirm(options, f"sign policy {version} as {person}")
    documents = {
        f"{folder}/{POLICY_FILE}": files.raw,
        f"{folder}/{SIGNERS_FILE}": files.signers,
        signature: key.sign(files.raw, POLICY_NAMESPACE),
    }
    releases.shared.publish(documents, f"Sign policy {version} as {person}")
    print(_waits(releases.again(), version))
    return 0


def show(options: argparse.Namespace) -> int:
    """Print the policy in force, and the anchor of devices."""
    releases = Releases.of(options)
    policy, known = releases.policy, releases.policies
    if options.output == "json":
        print(json.dumps(_plain(known.anchor, policy), indent=2))
    else:
        print(f"anchor {known.anchor}")
        print(f"version {policy.version}, from {policy.issued:%Y-%m-%d} until {policy.expires:%Y-%m-%d}")
        for line in _lines(policy):
            print(printable(line))
        if known.waits:
            print(f"waits: {known.waits}")
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


def _person(judges: tuple[Policy, ...], key: PublicKey) -> str:
    """Whose key this is by one of them, who has the role `root` there. Raises Untrusted."""
    refusals = []
    for judge in judges:
        try:
            person = check_key(judge, key, POLICY_NAMESPACE, judges[-1].issued)
        except SignatureError as error:
            refusals.append(error)
            continue
        if person in judge.role(ROOT).principals:
            return person
        refusals.append(SignatureError("QUORUM", f"{person} is not of role `{ROOT}`"))
    raise Untrusted(refusals[0].code, refusals[0].message, commit="", advice="ask who is of that role")


def _left(releases: Releases, version: int) -> str:
    """Who has to sign this version still, for people."""
    files = releases.branch.policy(version)
    if files is None:
        return ""
    with untrusted():
        policy = Policy.parse(files.raw, files.signers)
    judges = (policy,) if version == 1 else (releases.policy, policy)
    waits = []
    for judge in judges:
        revoked = policy.revoked | judge.revoked
        voices = voices_of(files.raw, files.signatures, POLICY_NAMESPACE, judge.signers, revoked, policy.issued)
        if left := missing(judge, ROOT, voices.people):
            waits.append(f"{left} (by policy {judge.version})")
    return " and ".join(dict.fromkeys(waits))


def _waits(releases: Releases, version: int) -> str:
    """What happens next with this version."""
    if releases.policy.version >= version > 1:
        return f"policy {version} is in force; devices take it at their next pass"
    if left := _left(releases, version):
        return f"policy {version} waits for {left}"
    return f"policy {version} is signed" + (f"; anchor {releases.policies.anchor}" if version == 1 else "")


def _differences(before: Policy, after: Policy) -> list[str]:
    """What a signer should see: each line that only one of them has."""
    old, new = _lines(before), _lines(after)
    gone = [f"- {line}" for line in old if line not in new] if before.version != after.version else []
    added = [f"+ {line}" for line in new if before.version == after.version or line not in old]
    return [f"policy {after.version}:", *([*gone, *added] or ["nothing but its dates"])]


def _lines(policy: Policy) -> list[str]:
    lines = [f"repository {policy.repository}"]
    lines += [
        f"role {name}: {role.threshold} of {', '.join(sorted(role.principals))}"
        for name, role in sorted(policy.roles.items())
    ]
    lines += [f"path {number}: {rule.match}: {', '.join(rule.roles)}" for number, rule in enumerate(policy.paths, 1)]
    lines += [f"grant {_granted(one)}" for one in policy.grants]
    lines += [f"revoked {fingerprint}" for fingerprint in sorted(policy.revoked)]
    lines += sorted(f"key {one.principal} {one.key.fingerprint}" for one in policy.signers.by_blob.values())
    lines += ["images by digest only"] if policy.requires_digest else []
    lines += [f"images of {_signed(one)}" for one in policy.images]
    if policy.freshness is not None:
        lines.append(f"freshness within {policy.freshness.max_age} s, refuses new: {policy.freshness.refuses_new}")
    return lines


def _granted(grant: Grant) -> str:
    to = f"{', '.join(grant.services)} of {', '.join(grant.apps)} on {', '.join(grant.devices)}"
    return f"{grant.capability} to {to}, by {', '.join(grant.roles)}"


def _signed(rule: ImageSigners) -> str:
    return f"{', '.join(rule.repositories)} signed by {rule.threshold} of {', '.join(sorted(rule.keys))}"


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
        "grants": [_granted(one) for one in policy.grants],
        "requireDigest": policy.requires_digest,
        "imageSignatures": [
            {"repositories": list(one.repositories), "keys": sorted(one.keys), "threshold": one.threshold}
            for one in policy.images
        ],
        "freshnessMaxAgeSeconds": policy.freshness.max_age if policy.freshness else None,
    }
