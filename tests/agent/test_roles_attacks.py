"""What somebody may try who may push anything, or who has one key, or had one: each was tried, and some once worked."""

import resource
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from roles_stage import ANN, BEN, NAMES, NAMESPACES, NOW, POLICY, SIGNERS, SUE, UUID, Stage, keys, policy, told

from reconciler.agent.orders.known import Obtained
from signing.documents import Approval

APP, SITE = "apps/web/compose.yaml", "devices/site-1.yaml"
GOOD, EVIL = b"one\n", b"evil: yes\n"
T0 = int(NOW.timestamp())


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path)
    made.push(made.anchor)
    return made


def obeyed(obtained: Obtained) -> str:
    assert obtained.trusted is not None
    return obtained.trusted.commit


def content(stage: Stage, obtained: Obtained, path: str) -> bytes:
    return stage.git.run("cat-file", "blob", f"{obeyed(obtained)}:{path}")


def planted(stage: Stage) -> tuple[str, str]:
    """Commits that nobody judges, to lie behind a second parent: their last one, and a merge of them that is evil."""
    base = stage.main
    good, evil = stage.tree(base), stage.tree(stage.commit({APP: EVIL}, None))
    at = stage.clock
    first = stage.make(evil, (base,), at + 1)
    one, two = stage.make(evil, (first,), at + 2), stage.make(good, (first,), at + 4)
    three = stage.make(evil, (base,), at + 3, more=" three")
    hub = stage.make(good, (one, two, three), at + 9)
    side = stage.merge(stage.merge(one, two), three)
    stage.clock = at + 20
    return hub, side


def test_merges_of_what_nobody_judged_bring_nothing_in(stage: Stage) -> None:
    base, open_branch = stage.main, stage.commit({"fleet.yaml": b"two\n"}, ANN)
    hub, side = planted(stage)
    stage.approve(open_branch, {"ann": ANN})
    squash = stage.make(stage.tree(open_branch), (base, hub), stage.clock)
    stage.push(squash)
    assert obeyed(stage.obtain()) == squash
    stage.push(stage.merge(squash, stage.merge(side, open_branch)))
    obtained = stage.obtain()
    assert told(obtained) == "MERGE_NOT_REPRODUCIBLE"
    assert obeyed(obtained) == squash


def test_nor_where_there_are_no_roles(stage: Stage) -> None:
    base, open_branch = stage.main, stage.commit({"fleet.yaml": b"two\n"}, ANN)
    hub, side = planted(stage)
    readme = stage.tree(stage.commit({"README.txt": b"a gift\n"}, None))
    by_hand = stage.make(readme, (base, hub), stage.clock, ANN)
    stage.push(by_hand)
    assert told(stage.without_roles(keys())) == "ann"
    stage.push(stage.merge(by_hand, stage.merge(side, open_branch)))
    obtained = stage.without_roles(keys())
    assert told(obtained) == "MERGE_NOT_REPRODUCIBLE"
    assert content(stage, obtained, APP) == GOOD


def hide_behind_a_squash(stage: Stage, hidden: str) -> None:
    """Whoever may push makes the squash that was approved, with a second parent of their own."""
    squash = stage.commit({"fleet.yaml": b"two\n"}, None)
    stage.approve(squash, {"ann": ANN})
    stage.push(stage.make(stage.tree(squash), (stage.main, hidden), stage.clock))


def hide_behind_a_signature(stage: Stage, hidden: str) -> None:
    """Sue signs a merge that changes only her own file."""
    tree = stage.tree(stage.commit({SITE: b"mine\n"}, None))
    stage.push(stage.make(tree, (stage.main, hidden), stage.clock, SUE))


