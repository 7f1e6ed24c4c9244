"""fleet release: make the next release of a channel, show what it changes on devices, sign it, judge it as they do."""

import argparse
import json
from datetime import UTC, datetime, timedelta

from reconciler.errors import ManifestError, ReconcilerError, UnknownRevision, Untrusted
from reconciler.fleet.policy_commands import confirm
from reconciler.fleet.preview import preview
from reconciler.fleet.preview_text import as_text
from reconciler.fleet.released import (
    Found,
    Releases,
    check_key,
    missing,
    signature_name,
    untrusted,
)
from reconciler.fleet.signing_key import signing_key
from reconciler.fleet.validate import validate
from reconciler.model.tree import Tree
from reconciler.terminal import printable
from signing import SignatureError
from signing.documents import (
    FRESHNESS,
    FRESHNESS_FILE,
    FRESHNESS_NAMESPACE,
    LISTING_FILE,
    NOTHING,
    RELEASE,
    RELEASE_FILE,
    RELEASE_NAMESPACE,
    Branch,
    Listing,
    Policy,
    Release,
    check_content,
    freshness_folder,
    moment_text,
    release_folder,
    signature_file,
    write_document,
)

_SHOWN = 20


def prepare(options: argparse.Namespace) -> int:
    """Put the next release onto this clone's branch, for people to look at and to sign."""
    releases = Releases.of(options)
    policy = releases.policy
    commit, tree = releases.desk.revision(options.commit)
    _check_release(releases, commit, tree)
    if findings := validate(tree).findings:
        raise ManifestError([finding.problem for finding in findings])
    last = releases.newest_signed(options.channel)
    seq = options.seq or (last.release.seq + 1 if last else 1)
    if seq in releases.branch.seqs(options.channel):
        advice = f"sign it, or say `--seq {max(releases.branch.seqs(options.channel)) + 1}`"
        raise ReconcilerError(f"release {options.channel}/{seq} is there already", advice=advice)
    with untrusted(commit):
        listing = releases.contents.listing(commit)
        tree_id = releases.contents.tree(commit)
    now = datetime.now(UTC)
    raw = write_document("release", {
        "repository": policy.repository, "channel": options.channel, "seq": seq,
        "previous": last.release.sha256 if last else "",
        "issued": moment_text(now), "expires": moment_text(now + timedelta(days=options.days)),
        "commit": commit, "tree": tree_id, "content": listing.content,
        "files": len(listing.files), "size": listing.size, "policy": policy.version,
        **({"min_agent": options.min_agent} if options.min_agent else {}),
    })  # fmt: skip
    with untrusted():
        Release.parse(raw)
    folder = release_folder(options.channel, seq)
    files = {f"{folder}/{RELEASE_FILE}": raw, f"{folder}/{LISTING_FILE}": listing.raw}
    releases.shared.add(files, f"Prepare release {options.channel}/{seq}")
    print(f"prepared release {options.channel}/{seq}: {len(listing.files)} files of commit {commit[:12]}")
    print(f"next: fleet release sign, by {missing(policy, RELEASE, ())}")
    return 0


def sign(options: argparse.Namespace) -> int:
    """Show what the release changes, on every device; then sign it and push it."""
    releases = Releases.of(options)
    policy = releases.policy
    seq = _seq(options, releases.branch)
    with untrusted():
        found = releases.find(options.channel, seq)
        listing = releases.contents.listing(found.release.commit)
        check_content(found.release, listing, releases.contents.tree(found.release.commit))
        before = releases.newest_signed(options.channel, seq)
        highest = releases.newest_signed(options.channel)
    if highest is not None and highest.release.seq > seq:
        raise Untrusted("ROLLBACK", f"{highest.release.name} is signed already; devices do not go back", commit="")
    _check_release(releases, found.release.commit, releases.desk.revision(found.release.commit)[1])
    if found.release.previous != (before.release.sha256 if before else ""):
        advice = "prepare it again, under the next number"
        raise Untrusted("CHAIN", "it does not follow the newest release that is signed", commit="", advice=advice)
    _show(releases, policy, found, listing, before)
    key = signing_key(releases.desk, options.key)
    with untrusted():
        person = check_key(policy, key.public, RELEASE_NAMESPACE, datetime.now(UTC))
    folder = release_folder(options.channel, seq)
    signature = signature_file(folder, signature_name(person, key.public))
    if signature in releases.branch.paths:
        print(f"{person} has signed it already; {_next(releases, options.channel, seq)}")
        return 0
    confirm(options, f"sign release {found.release.name} as {person}")
    files = {
        f"{folder}/{RELEASE_FILE}": found.step.raw,
        f"{folder}/{LISTING_FILE}": found.step.listing(),
        signature: key.sign(found.step.raw, RELEASE_NAMESPACE),
    }
    releases.shared.publish(files, f"Sign release {found.release.name} as {person}")
    print(_next(releases.again(), options.channel, seq))
    return 0


def verify(options: argparse.Namespace) -> int:
    """Would a device that has the release before obey this one? Exit code 40 when not."""
    releases = Releases.of(options)
    seq = _seq(options, releases.branch)
    with untrusted():
        good = releases.judged(options.channel, seq)
    people = sorted({voice.principal for voice in good.voices})
    if options.output == "json":
        told = {"release": good.name, "commit": good.commit, "content": good.content, "signers": people}
        print(json.dumps({**told, "sha256": good.sha256, "policy": releases.policy.version}, indent=2))
    else:
        by = f"{', '.join(people)}, by policy {releases.policy.version}"
        print(f"good     {good.name} {good.commit[:12]} signed by {by}")
    return 0


