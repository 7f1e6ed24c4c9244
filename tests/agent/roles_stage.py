"""A real repository whose files say who may change what, people with keys, and a device that has an anchor."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from reconciler.agent.orders.commit_source import CommitSource
from reconciler.agent.orders.known import Obtained
from reconciler.agent.settings.trust_settings import REPOSITORY, TrustSettings
from reconciler.agent.state.journal import Journal
from reconciler.documents import Contents
from reconciler.repository import Mirror, Remote, Store
from reconciler.repository.bare import init_bare
from reconciler.repository.commits import Author, write_files
from reconciler.repository.git import Git
from signing import Signer, sign_commit
from signing.documents import APPROVAL_NAMESPACE, Approval

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
UUID = "8d0f6d4e-6a5b-4c1e-9a57-0d9d0f1c2b3a"
ANN, BEN, SUE, MALLORY = (Signer.generate() for _ in range(4))
NAMES = {"ann": ANN, "ben": BEN, "sue": SUE}
NAMESPACES = f'namespaces="git,{APPROVAL_NAMESPACE}"'
POLICY, SIGNERS = "trust/policy.yaml", "trust/allowed_signers"
ROLES = """\
    root: {principals: [ann, ben], threshold: 2}
    release: {principals: [ann], threshold: 1}
    ops: {principals: [ann, ben], threshold: 1}
    pair: {principals: [ann, ben, sue], threshold: 2}
    site: {principals: [sue], threshold: 1}
"""
PATHS = """\
    - {match: "devices/site-*", roles: [site]}
    - {match: "apps/safety/**", roles: [pair]}
    - {match: "apps/**", roles: [ops]}
    - {match: "*", roles: [ops]}
"""


def policy(roles: str = ROLES, paths: str = PATHS, more: str = "") -> bytes:
    spec = f"  repository: {UUID}\n  roles:\n{roles}  paths:\n{paths}{more}"
    return f"apiVersion: fleet/v1\nkind: Policy\nmetadata: {{name: acme}}\nspec:\n{spec}".encode()


def keys(people: Mapping[str, Signer] = NAMES, options: str = NAMESPACES) -> bytes:
    return "".join(f"{name} {options} {signer.public.line}\n" for name, signer in people.items()).encode()


class Stage:
    """Commits are made in process, by the same bytes as git's; they are fetched by git."""

    def __init__(self, folder: Path, paths: str = PATHS) -> None:
        self.folder = folder
        self.git = Git(folder / "fleet.git")
        init_bare(self.git.git_dir)
        self.clock = int(NOW.timestamp()) - 3600
        first = {
            POLICY: policy(paths=paths),
            SIGNERS: keys(),
            "fleet.yaml": b"one\n",
            "apps/web/compose.yaml": b"one\n",
        }
        self.anchor = self.commit(first, None, parent="")
        self.main = self.anchor

    def commit(
        self,
        files: Mapping[str, bytes],
        signer: Signer | None,
        parent: str | None = None,
        without: Iterable[str] = (),
    ) -> str:
        """A commit on top of the main branch, or of another commit; it is on no branch yet."""
        self.clock += 1
        author = Author("Somebody", "somebody@acme.example", self.clock)
        sign = None if signer is None else lambda raw: sign_commit(raw, signer)
        onto = self.main if parent is None else parent
        return write_files(self.git.git_dir, onto or None, files, "Work", author, tuple(without), sign)

    def merge(self, first: str, second: str, signer: Signer | None = None, tree: str = "") -> str:
        """The merge of two commits as git makes it, or with another tree."""
        self.clock += 1
        made = (
            tree or self.git.run("merge-tree", "--write-tree", "--no-messages", first, second).decode().split("\n")[0]
        )
        return self.make(made, (first, second), self.clock, signer)

    def make(
        self, tree: str, parents: Iterable[str], seconds: int, signer: Signer | None = None, more: str = ""
    ) -> str:
        """Any commit at all."""
        ident = f"Forge <forge@git.example> {seconds} +0000"
        lines = [f"tree {tree}", *(f"parent {one}" for one in parents), f"author {ident}", f"committer {ident}"]
        raw = "\n".join([*lines, "", f"Made{more}", ""]).encode()
        signed = raw if signer is None else sign_commit(raw, signer)
        return self.git.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=signed).decode().strip()

    def tree(self, commit: str) -> str:
        return self.git.run("rev-parse", f"{commit}^{{tree}}").decode().strip()

    def push(self, commit: str) -> None:
        self.main = commit
        self.git.run("update-ref", "refs/heads/main", commit)

    def approve(self, commit: str, people: Mapping[str, Signer], **changed: str) -> None:
        """What these people sign to let a commit's files follow the main branch."""
        content = Contents(Store(self.git.git_dir)).listing(commit).content
        said = {"repository": UUID, "branch": "main", "base": self.main, "tree": self.tree(commit), "content": content}
        raw = Approval(**{**said, **changed}).raw
        folder = f"approvals/{self.main}/{content}"
        files = {f"{folder}/signatures/{name}.sig": key.sign(raw, APPROVAL_NAMESPACE) for name, key in people.items()}
        self.document({f"{folder}/approval.json": raw, **files})

    def document(self, files: Mapping[str, bytes]) -> None:
        """Put files onto the branch of documents, as whoever may push can."""
        code, out, _ = self.git.attempt("rev-parse", "--verify", "--quiet", "refs/heads/releases")
        tip = out.decode().strip() if code == 0 else ""
        self.git.run("update-ref", "refs/heads/releases", self.commit(files, None, parent=tip))

    # The device

    @property
    def journal(self) -> Journal:
        return Journal(self.folder / "state")

    def source(self, **changed: object) -> CommitSource:
        mirror = Mirror(self.folder / "state" / "repository.git", Remote(f"file://{self.git.git_dir}"), "main")
        given = {"mode": "commits", "allowed_signers": Path("none"), "anchor": self.anchor, "policy": REPOSITORY}
        return CommitSource(mirror, self.journal, TrustSettings(**{**given, **changed}), "main")  # type: ignore[arg-type]

    def obtain(self) -> Obtained:
        return self.source().obtain(NOW)

    def without_roles(self, text: bytes) -> Obtained:
        """What a device obeys that has these keys in a file of its own."""
        path = self.folder / "allowed_signers"
        path.write_bytes(text)
        path.chmod(0o600)
        return self.source(policy="device", allowed_signers=path).obtain(NOW)


def told(obtained: Obtained) -> str:
    """Whose word is obeyed; or the code of the refusal."""
    (fact,) = (fact for fact in obtained.facts if fact.type == "Trusted")
    return obtained.trusted.principal if fact.status and obtained.trusted else fact.reason