@pytest.mark.parametrize("hide", [hide_behind_a_squash, hide_behind_a_signature])
def test_of_what_somebody_signed_no_part_is_left_out(stage: Stage, hide: Callable[[Stage, str], None]) -> None:
    """A commit that nobody judged holds one half of a signed one: merged with it, git takes only the other half."""
    signed = stage.commit({APP: b"port open\n", "apps/web/auth.yaml": b"auth: on\n"}, ANN)
    half = stage.commit({"apps/web/auth.yaml": b"auth: on\n"}, None)
    hide(stage, half)
    before = stage.main
    assert obeyed(stage.obtain()) == before
    stage.push(stage.merge(before, stage.merge(signed, half)))
    obtained = stage.obtain()
    assert told(obtained) == "MERGE_NOT_REPRODUCIBLE"
    assert obeyed(obtained) == before


def test_a_fix_of_another_role_is_not_undone_by_renames_on_both_sides(stage: Stage) -> None:
    first, new = stage.main, "apps/web/new.yaml"
    old = b"".join(b"line %d\n" % number for number in range(20))
    mended = old.replace(b"line 7\n", b"line 7 with the fix\n")
    branch = stage.commit({new: old}, ANN)
    stage.push(stage.commit({new: old}, ANN))
    stage.push(stage.commit({new: mended}, BEN))
    planted = stage.commit({"devices/site-9.yaml": mended, SITE: b"k\n"}, None, parent=first)
    hide_behind_a_signature(stage, planted)
    side = stage.commit({}, SUE, parent=stage.merge(branch, planted), without=["devices/site-9.yaml"])
    stage.push(stage.merge(stage.main, side))
    obtained = stage.obtain()
    assert told(obtained) == "MERGE_NOT_REPRODUCIBLE"
    assert content(stage, obtained, new) == mended


LINES = b"".join(b"line %d\n" % number for number in range(20))
MENDED = LINES.replace(b"line 7\n", b"line 7 with the fix\n")


def test_a_fix_is_not_undone_by_a_file_below_the_file(tmp_path: Path) -> None:
    """A rule for one file, and a weaker one for what is else there, as would be a folder in its place."""
    rules = '    - {match: "apps/*/compose.yaml", roles: [ops]}\n    - {match: "apps/**", roles: [site]}\n'
    stage = Stage(tmp_path, paths=rules + '    - {match: "*", roles: [ops]}\n')
    stage.push(stage.anchor)
    first, path = stage.main, "apps/db/compose.yaml"
    branch = stage.commit({path: LINES}, ANN)
    stage.push(stage.commit({path: LINES}, BEN))
    stage.push(stage.commit({path: MENDED}, BEN))
    below = stage.commit({f"{path}/x": MENDED}, SUE, parent=first)
    one, two = (stage.commit({}, SUE, parent=below, without=[f"{path}/x"]) for _ in range(2))
    stage.push(stage.merge(stage.main, stage.merge(stage.merge(one, stage.main), stage.merge(two, branch))))
    obtained = stage.obtain()
    assert told(obtained) == "MERGE_NOT_REPRODUCIBLE"
    assert content(stage, obtained, path) == MENDED


def test_a_file_that_one_removed_and_another_mended_is_a_conflict(stage: Stage) -> None:
    path = "apps/web/p.yaml"
    stage.push(stage.commit({path: LINES}, ANN))
    removed = stage.commit({}, ANN, without=[path])
    stage.push(stage.commit({path: MENDED}, BEN))
    side = stage.commit({SITE: MENDED}, SUE, parent=removed)
    stage.push(stage.merge(stage.main, side))
    obtained = stage.obtain()
    assert told(obtained) == "MERGE_NOT_REPRODUCIBLE"
    assert content(stage, obtained, path) == MENDED


@pytest.mark.parametrize("passes", [1, 8])
def test_however_often_a_device_looks_dates_do_not_go_back(stage: Stage, passes: int) -> None:
    long_ago(stage, 100, ended(5))
    stage.obtain()
    for number in range(1, 8):
        stage.clock = T0 - 60 - number * 3500
        stage.push(stage.commit({SITE: b"%d\n" % number}, SUE))
        if passes > 1:
            stage.obtain()
    stage.push(stage.commit({APP: EVIL}, BEN))
    obtained = stage.obtain()
    assert told(obtained) == "BACKDATED"
    assert content(stage, obtained, APP) == GOOD


