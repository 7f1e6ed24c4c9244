"""fleet verify: would a device follow these commits, or obey this tag? Judged by the very rules of the device."""

import argparse
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from reconciler.documents import CommitHistory, RolesHistory, branch_of
from reconciler.errors import ConfigError, GitError, ReconcilerError, UnknownRevision, Untrusted
from reconciler.fleet.blame import SIGNERS_FILE
from reconciler.fleet.released import untrusted
from reconciler.repository import Store
from reconciler.repository.desk import Desk
from reconciler.terminal import complain, printable
from signing import Admitted, AllowedSigners, ChainError, ForgeKeys, OneIsEnough, Rules, SignatureError, follow_chain
from signing import verify_tag as verify_raw_tag
from signing.documents import RolesAt

Chain = Sequence[tuple[str, bytes]]


def verify(options: argparse.Namespace) -> int:
    """Print a verdict for each commit, oldest first; exit code 40 when a device would stop before the last."""
    desk = Desk(options.folder)
    store = Store(desk.git_dir)
    if options.tag:
        return _tag(desk, store, options)
    base, head = _ends(options.revisions, desk)
    rules = _rules(desk, store, options, base, head)
    chain = store.chain(head, base or None)
    if not chain and base != head:
        advice = "devices that trust it do not go back"
        raise Untrusted("FORK_OR_REWIND", f"{head[:12]} is behind {base[:12]}", commit=head, advice=advice)
    previous = (base, store.commit(base)) if base else None
    history = CommitHistory(store) if options.merges == "recompute" else None
    admitted, refusal = follow_chain(chain, rules, previous, datetime.now(UTC), history)
    if options.output == "json":
        print(json.dumps(list(_plain(admitted, refusal)), indent=2))
    else:
        for line in _lines(chain, admitted, refusal):
            print(line)
    if refusal is None:
        return 0
    return complain("fleet", [Untrusted(refusal.code, _without_id(refusal), commit=refusal.commit)])


def _ends(revisions: str, desk: Desk) -> tuple[str, str]:
    """The commit that is trusted, or nothing for the whole history, and the one that shall be followed."""
    base, dots, head = revisions.rpartition("..")
    return desk.resolve(base) if dots and base else "", desk.resolve(head or "HEAD")


def _rules(desk: Desk, store: Store, options: argparse.Namespace, base: str, head: str) -> Rules:
    """By whose word the base may be followed. Raises Untrusted."""
    forge = _forge(options.forge_keys)
    if options.policy != "repository":
        return OneIsEnough(_signers(desk, options.signers, head), forge)
    if not base:
        advice = "write BASE..HEAD: the policy at BASE is the one that is trusted"
        raise ReconcilerError("nothing says which policy to begin with", advice=advice)
    documents = desk.remote_ref(options.releases)
    with untrusted(base):
        history = RolesHistory(store, lambda: branch_of(store, store.resolve(documents)))
        return RolesAt.of(base, options.onto, history, forge)


def _forge(file: Path | None) -> ForgeKeys | None:
    try:
        return ForgeKeys.parse(file.read_bytes()) if file else None
    except (OSError, SignatureError) as error:
        raise ConfigError(f"the keys of the forge cannot be used: {error}", where=str(file)) from error


def _signers(desk: Desk, file: Path | None, head: str) -> AllowedSigners:
    """The keys of a file, or of the copy that the revision itself carries. Raises Untrusted."""
    try:
        if file is not None:
            return AllowedSigners.parse(file.read_bytes(), str(file))
        tree = desk.revision(head)[1]
        if SIGNERS_FILE not in tree:
            advice = "name the file that devices have with `--signers`"
            raise Untrusted("SIGNERS", f"the revision has no {SIGNERS_FILE}", commit=head, advice=advice)
        return AllowedSigners.parse(tree[SIGNERS_FILE], SIGNERS_FILE)
    except OSError as error:
        raise GitError(f"the keys cannot be read: {error.strerror}", where=str(file)) from error
    except SignatureError as error:
        raise Untrusted(error.code, error.message, commit=head) from error


def _tag(desk: Desk, store: Store, options: argparse.Namespace) -> int:
    """One tag, as mode `tag` judges it."""
    tags = store.tags("refs/tags")
    if options.tag not in tags:
        raise UnknownRevision(f"no tag {options.tag!r}", advice="fetch it, or check the name")
    tag_id, kind = tags[options.tag]
    if kind != "tag":
        raise Untrusted("UNSIGNED", f"{options.tag} is a lightweight tag, which nobody can sign", commit=tag_id)
    raw = store.tag(tag_id)
    signers = _signers(desk, options.signers, store.resolve(f"refs/tags/{options.tag}"))
    try:
        good = verify_raw_tag(tag_id, raw, options.tag, signers, datetime.now(UTC))
    except SignatureError as error:
        raise Untrusted(error.code, f"{options.tag}: {error.message}", commit=tag_id) from error
    told = {"tag": good.name, "commit": good.commit, "signer": good.principal, "fingerprint": good.key.fingerprint}
    if options.output == "json":
        print(json.dumps(told, indent=2))
    else:
        print(f"good     {good.name} {good.commit[:12]} {good.tagged_at:%Y-%m-%d} signed by {good.principal}")
    return 0


def _lines(chain: Chain, admitted: Sequence[Admitted], refusal: ChainError | None) -> Iterator[str]:
    for one in admitted:
        yield f"good     {one.id[:12]} {one.committed_at:%Y-%m-%d} {one.told:<44} {printable(one.subject)}".rstrip()
    if refusal is not None:
        yield f"refused  {refusal.commit[:12]} {refusal.code}: {printable(_without_id(refusal))}"
        ids = [commit for commit, _ in chain]
        if left := ids[ids.index(refusal.commit) + 1 :]:
            yield f"         {len(left)} more behind it, which no device looks at before it is gone"
    elif not chain:
        yield "nothing new"


def _plain(admitted: Sequence[Admitted], refusal: ChainError | None) -> Iterator[dict[str, object]]:
    for one in admitted:
        is_signed = bool(one.fingerprint) and not one.is_recomputed
        told = {"commit": one.id, "verdict": "good", "signer": one.principal, "signed": is_signed}
        yield {**told, "approvers": one.approvers, "fingerprint": one.fingerprint, "subject": one.subject}
    if refusal is not None:
        told = {"commit": refusal.commit, "verdict": "refused", "code": refusal.code}
        yield {**told, "message": _without_id(refusal)}


def _without_id(refusal: ChainError) -> str:
    return refusal.message.removeprefix(f"commit {refusal.commit[:12]}: ")
