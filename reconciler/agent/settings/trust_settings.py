"""The part of the agent's settings that says whom the device obeys."""

import re
from dataclasses import dataclass
from pathlib import Path

from reconciler.agent.settings.fields import path_beside, word
from reconciler.reading import Node, Problems
from reconciler.repository import check_branch

TRUST_MODES = COMMITS, RELEASE, TAG, UNSAFE_HEAD = ("commits", "release", "tag", "unsafe-head")
POLICIES = DEVICE, REPOSITORY = ("device", "repository")
TRUST_KEYS = (
    "mode",
    "allowedSigners",
    "revokedKeys",
    "anchor",
    "policy",
    "merges",
    "forgeKeys",
    "tags",
    "channel",
    "releases",
)
# As in `signing.documents`, which an agent that sits idle does not load.
DEFAULT_BRANCH = "releases"
NAME, SHA256 = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}"), re.compile(r"[0-9a-f]{64}")
_TAG_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,98}|")
_COMMIT_ID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@dataclass(frozen=True, slots=True)
class TrustSettings:
    """Whom the device obeys: by which mode, by whose keys, from which commit or policy on."""

    mode: str
    allowed_signers: Path
    # In the modes that go by that file: keys that count no more.
    revoked_keys: Path | None = None
    anchor: str = ""
    # In mode `commits`: who may change what, `device` for everybody in the file above everything, `repository` for what
    # the policy says that lies in the files of the commit before.
    policy: str = DEVICE
    # In mode `commits`: make merges again that nobody allowed signed, instead of refusing them.
    recomputes_merges: bool = True
    # Only those that one of these OpenPGP keys signed.
    forge_keys: Path | None = None
    # In mode `tag`: what tags begin with; a version follows.
    tag_prefix: str = "v"
    # In mode `release`: whose releases; the anchor is the digest of a policy. Approvals lie on the same branch.
    channel: str = "main"
    releases: str = DEFAULT_BRANCH


def is_commit_id(text: str) -> bool:
    return _COMMIT_ID.fullmatch(text) is not None


def trust_settings(trust: Node, folder: Path, problems: Problems) -> TrustSettings:
    mode = _mode(trust, problems)
    return TrustSettings(
        mode=mode,
        allowed_signers=path_beside(trust, "allowedSigners", folder, problems) or folder / "allowed_signers",
        revoked_keys=path_beside(trust, "revokedKeys", folder, problems),
        anchor=_anchor(trust, mode, problems),
        policy=_policy(trust, mode, problems),
        recomputes_merges=_recomputes(trust, problems),
        forge_keys=path_beside(trust, "forgeKeys", folder, problems),
        tag_prefix=_tag_prefix(trust, problems),
        channel=_channel(trust, problems),
        releases=check_branch(word(trust, "releases", DEFAULT_BRANCH, problems)),
    )


def _mode(trust: Node, problems: Problems) -> str:
    mode = word(trust, "mode", "commits", problems)
    if mode not in TRUST_MODES:
        problems.add(trust.entries["mode"].place, f"`mode` is {mode!r}", f"use one of {', '.join(TRUST_MODES)}")
    return mode


def _anchor(trust: Node, mode: str, problems: Problems) -> str:
    anchor = word(trust, "anchor", "", problems)
    place = trust.entries.get("anchor", trust).place
    if mode == RELEASE and not SHA256.fullmatch(anchor):
        told = "`anchor` is not the digest of a policy" if anchor else "mode release needs an `anchor`"
        problems.add(place, told, "write the 64 digits that `fleet policy show` prints")
    elif mode != RELEASE and anchor and not is_commit_id(anchor):
        problems.add(place, f"`anchor` {anchor!r} is no commit id", "write all of its digits")
    return anchor


def _policy(trust: Node, mode: str, problems: Problems) -> str:
    policy = word(trust, "policy", DEVICE, problems)
    place = trust.entries.get("policy", trust).place
    if policy not in POLICIES:
        problems.add(place, f"`policy` is {policy!r}", f"use one of {', '.join(POLICIES)}")
    elif policy == REPOSITORY and mode != COMMITS:
        problems.add(place, f"`policy: {REPOSITORY}` is for mode {COMMITS}", "remove it, or set `mode: commits`")
    elif policy == REPOSITORY and not word(trust, "anchor", "", problems):
        what = f"`policy: {REPOSITORY}` needs an `anchor`"
        problems.add(place, what, "write the commit at which the first policy is trusted")
    return policy


def _tag_prefix(trust: Node, problems: Problems) -> str:
    prefix = word(trust, "tags", "v", problems)
    if not _TAG_PREFIX.fullmatch(prefix) or ".." in prefix or "//" in prefix:
        problems.add(trust.entries["tags"].place, f"`tags` {prefix!r} begins no tag", "write a prefix such as `v`")
    return prefix


def _recomputes(trust: Node, problems: Problems) -> bool:
    merges = word(trust, "merges", "recompute", problems)
    if merges not in ("recompute", "signed"):
        problems.add(trust.entries["merges"].place, f"`merges` is {merges!r}", "use recompute or signed")
    return merges == "recompute"


def _channel(trust: Node, problems: Problems) -> str:
    channel = word(trust, "channel", "main", problems)
    if not NAME.fullmatch(channel):
        problems.add(trust.entries["channel"].place, f"`channel` {channel!r} is no name", "use letters and digits")
    return channel
