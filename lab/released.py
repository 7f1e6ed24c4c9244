"""A fleet with a policy and releases, out of real keys and bytes, without Git: what the judges see, no more."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from signing import SignatureError, Signer
from signing.documents import (
    FRESHNESS_NAMESPACE,
    POLICY_NAMESPACE,
    RELEASE_NAMESPACE,
    Accepted,
    Branch,
    Entry,
    Followed,
    Listing,
    Policy,
    ReleaseJudge,
    moment_text,
    write_document,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
REPOSITORY = "3f0c2f0e-8a53-4c1e-9f6a-0d7b5a6c1e2d"
PEOPLE = ("alice", "bob", "carol", "site", "ci", "mallory")
KEYS = {name: Signer.generate() for name in (*PEOPLE, "alice-2")}
ROLES = {
    "root": {"principals": ["alice", "bob"], "threshold": 2},
    "release": {"principals": ["alice", "bob", "carol"], "threshold": 2},
    "site-a": {"principals": ["site"], "threshold": 1},
    "freshness": {"principals": ["ci"], "threshold": 1},
}
PATHS = [
    {"match": "devices/site-a/**", "roles": ["site-a"]},
    {"match": "apps/**", "roles": ["release"]},
    {"match": "*.yaml", "roles": ["release"]},
]


def signers_file(names: Iterable[str] = ("alice", "bob", "carol", "site", "ci", "alice-2"), more: str = "") -> bytes:
    lines = [f"{name.removesuffix('-2')} {more}{KEYS[name].public.line}" for name in names]
    return "".join(f"{line}\n" for line in lines).encode()


def policy_bytes(signers: bytes | None = None, **changed: object) -> bytes:
    fields: dict[str, object] = {
        "repository": REPOSITORY,
        "version": 1,
        "issued": moment_text(NOW - 30 * DAY),
        "expires": moment_text(NOW + 300 * DAY),
        "signers_sha256": hashlib.sha256(signers or signers_file()).hexdigest(),
        "roles": ROLES,
        "paths": PATHS,
        "freshness": {"max_age_seconds": 86400, "refuse_new_when_stale": False},
    }
    return write_document("policy", {k: v for k, v in {**fields, **changed}.items() if v is not None})


def policy(signers: bytes | None = None, **changed: object) -> Policy:
    return Policy.parse(policy_bytes(signers, **changed), signers or signers_file())


def listing(files: Mapping[str, str]) -> Listing:
    """Of files by their contents."""
    return Listing(
        {p: Entry("100644", hashlib.sha256(t.encode()).hexdigest(), len(t)) for p, t in files.items()}
    )  # fmt: skip


FILES: Mapping[str, str] = {"fleet.yaml": "a fleet", "apps/web/compose.yaml": "web", "devices/site-a/d1.yaml": "one"}


def sign(raw: bytes, namespace: str, people: Iterable[str]) -> dict[str, bytes]:
    return {name: KEYS[name].sign(raw, namespace) for name in people}


@dataclass
class Fleet:
    """What lies on the branch, and which commits there are."""

    paths: dict[str, bytes] = field(default_factory=dict)
    commits: dict[str, Listing] = field(default_factory=dict)

    @property
    def branch(self) -> Branch:
        return Branch(frozenset(self.paths), lambda wanted: {path: self.paths[path] for path in wanted})

    def tree(self, commit: str) -> str:
        if commit not in self.commits:
            raise SignatureError("COMMIT_MISSING", commit)
        return commit[::-1]

    def listing(self, commit: str) -> Listing:
        self.tree(commit)
        return self.commits[commit]

    def put(self, folder: str, files: Mapping[str, bytes], signatures: Mapping[str, bytes]) -> None:
        self.paths |= {f"{folder}/{name}": content for name, content in files.items()}
        self.paths |= {f"{folder}/signatures/{name}.sig": content for name, content in signatures.items()}

    def policy(self, raw: bytes, signers: bytes, people: Iterable[str] = (), version: int | None = None) -> None:
        number = version or Policy.parse(raw, signers).version
        files = {"policy.json": raw, "allowed_signers": signers}
        self.put(f"policies/{number}", files, sign(raw, POLICY_NAMESPACE, people))

    def release(
        self,
        seq: int = 1,
        people: Iterable[str] = ("alice", "bob"),
        files: Mapping[str, str] = FILES,
        at: int | None = None,
        previous: str | None = None,
        **changed: object,
    ) -> bytes:
        """A release of a new commit; `at` is where it lies, if not at its number."""
        commit = hashlib.sha256(repr((seq, sorted(files.items()))).encode()).hexdigest()[:40]
        self.commits[commit] = own = listing(files)
        before = self.paths.get(f"releases/main/{seq - 1}/release.json")
        known = hashlib.sha256(before).hexdigest() if before else ""
        fields: dict[str, object] = {
            "repository": REPOSITORY,
            "channel": "main",
            "seq": seq,
            "previous": known if previous is None else previous,
            "issued": moment_text(NOW - DAY + timedelta(minutes=seq)),
            "expires": moment_text(NOW + 90 * DAY),
            "commit": commit,
            "tree": commit[::-1],
            "content": own.content,
            "files": len(own.files),
            "size": own.size,
            "policy": 1,
        }
        raw = write_document("release", {k: v for k, v in {**fields, **changed}.items() if v is not None})
        documents = {"release.json": raw, "files": own.raw}
        self.put(f"releases/main/{at or seq}", documents, sign(raw, RELEASE_NAMESPACE, people))
        return raw

    def note(self, people: Iterable[str] = ("ci",), **changed: object) -> None:
        fields: dict[str, object] = {
            "repository": REPOSITORY,
            "channel": "main",
            "seq": 1,
            "release": "0" * 64,
            "issued": moment_text(NOW),
            "expires": moment_text(NOW + DAY),
        }
        raw = write_document("freshness", {**fields, **changed})
        self.put("freshness/main", {"freshness.json": raw}, sign(raw, FRESHNESS_NAMESPACE, people))

    def newest(
        self, accepted: Accepted | None = None, by: Policy | None = None, now: datetime = NOW, channel: str = "main"
    ) -> Followed:
        """A device's judgement."""
        return ReleaseJudge(self.branch, self, by or policy(), channel, "1.2.0", now).newest(accepted)

    def accepted(self, accepted: Accepted | None = None) -> Accepted:
        """What a device has that obeys it all."""
        found = self.newest(accepted)
        assert found.refusal is None, found.refusal
        assert found.accepted is not None
        return found.accepted


def code_of(found: Followed) -> str:
    return found.refusal.code if found.refusal else "pending" if found.pending else "accepted"