def test_many_merges_that_nobody_signed_are_not_made(stage: Stage) -> None:
    signed = stage.commit({APP: b"two\n"}, ANN)
    other = stage.commit({SITE: b"x\n"}, SUE)
    tree = stage.tree(stage.merge(signed, other))
    first, second = signed, other
    for _ in range(26):
        first, second = (
            stage.make(tree, (first, second), stage.clock, more="a"),
            stage.make(tree, (second, first), stage.clock, more="b"),
        )
    stage.push(stage.make(tree, (stage.main, first), stage.clock))
    assert told(stage.obtain()) == "RANGE_TOO_LONG"


def test_a_change_of_one_file_does_not_end_up_in_another(stage: Stage) -> None:
    """git takes a file that went away for one that came, and carries over what was changed in the first."""
    open_branch = stage.commit({"fleet.yaml": b"two\n"}, ANN)
    lines = b"".join(b"line %d\n" % number for number in range(20))
    mine = stage.commit({"devices/site-9.yaml": lines}, SUE)
    stage.push(mine)
    theirs = stage.commit({"apps/safety/new.yaml": lines}, ANN)
    stage.approve(theirs, {"ben": BEN})
    stage.push(theirs)
    stage.push(stage.commit({}, SUE, without=["devices/site-9.yaml"]))
    changed = lines.replace(b"line 7\n", b"privileged: evil\n")
    side = stage.merge(stage.commit({"devices/site-9.yaml": changed}, SUE, parent=mine), open_branch)
    stage.push(stage.merge(stage.main, side))
    obtained = stage.obtain()
    assert told(obtained) == "MERGE_NOT_REPRODUCIBLE"
    assert content(stage, obtained, "apps/safety/new.yaml") == lines


def ended(hours: float) -> bytes:
    """The keys, of which Ben's has ended so long ago."""
    until = (NOW - timedelta(hours=hours)).strftime("%Y%m%d%H%M%SZ")
    return keys({"ann": ANN, "sue": SUE}) + f'ben {NAMESPACES},valid-before="{until}" {BEN.public.line}\n'.encode()


def long_ago(stage: Stage, hours: int, signers: bytes) -> str:
    """A fleet that began so long ago, and was changed a minute ago; gives its first commit."""
    stage.clock = T0 - hours * 3600
    files = {POLICY: policy(), SIGNERS: signers, "fleet.yaml": b"one\n", APP: GOOD}
    stage.anchor = stage.commit(files, None, parent="")
    stage.push(stage.anchor)
    stage.clock = T0 - 60
    stage.push(stage.commit({"fleet.yaml": b"now\n"}, ANN))
    return stage.anchor


@pytest.mark.parametrize("has_roles", [True, False])
def test_a_key_that_has_ended_does_not_speak_from_an_old_commit(stage: Stage, has_roles: bool) -> None:
    first = long_ago(stage, 1000, ended(500))
    now = stage.clock
    stage.clock = T0 - 900 * 3600
    side = stage.commit({APP: EVIL}, BEN, parent=first)
    stage.clock = now
    stage.push(stage.merge(stage.main, side))
    obtained = stage.obtain() if has_roles else stage.without_roles(ended(500))
    assert told(obtained) == "KEY_EXPIRED"


def test_dates_that_go_back_by_an_hour_each_do_not_add_up(stage: Stage) -> None:
    long_ago(stage, 200, ended(72))
    top = previous = stage.main
    junk = stage.tree(stage.commit({SITE: b"junk\n"}, None))
    for hours in range(1, 80):
        previous = stage.make(junk, (previous,), T0 - hours * 3600)
    evil = stage.commit({APP: EVIL}, None)
    stage.approve(evil, {"ben": BEN})
    stage.push(stage.make(stage.tree(evil), (previous,), T0 - 80 * 3600))
    obtained = stage.obtain()
    assert told(obtained) == "UNSIGNED"
    assert obeyed(obtained) == top