def show_list(options: argparse.Namespace) -> int:
    """Print the newest releases of every channel, newest first."""
    releases = Releases.of(options)
    branch = releases.branch
    rows = [_row(releases, channel, seq) for channel in branch.channels()
            for seq in branch.seqs(channel)[: -_SHOWN - 1 : -1]]  # fmt: skip
    if options.output == "json":
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        people = ", ".join(row["signers"]) or "nobody"
        print(printable(f"{row['release']:<12} {row['issued']:<21} {row['commit'][:12]:<12} {row['state']}; {people}"))
    if not rows:
        print("no release yet; make one with `fleet release prepare`")
    return 0


def freshen(options: argparse.Namespace) -> int:
    """Say that the newest good release is still the newest, for a while."""
    releases = Releases.of(options)
    policy = releases.policy
    if policy.freshness is None:
        raise ReconcilerError("the policy has no `freshness`", advice="write `freshness: {maxAge: 24h}` into it")
    found = releases.newest_signed(options.channel)
    if found is None:
        raise UnknownRevision(f"no signed release of channel `{options.channel}`", advice="sign one first")
    key = signing_key(releases.desk, options.key)
    now = datetime.now(UTC)
    until = now + timedelta(seconds=policy.freshness.max_age)
    with untrusted():
        person = check_key(policy, key.public, FRESHNESS_NAMESPACE, now)
    if person not in policy.role(FRESHNESS).principals:
        raise Untrusted("QUORUM", f"{person} is not of role `{FRESHNESS}`", commit="")
    raw = write_document("freshness", {
        "repository": policy.repository, "channel": options.channel,
        "seq": found.release.seq, "release": found.release.sha256,
        "issued": moment_text(now), "expires": moment_text(until),
    })  # fmt: skip
    folder = freshness_folder(options.channel)
    files = {
        f"{folder}/{FRESHNESS_FILE}": raw, signature_file(folder, person): key.sign(raw, FRESHNESS_NAMESPACE)
    }  # fmt: skip
    releases.shared.publish(files, f"{found.release.name} is still the newest", replaces=True)
    print(f"{found.release.name} is the newest, until {until:%Y-%m-%d %H:%MZ}")
    return 0


def _check_release(releases: Releases, commit: str, tree: Tree) -> None:
    """Raises when no device could have this commit, or it holds no fleet: then a signer would see nothing."""
    if releases.desk.prefix() or "fleet.yaml" not in tree:
        told = "devices read a fleet at the root of its repository, and there is none"
        raise ReconcilerError(told, where=f"commit {commit[:12]}", advice="go to where `fleet.yaml` is, or move it")
    if not releases.desk.is_pushed(commit):
        raise ReconcilerError("nobody else has this commit", where=f"commit {commit[:12]}", advice="push it first")


def _seq(options: argparse.Namespace, branch: Branch) -> int:
    """The number that was asked for, or the highest."""
    seqs = branch.seqs(options.channel)
    seq: int = options.seq or (seqs[-1] if seqs else 0)
    if seq not in seqs:
        advice = "make one with `fleet release prepare`"
        raise UnknownRevision(f"no release {options.channel}/{seq or ''}", advice=advice)
    return seq


def _show(releases: Releases, policy: Policy, found: Found, listing: Listing, before: Found | None) -> None:
    """What a signer should see before the key is used: files and whose they are, and what devices would do."""
    release = found.release
    print(f"release {release.name} of commit {release.commit}, until {release.expires:%Y-%m-%d}")
    old = releases.contents.listing(before.release.commit) if before else NOTHING
    for path in listing.changed(old):
        with untrusted():
            roles = policy.rule(path).roles
        sign = "+" if path not in old.files else "-" if path not in listing.files else "~"
        print(printable(f"  {sign} {path} ({', '.join(roles)})"))
    after = releases.desk.revision(release.commit)[1]
    previews = preview(releases.desk.revision(before.release.commit)[1] if before else {}, after)
    print(as_text(previews))


def _next(releases: Releases, channel: str, seq: int) -> str:
    """Who else has to sign, or that devices will follow."""
    left = missing(releases.policy, RELEASE, releases.find(channel, seq).voices.people)
    if left:
        return f"release {channel}/{seq} waits for {left}"
    try:
        releases.judged(channel, seq)
    except SignatureError as error:
        return f"release {channel}/{seq} is not good yet: {error}"
    return f"release {channel}/{seq} is signed; devices obey it at their next pass"


def _row(releases: Releases, channel: str, seq: int) -> dict[str, str | list[str]]:
    try:
        found = releases.find(channel, seq)
    except SignatureError as error:
        return {"release": f"{channel}/{seq}", "issued": "", "commit": "", "state": str(error), "signers": []}
    left = "" if found.is_signed else missing(releases.policy, RELEASE, found.voices.people)
    is_over = datetime.now(UTC) > found.release.expires
    state = f"waits for {left}" if left else "expired" if is_over else "signed"
    return {
        "release": found.release.name,
        "issued": moment_text(found.release.issued),
        "commit": found.release.commit,
        "state": state,
        "signers": sorted(found.voices.people),
    }
