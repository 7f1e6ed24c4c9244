"""Mode `commits`: which histories a device follows, and which commit is to blame when it does not."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from signing_workbench import NOW, SECONDS, KeyPair, Repository, allow, commit_payload, make_repository

from signing import Admitted, ChainError, OneIsEnough, Signer, admit_chain, sign_commit

ALICE, MALLORY = Signer.generate(), Signer.generate()
SIGNERS = allow(ALICE)
HOUR = 3600
Commit = tuple[str, bytes]


def named(raw: bytes) -> Commit:
    return hashlib.sha1(b"commit %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest(), raw


def make(*parents: Commit, seconds: int = SECONDS, signer: Signer | None = ALICE, message: str = "Next") -> Commit:
    payload = commit_payload(tuple(parent[0] for parent in parents), seconds, message)
    return named(payload if signer is None else sign_commit(payload, signer))


ROOT = make(message="Root")
ONE = make(ROOT)
TWO = make(ONE)
SIDE = make(ROOT, message="Side")
FOREIGN_ROOT = make(message="Another root")


def judged(commits: Sequence[Commit], previous: Commit | None) -> tuple[str, str]:
    """Code and blamed commit, or `accepted` and the last one."""
    try:
        admitted = admit_chain(commits, OneIsEnough(SIGNERS), previous, NOW)
    except ChainError as error:
        assert error.commit[:12] in str(error)
        return error.code, error.commit
    assert [one.id for one in admitted] == [commit_id for commit_id, _ in commits]
    return "accepted", admitted[-1].id if admitted else ""


UNSIGNED = make(ONE, signer=None)
STRANGER = make(ONE, signer=MALLORY)
OCTOPUS = make(ROOT, SIDE, FOREIGN_ROOT)
FOXTROT = make(SIDE, ONE)
MERGE = make(ONE, SIDE)
BACK = make(ONE, seconds=SECONDS - HOUR - 1)
BACK_A_LITTLE = make(ONE, seconds=SECONDS - HOUR)
AHEAD = make(ONE, seconds=SECONDS + HOUR + 1)
AHEAD_A_LITTLE = make(ONE, seconds=SECONDS + HOUR)
LYING = ("1" * 40, ONE[1])
BROKEN = named(ONE[1].replace(b"\nauthor", b"\nauthro"))
UNSIGNED_FOREVER = make(signer=None)
AFTER_UNSIGNED = make(UNSIGNED_FOREVER)

HISTORIES: dict[str, tuple[list[Commit], Commit | None, tuple[str, str]]] = {
    "from the root": ([ROOT, ONE, TWO], None, ("accepted", TWO[0])),
    "from the last trusted": ([ONE, TWO], ROOT, ("accepted", TWO[0])),
    "nothing new": ([], ROOT, ("accepted", "")),
    "nothing at all": ([], None, ("accepted", "")),
    "the trusted one was never signed": ([AFTER_UNSIGNED], UNSIGNED_FOREVER, ("accepted", AFTER_UNSIGNED[0])),
    "a merge": ([ONE, MERGE], ROOT, ("accepted", MERGE[0])),
    "first trust, not from the root": ([ONE, TWO], None, ("FORK_OR_REWIND", ONE[0])),
    "rewound to an ancestor": ([ROOT], ONE, ("FORK_OR_REWIND", ROOT[0])),
    "forced to a sibling": ([SIDE], ONE, ("FORK_OR_REWIND", SIDE[0])),
    "the trusted one again": ([ONE], ONE, ("FORK_OR_REWIND", ONE[0])),
    "one left out": ([TWO], ROOT, ("FORK_OR_REWIND", TWO[0])),
    "turned round": ([TWO, ONE], ROOT, ("FORK_OR_REWIND", TWO[0])),
    "foxtrot: the trusted one as second parent": ([FOXTROT], ONE, ("FORK_OR_REWIND", FOXTROT[0])),
    "another root behind": ([ONE, FOREIGN_ROOT], ROOT, ("FORK_OR_REWIND", FOREIGN_ROOT[0])),
    "another root instead": ([FOREIGN_ROOT], ROOT, ("FORK_OR_REWIND", FOREIGN_ROOT[0])),
    "octopus": ([OCTOPUS], ROOT, ("MERGE_SHAPE", OCTOPUS[0])),
    "unsigned in the middle": ([ONE, UNSIGNED, make(UNSIGNED)], ROOT, ("UNSIGNED", UNSIGNED[0])),
    "unsigned root": ([UNSIGNED_FOREVER], None, ("UNSIGNED", UNSIGNED_FOREVER[0])),
    "a stranger in the middle": ([ONE, STRANGER, make(STRANGER)], ROOT, ("SIGNER_UNKNOWN", STRANGER[0])),
    "backdated": ([ONE, BACK], ROOT, ("BACKDATED", BACK[0])),
    "backdated behind the trusted one": ([BACK], ONE, ("BACKDATED", BACK[0])),
    "an hour back": ([BACK_A_LITTLE], ONE, ("accepted", BACK_A_LITTLE[0])),
    "from the future": ([ONE, AHEAD], ROOT, ("FUTURE", AHEAD[0])),
    "an hour ahead": ([AHEAD_A_LITTLE], ONE, ("accepted", AHEAD_A_LITTLE[0])),
    "other bytes under an id": ([LYING], ROOT, ("OBJ_ID", LYING[0])),
    "trusted bytes changed on disk": ([ONE], (ROOT[0], ROOT[1] + b"x"), ("OBJ_ID", ROOT[0])),
    "id too short": ([(ONE[0][:39], ONE[1])], ROOT, ("OBJ_ID", ONE[0][:39])),
    "id in capitals": ([(ONE[0].upper(), ONE[1])], ROOT, ("OBJ_ID", ONE[0].upper())),
    "id of the other hash": (
        [(hashlib.sha256(b"commit %d\0" % len(ONE[1]) + ONE[1]).hexdigest(), ONE[1])],
        ROOT,
        ("OBJ_ID", hashlib.sha256(b"commit %d\0" % len(ONE[1]) + ONE[1]).hexdigest()),
    ),
    "malformed": ([BROKEN], ROOT, ("OBJ_FORMAT", BROKEN[0])),
    "10,001": ([ONE] * 10_001, ROOT, ("RANGE_TOO_LONG", ONE[0])),
    "10,000": ([ONE] * 10_000, ROOT, ("FORK_OR_REWIND", ONE[0])),
}  # fmt: skip


@pytest.mark.parametrize(("commits", "previous", "expected"), HISTORIES.values(), ids=HISTORIES)
def test_a_history_is_judged(commits: list[Commit], previous: Commit | None, expected: tuple[str, str]) -> None:
    assert judged(commits, previous) == expected


def test_an_admitted_commit_says_who_answers_for_it() -> None:
    (admitted,) = admit_chain([ONE], OneIsEnough(SIGNERS), ROOT, NOW)
    assert admitted == Admitted(ONE[0], "alice", ALICE.public.fingerprint, "Next", NOW, newest=NOW)


def test_a_slow_clock_is_told_to_be_checked() -> None:
    with pytest.raises(ChainError, match="check this device's clock"):
        admit_chain([ONE], OneIsEnough(SIGNERS), ROOT, NOW - timedelta(days=3))


def test_an_expired_key_cannot_sign_into_its_past() -> None:
    signers = allow(ALICE, options='valid-before="20260601Z"')
    past = make(ONE, seconds=SECONDS - 13 * HOUR)
    with pytest.raises(ChainError) as caught:
        admit_chain([past], OneIsEnough(signers), ONE, NOW)
    assert caught.value.code == "BACKDATED"


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_a_real_history_of_git(object_format: str, tmp_path: Path, alice: KeyPair) -> None:
    repository = make_repository(tmp_path / "repository", alice.path, f"--object-format={object_format}")
    signers = repository.allow(f"alice {alice.signer.public.line}")
    first = repository.commit(b"Base\n", "-S")
    repository.git("checkout", "-q", "-b", "side")
    repository.commit(b"Side, unsigned\n")
    repository.git("checkout", "-q", "main")
    repository.git("merge", "-q", "--no-ff", "-S", "-m", "Merge side", "side")
    merge = repository.head()
    last = repository.commit(b"Last\n", "-S")
    admitted = admit_chain([first, merge, last], OneIsEnough(signers), None, NOW)
    assert [one.subject for one in admitted] == ["Base", "Merge side", "Last"]
    assert admit_chain([last], OneIsEnough(signers), merge, NOW) == admitted[2:]


REWRITES: dict[str, Callable[[Repository], object]] = {
    "rewound": lambda repository: repository.git("reset", "-q", "--hard", "HEAD~1"),
    "amended": lambda repository: repository.commit(b"Another\n", "-S", "--amend"),
}


@pytest.mark.parametrize("rewrite", REWRITES.values(), ids=REWRITES)
def test_a_forced_push_is_not_followed(
    rewrite: Callable[[Repository], object], repository: Repository, alice: KeyPair
) -> None:
    repository.commit(b"Base\n", "-S")
    trusted = repository.commit(b"Trusted\n", "-S")
    rewrite(repository)
    with pytest.raises(ChainError) as caught:
        admit_chain([repository.head()], OneIsEnough(allow(alice.signer)), trusted, NOW)
    assert caught.value.code == "FORK_OR_REWIND"