def test_a_key_that_has_ended_approves_nothing(stage: Stage) -> None:
    """Nor within the hour by which a commit may be dated back."""
    long_ago(stage, 200, ended(0.5))
    evil = stage.commit({APP: EVIL}, None)
    stage.approve(evil, {"ben": BEN})
    stage.push(stage.make(stage.tree(evil), (stage.main,), T0 - 45 * 60))
    assert told(stage.obtain()) == "UNSIGNED"


def test_merges_across_each_other_have_more_than_one_ancestor(stage: Stage) -> None:
    one, two = stage.commit({APP: b"two\n"}, ANN), stage.commit({SITE: b"x\n"}, SUE)
    across = stage.merge(stage.merge(one, two), stage.merge(two, one))
    stage.push(stage.merge(stage.main, across))
    assert told(stage.obtain()) == "MERGE_NOT_REPRODUCIBLE"


def test_junk_beside_an_approval_holds_up_no_signed_commit(stage: Stage) -> None:
    honest = stage.commit({APP: b"honest\n"}, ANN)
    said = {"repository": UUID, "branch": "main", "base": stage.main, "tree": stage.tree(honest), "content": "0" * 64}
    folder = f"approvals/{stage.main}/x"
    junk = {f"{folder}/signatures/{number}.sig": b"junk" for number in range(65)}
    stage.document({f"{folder}/approval.json": Approval(**said).raw, **junk})
    stage.push(honest)
    assert told(stage.obtain()) == "ann"


def test_junk_without_an_end_fills_no_memory(stage: Stage) -> None:
    """One blob of a megabyte under a thousand names costs whoever pushes it nothing."""

    def folder(kind: str, object_id: str, *names: str) -> str:
        lines = "".join(f"{kind} {object_id}\t{name}\n" for name in names)
        return stage.git.run("mktree", stdin=lines.encode()).decode().strip()

    blob = stage.git.run("hash-object", "-w", "--stdin", stdin=b"\0" * 1024 * 1024).decode().strip()
    signatures = folder("100644 blob", blob, *(f"{number:03}.sig" for number in range(50)))
    document = stage.git.run("hash-object", "-w", "--stdin", stdin=b"{}").decode().strip()
    lines = f"100644 blob {document}\tapproval.json\n040000 tree {signatures}\tsignatures\n"
    one = stage.git.run("mktree", stdin=lines.encode()).decode().strip()
    all_of_them = folder("040000 tree", one, *(f"{number:03}" for number in range(20)))
    root = folder("040000 tree", folder("040000 tree", all_of_them, stage.main), "approvals")
    stage.git.run("update-ref", "refs/heads/releases", stage.make(root, (), stage.clock))
    stage.push(stage.commit({APP: b"x\n"}, None))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert told(stage.obtain()) == "UNSIGNED"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_an_octopus_in_a_branch_makes_no_work(stage: Stage) -> None:
    tree = stage.tree(stage.commit({APP: b"x\n"}, None))
    octopus = stage.make(tree, (stage.main,) * 500, stage.clock)
    stage.push(stage.make(tree, (stage.main, octopus), stage.clock + 1))
    assert told(stage.obtain()) == "MERGE_SHAPE"


LOCKED = {
    "keys that may only sign": {SIGNERS: keys(options='namespaces="git"')},
    "keys for something else": {SIGNERS: keys(options='namespaces="file"')},
    "keys that have ended": {SIGNERS: ended(500)},
    "every key revoked": {
        POLICY: policy(more=f"  revoked: [{', '.join(repr(one.public.fingerprint) for one in NAMES.values())}]\n")
    },
}


@pytest.mark.parametrize("name", LOCKED)
def test_nobody_locks_the_fleet_by_a_slip(name: str, stage: Stage) -> None:
    slip = stage.commit(LOCKED[name], ANN)
    stage.approve(slip, {"ben": BEN})
    stage.push(slip)
    obtained = stage.obtain()
    assert told(obtained) == "POLICY_ROLE"
    assert obeyed(obtained) == stage.anchor


