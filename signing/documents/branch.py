"""How documents lie on the branch `releases`, whose own commits prove nothing: each document is signed for itself.

policies/VERSION/       policy.json   allowed_signers   signatures/NAME.sig
releases/CHANNEL/SEQ/   release.json  files             signatures/NAME.sig
freshness/CHANNEL/      freshness.json                  signatures/NAME.sig
approvals/BASE/CONTENT/ approval.json                   signatures/NAME.sig
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from signing.documents.changes import Step
from signing.documents.quorum import MAX_SIGNATURES

DEFAULT_BRANCH = "releases"
POLICY_FILE, SIGNERS_FILE = "policy.json", "allowed_signers"
RELEASE_FILE, LISTING_FILE = "release.json", "files"
FRESHNESS_FILE = "freshness.json"
APPROVAL_FILE = "approval.json"
# More than people ever prepare for one commit, and sign; whoever may push could put any number there, of any size.
MAX_APPROVALS, MAX_APPROVAL = 20, 8 * 1024
_NUMBER = re.compile(r"[1-9][0-9]{0,14}")
_SIGNATURES = re.compile(r"signatures/([^/]+)\.sig")


def policy_folder(version: int) -> str:
    return f"policies/{version}"


def release_folder(channel: str, seq: int) -> str:
    return f"releases/{channel}/{seq}"


def freshness_folder(channel: str) -> str:
    return f"freshness/{channel}"


def approval_folder(base: str, content: str) -> str:
    return f"approvals/{base}/{content}"


def signature_file(folder: str, principal: str) -> str:
    return f"{folder}/signatures/{principal}.sig"


@dataclass(frozen=True, slots=True)
class PolicyFiles:
    """One version of the policy as it lies there, not yet believed."""

    raw: bytes
    signers: bytes
    signatures: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Branch:
    """The paths of one commit of it, and how to read some of them."""

    paths: frozenset[str]
    read: Callable[[Iterable[str]], Mapping[str, bytes]]

    @classmethod
    def empty(cls) -> Self:
        """One on which nothing lies."""
        return cls(frozenset(), lambda _: {})

    def versions(self) -> tuple[int, ...]:
        """The versions of the policy that are there, lowest first."""
        return self._numbers("policies/", POLICY_FILE)

    def seqs(self, channel: str) -> tuple[int, ...]:
        """The releases of a channel that are there, lowest first."""
        return self._numbers(f"releases/{channel}/", RELEASE_FILE)

    def channels(self) -> tuple[str, ...]:
        parts = (path.split("/") for path in self.paths)
        return tuple(sorted({part[1] for part in parts if len(part) > 2 and part[0] == "releases"}))

    def policy(self, version: int) -> PolicyFiles | None:
        found = self._folder(policy_folder(version), POLICY_FILE, SIGNERS_FILE)
        return None if found is None else PolicyFiles(found[0][0], found[0][1], found[1])

    def release(self, channel: str, seq: int) -> Step | None:
        folder = release_folder(channel, seq)
        listing = f"{folder}/{LISTING_FILE}"
        found = self._folder(folder, RELEASE_FILE) if listing in self.paths else None
        return None if found is None else Step(found[0][0], found[1], lambda: self.read([listing])[listing])

    def policies(self) -> Mapping[int, bytes]:
        """Every version of the policy, in one go; neither the keys nor the signatures."""
        paths = {version: f"{policy_folder(version)}/{POLICY_FILE}" for version in self.versions()}
        contents = self.read(paths.values())
        return {version: contents[path] for version, path in paths.items()}

    def freshness(self, channel: str) -> tuple[bytes, Mapping[str, bytes]] | None:
        """The note and its signatures."""
        found = self._folder(freshness_folder(channel), FRESHNESS_FILE)
        return None if found is None else (found[0][0], found[1])

    def approvals(self, base: str) -> tuple[tuple[bytes, Mapping[str, bytes]], ...]:
        """The approvals of what may follow this commit, each with its signatures."""
        parts = (path.split("/") for path in self.paths if path.startswith(f"approvals/{base}/"))
        counts = Counter(part[2] for part in parts if len(part) > 3)
        contents = sorted(content for content, count in counts.items() if count <= MAX_SIGNATURES + 1)
        folders = (approval_folder(base, content) for content in contents[:MAX_APPROVALS])
        found = (self._folder(folder, APPROVAL_FILE) for folder in folders)
        return tuple((one[0][0], one[1]) for one in found if one is not None)

    def _numbers(self, folder: str, file: str) -> tuple[int, ...]:
        names = (path[len(folder) : -len(file) - 1] for path in self.paths if path.startswith(folder))
        there = (name for name in names if f"{folder}{name}/{file}" in self.paths)
        return tuple(sorted({int(name) for name in there if _NUMBER.fullmatch(name)}))

    def _folder(self, folder: str, *files: str) -> tuple[list[bytes], Mapping[str, bytes]] | None:
        """The files, and the signatures by name; None unless all files are there."""
        inside = {path.removeprefix(f"{folder}/"): path for path in self.paths if path.startswith(f"{folder}/")}
        if not set(files) <= set(inside):
            return None
        wanted = [inside[name] for name in inside if name in files or _SIGNATURES.fullmatch(name)]
        contents = self.read(wanted)
        signed = {found[1]: contents[inside[name]] for name in inside if (found := _SIGNATURES.fullmatch(name))}
        return [contents[inside[name]] for name in files], signed
