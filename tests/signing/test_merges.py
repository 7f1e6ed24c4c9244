"""Merges that nobody allowed signed, as the button of a forge makes them: made again by real git, or refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from signing_workbench import NOW, SECONDS, Repository, allow, commit_payload, run

from signing import AllowedSigners, ChainError, OneIsEnough, Signer, admit_chain, follow_chain, sign_commit

ALICE, BOB, MALLORY = Signer.generate(), Signer.generate(), Signer.generate()
# Bob's key counted until an hour ago.
SIGNERS = AllowedSigners.parse(
    b"".join(
        f"{name} {options} {signer.public.line}\n".encode()
        for name, options, signer in (("alice", "", ALICE), ("bob", 'valid-before="20260601110000Z"', BOB))
    ),
    "allowed_signers",
)
PGP = b"-----BEGIN PGP SIGNATURE-----\n \n iQEzBAABCAAdFiEE\n -----END PGP SIGNATURE-----\n"
DAY = 24 * 3600
Files = Mapping[str, str]
Commit = tuple[str, bytes]


@dataclass
class History:
    """A real repository, written by plumbing and asked by git."""

    repository: Repository
    trees: dict[str, str] = field(default_factory=dict)

    def make(
        self,
        *parents: Commit,
        files: Files | str,
        signer: Signer | None = ALICE,
        seconds: int = SECONDS - DAY,
        header: bytes = b"",
    ) -> Commit:
        tree = files if isinstance(files, str) else self.tree(files)
        payload = commit_payload(tuple(parent[0] for parent in parents), seconds)
        payload = payload.replace(payload.split(b"\n")[0], f"tree {tree}".encode())
        if header:
            payload = payload.replace(b"\n\n", b"\n" + header.rstrip(b"\n") + b"\n\n", 1)
        raw = payload if signer is None else sign_commit(payload, signer)
        made = self.repository.write(raw)
        self.trees[made] = tree
        return made, raw

    def tree(self, files: Files) -> str:
        lines = b""
        for name, content in sorted(files.items()):
            blob = self.repository.git("hash-object", "-w", "--stdin", stdin=content.encode()).stdout.decode().strip()
            lines += f"100644 blob {blob}\t{name}\n".encode()
        return self.repository.git("mktree", stdin=lines).stdout.decode().strip()

    def button(self, first: Commit, second: Commit, **how: object) -> Commit:
        """What a forge makes: the merge of both, with no signature of ours."""
        given = {"files": self.merged_tree(first[0], second[0]), "signer": None, **how}
        return self.make(first, second, **given)  # type: ignore[arg-type]  # each case gives its own

    def commit(self, commit: str) -> bytes:
        return self.repository.git("cat-file", "commit", commit).stdout

    def brought_in(self, first: str, second: str, limit: int) -> list[Commit]:
        told = self.repository.git("rev-list", "--topo-order", "--reverse", second, f"^{first}").stdout.decode()
        return [(commit, self.commit(commit)) for commit in told.split()]

    def own(self, commit: str) -> set[str]:
        return set(self.repository.git("rev-list", "--first-parent", commit).stdout.decode().split())

    def files(self, commit: str) -> list[str]:
        return self.repository.git("ls-tree", "-r", "--name-only", commit).stdout.decode().split("\n")

    def bases(self, first: str, second: str) -> list[str]:
        done = self.repository.git("merge-base", "--all", first, second, check=False)
        return done.stdout.decode().split() if done.returncode == 0 else []

    def changed(self, before: str, after: str) -> list[str]:
        told = self.repository.git("diff-tree", "-r", "--no-renames", "--name-only", before, after).stdout.decode()
        return told.split()

    def merged_tree(self, first: str, second: str) -> str:
        done = self.repository.git("merge-tree", "--write-tree", "--no-messages", first, second, check=False)
        return done.stdout.decode().strip() if done.returncode == 0 else ""


@pytest.fixture
def history(tmp_path: Path) -> History:
    run("git", "init", "-q", "-b", "main", tmp_path / "fleet")
    return History(Repository(tmp_path / "fleet", tmp_path / "signers"))


TEXT = "\n".join(f"line {number}" for number in range(20)) + "\n"
BASE = {"fleet.yaml": "tiers: [base]\n", "menu": TEXT}
MAIN = {**BASE, "main": "new on main\n", "menu": TEXT.replace("line 2\n", "line two\n")}
SIDE = {**BASE, "side": "new on the side\n", "menu": TEXT.replace("line 17\n", "line seventeen\n")}
CLASH = {**BASE, "menu": TEXT.replace("line 2\n", "line II\n")}


def forked(history: History, **side: object) -> tuple[Commit, Commit]:
    """The trusted commit of the main branch, and a branch beside it."""
    root = history.make(files=BASE)
    given = {"files": SIDE, **side}
    return history.make(root, files=MAIN), history.make(root, **given)  # type: ignore[arg-type]


def up_to_date(history: History) -> tuple[Commit, Commit]:
    trusted = history.make(history.make(files=BASE), files=MAIN)
    side = history.make(trusted, files={**MAIN, "side": "one\n"})
    return trusted, history.button(trusted, history.make(side, files={**MAIN, "side": "two\n"}))


def diverged(history: History) -> tuple[Commit, Commit]:
    trusted, side = forked(history)
    return trusted, history.button(trusted, side)


def by_web_flow(history: History) -> tuple[Commit, Commit]:
    trusted, side = forked(history)
    return trusted, history.button(trusted, side, header=b"gpgsig " + PGP)


def by_a_forge_with_a_key(history: History) -> tuple[Commit, Commit]:
    trusted, side = forked(history)
    return trusted, history.button(trusted, side, signer=MALLORY)


def with_the_branch_brought_up_to_date(history: History) -> tuple[Commit, Commit]:
    trusted, side = forked(history)
    updated = history.button(side, trusted)
    after = history.make(updated, files={**MAIN, "side": "after the update\n"})
    return trusted, history.button(trusted, after)


def resolved_by_alice(history: History) -> tuple[Commit, Commit]:
    trusted, side = forked(history, files=CLASH)
    return trusted, history.make(trusted, side, files=MAIN)


def evil(history: History) -> tuple[Commit, Commit]:
    trusted, side = forked(history)
    return trusted, history.button(trusted, side, files={**MAIN, **SIDE, "menu": "poison\n"})


def resolved_by_the_forge(history: History) -> tuple[Commit, Commit]:
    trusted, side = forked(history, files=CLASH)
    return trusted, history.button(trusted, side, files=MAIN)


def of_an_unsigned_branch(history: History) -> tuple[Commit, Commit]:
    trusted, side = forked(history, signer=None)
    return trusted, history.button(trusted, side)


def of_a_strangers_branch(history: History) -> tuple[Commit, Commit]:
    trusted, side = forked(history, signer=MALLORY)
    return trusted, history.button(trusted, side)


def of_a_stranger_below_somebody_allowed(history: History) -> tuple[Commit, Commit]:
    trusted, side = forked(history, signer=MALLORY)
    return trusted, history.button(trusted, history.make(side, files={**SIDE, "more": "x\n"}))


def with_an_evil_update_of_the_branch(history: History) -> tuple[Commit, Commit]:
    trusted, side = forked(history)
    updated = history.button(side, trusted, files={**MAIN, **SIDE, "menu": "poison\n"})
    after = history.make(updated, files={**MAIN, "side": "after\n"})
    return trusted, history.button(trusted, after)


def with_its_signature_damaged(history: History) -> tuple[Commit, Commit]:
    trusted, side = forked(history)
    _, raw = history.button(trusted, side, signer=ALICE)
    damaged = raw.replace(b"Change a port", b"Change a part")
    return trusted, (history.repository.write(damaged), damaged)


def by_a_key_that_expired(history: History) -> tuple[Commit, Commit]:
    trusted, side = forked(history)
    return trusted, history.button(trusted, side, signer=BOB, seconds=SECONDS)


def of_a_branch_dated_back_to_when_a_key_counted(history: History) -> tuple[Commit, Commit]:
    root = history.make(files=BASE, seconds=SECONDS)
    trusted = history.make(root, files=MAIN, seconds=SECONDS)
    side = history.make(root, files=SIDE, signer=BOB, seconds=SECONDS - 2 * 3600)
    return trusted, history.button(trusted, side, seconds=SECONDS)


def of_a_branch_dated_back(history: History) -> tuple[Commit, Commit]:
    root = history.make(files=BASE, seconds=SECONDS)
    trusted = history.make(root, files=MAIN, seconds=SECONDS)
    side = history.make(root, files=SIDE, seconds=SECONDS - 2 * 3600)
    return trusted, history.button(trusted, side, seconds=SECONDS)


def of_a_branch_from_the_future(history: History) -> tuple[Commit, Commit]:
    trusted, side = forked(history, seconds=SECONDS + DAY)
    return trusted, history.button(trusted, side)


def of_another_history(history: History) -> tuple[Commit, Commit]:
    trusted, _ = forked(history)
    other = history.make(files={"other": "x\n"})
    return trusted, history.button(trusted, other, files=MAIN)


def of_what_is_there_already(history: History) -> tuple[Commit, Commit]:
    root = history.make(files=BASE)
    trusted = history.make(root, files=MAIN)
    return trusted, history.button(trusted, root)


def squashed(history: History) -> tuple[Commit, Commit]:
    trusted, _ = forked(history)
    return trusted, history.make(trusted, files={**MAIN, **SIDE}, signer=None)


def of_three(history: History) -> tuple[Commit, Commit]:
    trusted, side = forked(history)
    return trusted, history.make(trusted, side, history.make(side, files=SIDE), files=MAIN, signer=None)


MERGES: dict[str, tuple[Callable[[History], tuple[Commit, Commit]], str]] = {
    "a branch that was up to date": (up_to_date, "alice"),
    "branches that diverged": (diverged, "alice"),
    "with the forge's OpenPGP signature": (by_web_flow, "alice"),
    "with the forge's own SSH signature": (by_a_forge_with_a_key, "alice"),
    "a branch that was brought up to date by the button": (with_the_branch_brought_up_to_date, "alice"),
    "a conflict that somebody allowed resolved and signed": (resolved_by_alice, "alice"),
    "with other content than git makes": (evil, "MERGE_NOT_REPRODUCIBLE"),
    "a conflict that was resolved on the forge": (resolved_by_the_forge, "MERGE_NOT_REPRODUCIBLE"),
    "a branch that nobody signed": (of_an_unsigned_branch, "UNSIGNED"),
    "a stranger's branch": (of_a_strangers_branch, "SIGNER_UNKNOWN"),
    "a stranger's commit below one of ours": (of_a_stranger_below_somebody_allowed, "SIGNER_UNKNOWN"),
    "an evil update of the branch": (with_an_evil_update_of_the_branch, "MERGE_NOT_REPRODUCIBLE"),
    "a signature that was damaged": (with_its_signature_damaged, "SIG_INVALID"),
    "signed by a key that expired": (by_a_key_that_expired, "KEY_EXPIRED"),
    "a branch dated back to when a key counted": (of_a_branch_dated_back_to_when_a_key_counted, "KEY_EXPIRED"),
    "a branch dated before what it follows": (of_a_branch_dated_back, "BACKDATED"),
    "a branch from the future": (of_a_branch_from_the_future, "FUTURE"),
    "a branch with a root of its own": (of_another_history, "MERGE_SHAPE"),
    "what is there already": (of_what_is_there_already, "MERGE_NOT_REPRODUCIBLE"),
    "a squash, which cannot be made again": (squashed, "UNSIGNED"),
    "three at once": (of_three, "MERGE_SHAPE"),
}


@pytest.mark.parametrize("name", MERGES)
def test_a_merge_is_made_again_or_refused(name: str, history: History) -> None:
    build, outcome = MERGES[name]
    trusted, merge = build(history)
    assert judged(trusted, merge, history) == (outcome, merge[0])


def judged(trusted: Commit, merge: Commit, history: "History | None") -> tuple[str, str]:
    """Who answers, or the code; and the commit that is admitted or to blame."""
    try:
        (admitted,) = admit_chain([merge], OneIsEnough(SIGNERS), trusted, NOW, history)
    except ChainError as error:
        return error.code, error.commit
    return admitted.principal, admitted.id


@pytest.mark.parametrize("name", MERGES)
def test_where_only_signed_merges_count_none_is_made_again(name: str, history: History) -> None:
    build, _ = MERGES[name]
    trusted, merge = build(history)
    code, blamed = judged(trusted, merge, None)
    if build is resolved_by_alice:
        assert code == "alice"
    else:
        assert code not in ("alice", "bob", "MERGE_NOT_REPRODUCIBLE")
        assert blamed == merge[0]


def test_a_store_that_shows_other_bytes_is_found_out(history: History) -> None:
    trusted, merge = diverged(history)
    true = history.brought_in

    class Lying(History):
        def brought_in(self, first: str, second: str, limit: int) -> list[Commit]:
            return [(commit, raw + b"x") for commit, raw in true(first, second, limit)]

    assert judged(trusted, merge, Lying(history.repository))[0] == "OBJ_ID"


def test_a_merge_that_brings_in_too_much_is_refused_and_what_came_before_it_followed(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signing.merges.MAX_BROUGHT_IN", 1)
    trusted, merge = up_to_date(history)
    assert judged(trusted, merge, history)[0] == "RANGE_TOO_LONG"
    root = trusted[0], history.commit(trusted[0])
    before = root[1].split(b"parent ")[1][:40].decode()
    admitted, refusal = follow_chain(
        [root, merge], OneIsEnough(SIGNERS), (before, history.commit(before)), NOW, history
    )
    assert [one.id for one in admitted] == [trusted[0]]
    assert refusal is not None
    assert (refusal.code, refusal.commit) == ("RANGE_TOO_LONG", merge[0])


def test_the_one_who_signed_the_newest_commit_of_the_branch_answers(history: History) -> None:
    trusted, side = forked(history)
    carol = Signer.generate()
    newest = history.make(side, files={**SIDE, "more": "x\n"}, signer=carol)
    merge = history.button(trusted, newest)
    both = AllowedSigners.parse(f"alice {ALICE.public.line}\ncarol {carol.public.line}\n".encode(), "allowed_signers")
    (admitted,) = admit_chain([merge], OneIsEnough(both), trusted, NOW, history)
    assert (admitted.principal, admitted.fingerprint) == ("carol", carol.public.fingerprint)
    with pytest.raises(ChainError, match="SIGNER_UNKNOWN"):
        admit_chain([merge], OneIsEnough(allow(carol, "carol")), trusted, NOW, history)