def test_a_small_role_does_not_stop_all_others_by_a_file_that_no_device_reads(stage: Stage) -> None:
    blob = stage.git.run("hash-object", "-w", "--stdin", stdin=b"x").decode().strip()
    folder = stage.git.run("mktree", stdin=f"120000 blob {blob}\tsite-1.yaml\n".encode()).decode().strip()
    whole = stage.git.run("ls-tree", stage.main).decode() + f"040000 tree {folder}\tdevices\n"
    tree = stage.git.run("mktree", stdin=whole.encode()).decode().strip()
    stage.push(stage.make(tree, (stage.main,), stage.clock, SUE))
    obtained = stage.obtain()
    assert told(obtained) == "TREE_SYMLINK"
    assert obeyed(obtained) == stage.anchor


def test_what_comes_before_an_object_that_is_too_big_is_obeyed(stage: Stage) -> None:
    good = stage.commit({APP: b"good\n"}, ANN)
    big = stage.make(stage.tree(good), (stage.main,), stage.clock, more="x" * 1100 * 1024)
    stage.push(stage.make(stage.tree(good), (good, big), stage.clock + 1))
    obtained = stage.obtain()
    assert told(obtained) == "OBJ_TOO_BIG"
    assert obeyed(obtained) == good


def test_a_device_hears_no_key_that_it_was_told_is_lost(stage: Stage, tmp_path: Path) -> None:
    """The one defence against a stolen key together with the server: no commit of the policy reaches the device."""
    lost = tmp_path / "revoked"
    lost.write_bytes(b"")
    made = stage.commit({APP: b"two\n"}, BEN)
    stage.push(made)
    assert told(stage.source(revoked_keys=lost).obtain(NOW)) == "ben"
    lost.write_bytes(BEN.public.fingerprint.encode())
    assert told(stage.source(revoked_keys=lost).obtain(NOW)) == "TRUST_LOST"
    stage.push(stage.commit({APP: b"three\n"}, BEN))
    assert told(stage.source(revoked_keys=lost).obtain(NOW)) == "KEY_REVOKED"


BAD = {
    "no UTF-8": b"\xff\xfe",
    "deep": b"a: " + b"[" * 100_000,
    "a number without an end": policy(more="  validDays: " + "9" * 5000 + "\n"),
    "aliases": b"a: &a [1, 1]\nb: &b [*a, *a]\n",
    "a tag": policy(more="  x: !!python/object:os.system {}\n"),
    "a surrogate": policy(more='  revoked: ["\\ud800"]\n'),
}


@pytest.mark.parametrize("name", BAD)
def test_a_policy_that_cannot_be_read_ends_no_pass(name: str, stage: Stage) -> None:
    made = stage.commit({POLICY: BAD[name]}, ANN)
    stage.approve(made, {"ben": BEN})
    stage.push(made)
    assert told(stage.obtain()) == "POLICY_FILE"


def test_a_rule_of_two_names_is_for_names_with_a_line_end_as_well(stage: Stage) -> None:
    blob = stage.git.run("hash-object", "-w", "--stdin", stdin=b"x").decode().strip()
    odd = stage.git.run("mktree", "-z", stdin=f"100644 blob {blob}\tx\ny\0".encode()).decode().strip()
    web = stage.git.run("rev-parse", f"{stage.main}:apps/web").decode().strip()
    lines = f"040000 tree {odd}\tsafety\n040000 tree {web}\tweb\n"
    apps = stage.git.run("mktree", stdin=lines.encode()).decode().strip()
    before = stage.git.run("rev-parse", f"{stage.main}:apps").decode().strip()
    whole = stage.git.run("ls-tree", stage.main).decode().replace(before, apps)
    tree = stage.git.run("mktree", stdin=whole.encode()).decode().strip()
    stage.push(stage.make(tree, (stage.main,), stage.clock, ANN))
    assert told(stage.obtain()) == "PATH_QUORUM"
