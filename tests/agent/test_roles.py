"""Mode `commits` with roles: each commit judged by the policy in the files of the one before it, by real git."""

from collections.abc import Callable
from pathlib import Path

import pytest
from roles_stage import (
    ANN,
    BEN,
    MALLORY,
    NAMES,
    NOW,
    PATHS,
    POLICY,
    ROLES,
    SIGNERS,
    SUE,
    Stage,
    keys,
    policy,
    told,
)

from signing import Signer

APP, SAFETY, SITE = "apps/web/compose.yaml", "apps/safety/compose.yaml", "devices/site-1.yaml"
DAN = Signer.generate()
NEW_ROOT = "root: {principals: [ann, ben, sue]"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path)
    made.push(made.anchor)
    return made


# One commit on top of the anchor: its files, who signs it, who approves it, and what a device says.
COMMITS: dict[str, tuple[dict[str, bytes], Signer | None, dict[str, Signer], str]] = {
    "by somebody of the role": ({APP: b"two\n"}, ANN, {}, "ann"),
    "by somebody of another role": ({APP: b"two\n"}, SUE, {}, "PATH_QUORUM"),
    "of two roles, by one": ({APP: b"two\n", SITE: b"x\n"}, ANN, {}, "PATH_QUORUM"),
    "of two roles, one signs and one approves": ({APP: b"two\n", SITE: b"x\n"}, ANN, {"sue": SUE}, "ann, sue"),
    "of a site, by its own": ({SITE: b"x\n"}, SUE, {}, "sue"),
    "of a site, by somebody above": ({SITE: b"x\n"}, ANN, {}, "PATH_QUORUM"),
    "that two must agree on, by one": ({SAFETY: b"x\n"}, ANN, {}, "PATH_QUORUM"),
    "that two must agree on, approved by the same": ({SAFETY: b"x\n"}, ANN, {"ann": ANN}, "PATH_QUORUM"),
    "that two must agree on, approved by another": ({SAFETY: b"x\n"}, ANN, {"ben": BEN}, "ann, ben"),
    "that two approved, and nobody signed": ({SAFETY: b"x\n"}, None, {"ann": ANN, "ben": BEN}, "ann, ben"),
    "that two approved, and a stranger signed": ({SAFETY: b"x\n"}, MALLORY, {"ann": ANN, "ben": BEN}, "ann, ben"),
    "that one of two approved": ({SAFETY: b"x\n"}, None, {"ann": ANN}, "PATH_QUORUM"),
    "that a stranger approved": ({APP: b"x\n"}, None, {"mallory": MALLORY}, "UNSIGNED"),
    "that nobody signed": ({APP: b"two\n"}, None, {}, "UNSIGNED"),
    "of a stranger": ({APP: b"two\n"}, MALLORY, {}, "SIGNER_UNKNOWN"),
    "of a path that no rule is for": ({"secrets/x.yaml": b"x\n"}, ANN, {}, "PATH_NO_RULE"),
    "of the policy, by one of two": ({POLICY: policy(more="# x\n")}, ANN, {}, "PATH_QUORUM"),
    "of the policy, by both": ({POLICY: policy(more="# x\n")}, ANN, {"ben": BEN}, "ann, ben"),
    "of the policy and an app": ({POLICY: policy(more="# x\n"), APP: b"x\n"}, ANN, {"ben": BEN}, "POLICY_ALONE"),
    "of another file beside the policy": ({"trust/readme": b"x\n"}, ANN, {}, "PATH_QUORUM"),
    "that breaks the policy": ({POLICY: b"kind: [\n"}, ANN, {"ben": BEN}, "POLICY_FILE"),
    "that empties the policy": ({POLICY: b""}, ANN, {"ben": BEN}, "POLICY_FILE"),
    "that locks everybody out": ({SIGNERS: keys({"sue": SUE})}, ANN, {"ben": BEN}, "POLICY_FILE"),
}


@pytest.mark.parametrize("name", COMMITS)
def test_a_commit_is_obeyed_when_those_speak_who_must(name: str, stage: Stage) -> None:
    files, signer, approvers, outcome = COMMITS[name]
    made = stage.commit(files, signer)
    if approvers:
        stage.approve(made, approvers)
    stage.push(made)
    obtained = stage.obtain()
    assert told(obtained) == outcome
    assert obtained.trusted is not None
    assert obtained.trusted.commit == (stage.anchor if outcome.isupper() else made)


def test_without_its_policy_no_commit_stands(stage: Stage) -> None:
    made = stage.commit({}, ANN, without=[POLICY, SIGNERS])
    stage.approve(made, {"ben": BEN})
    stage.push(made)
    assert told(stage.obtain()) == "POLICY_FILE"


def test_an_anchor_without_a_policy_obeys_nobody(stage: Stage) -> None:
    bare = stage.commit({"fleet.yaml": b"x\n"}, None, parent="")
    stage.anchor = bare
    stage.push(stage.commit({"fleet.yaml": b"y\n"}, ANN, parent=bare))
    obtained = stage.obtain()
    assert told(obtained) == "POLICY_FILE"
    assert obtained.trusted is None


def test_people_come_and_go_by_commits_and_the_past_stays_as_it_was_judged(stage: Stage) -> None:
    by_ben = stage.commit({APP: b"by ben\n"}, BEN)
    stage.push(by_ben)
    # Ben goes, Dan comes; a device that sees all of it at once judges each commit by its own day.
    people = {"ann": ANN, "dan": DAN, "sue": SUE}
    roles = ROLES.replace("ben", "dan")
    change = stage.commit({POLICY: policy(roles), SIGNERS: keys(people)}, ANN)
    stage.approve(change, {"ben": BEN})
    stage.push(change)
    by_dan = stage.commit({APP: b"by dan\n"}, DAN)
    stage.push(by_dan)
    obtained = stage.obtain()
    assert told(obtained) == "dan"
    stage.push(stage.commit({APP: b"ben again\n"}, BEN))
    obtained = stage.obtain()
    assert told(obtained) == "SIGNER_UNKNOWN"
    assert obtained.trusted is not None
    assert obtained.trusted.commit == by_dan


def test_before_a_person_is_let_in_nobody_listens(stage: Stage) -> None:
    early = stage.commit({APP: b"by dan\n"}, DAN)
    stage.push(early)
    late = stage.commit({SIGNERS: keys({**NAMES, "dan": DAN}), POLICY: policy(ROLES.replace("sue", "dan"))}, ANN)
    stage.approve(late, {"ben": BEN})
    stage.push(late)
    assert told(stage.obtain()) == "SIGNER_UNKNOWN"


def test_a_key_that_the_policy_revokes_is_not_heard(stage: Stage) -> None:
    more = f'  revoked: ["{BEN.public.fingerprint}"]\n'
    change = stage.commit({POLICY: policy(ROLES.replace("root: {principals: [ann, ben]", NEW_ROOT), more=more)}, ANN)
    stage.approve(change, {"ben": BEN})
    stage.push(change)
    stage.push(stage.commit({APP: b"two\n"}, BEN))
    assert told(stage.obtain()) == "KEY_REVOKED"


def test_a_squash_is_one_step_that_was_approved(stage: Stage) -> None:
    squash = stage.commit({APP: b"first\n", SAFETY: b"second\n"}, None)
    stage.approve(squash, {"ann": ANN, "sue": SUE})
    stage.push(squash)
    assert told(stage.obtain()) == "ann, sue"
    # And on from there.
    stage.push(stage.commit({APP: b"fourth\n"}, BEN))
    assert told(stage.obtain()) == "ben"


def test_of_a_rebase_the_commits_in_between_are_approved_by_nobody(stage: Stage) -> None:
    first = stage.commit({APP: b"first\n"}, None)
    second = stage.commit({SAFETY: b"second\n"}, None, parent=first)
    stage.approve(second, {"ann": ANN, "sue": SUE})
    stage.push(second)
    obtained = stage.obtain()
    assert told(obtained) == "UNSIGNED"
    assert obtained.trusted is not None
    assert obtained.trusted.commit == stage.anchor


def test_an_empty_commit_behind_what_was_approved_belongs_to_it(stage: Stage) -> None:
    first = stage.commit({APP: b"first\n"}, None)
    stage.approve(first, {"ann": ANN})
    second = stage.commit({}, None, parent=first)
    stage.push(second)
    obtained = stage.obtain()
    assert told(obtained) == "ann"
    assert obtained.trusted is not None
    assert obtained.trusted.commit == second
    stage.push(stage.commit({}, None))
    assert told(stage.obtain()) == "UNSIGNED"


def test_a_device_that_was_away_is_not_led_back_to_what_was_approved_once(stage: Stage) -> None:
    approved = stage.commit({APP: b"x\n"}, None)
    stage.approve(approved, {"ann": ANN})
    mended = stage.commit({APP: b"mended\n"}, ANN, parent=approved)
    stage.push(stage.commit({APP: b"x\n"}, None, parent=mended))
    obtained = stage.obtain()
    assert told(obtained) == "UNSIGNED"
    assert obtained.trusted is not None
    assert obtained.trusted.commit == mended


def test_nothing_between_that_was_not_approved_is_ever_obeyed(stage: Stage) -> None:
    first = stage.commit({APP: b"first\n"}, None)
    stage.approve(stage.commit({APP: b"second\n"}, None, parent=first), {"ann": ANN})
    stage.push(first)
    obtained = stage.obtain()
    assert told(obtained) == "UNSIGNED"
    assert obtained.trusted is not None
    assert obtained.trusted.commit == stage.anchor


def other_base(stage: Stage, made: str) -> str:
    """Approved on top of the anchor, and merged after something else."""
    stage.approve(made, {"ann": ANN})
    stage.push(stage.commit({"fleet.yaml": b"two\n"}, ANN))
    return stage.commit({APP: b"x\n"}, None)


def back_again(stage: Stage, made: str) -> str:
    """What was approved once and has been replaced since, brought back by whoever may push."""
    stage.approve(made, {"ann": ANN})
    stage.push(made)
    stage.push(stage.commit({APP: b"mended\n"}, ANN))
    return stage.commit({APP: b"x\n"}, None)


def other_content(stage: Stage, made: str) -> str:
    """The tree has the id that was approved, and the digest of its files is another one."""
    stage.approve(made, {"ann": ANN}, content="0" * 64)
    return made


def no_key_for_it(stage: Stage, made: str) -> str:
    """Whose line names only `git` may sign commits, and approve nothing."""
    lines = keys({"ben": BEN, "sue": SUE}) + keys({"ann": ANN}, 'namespaces="git"')
    change = stage.commit({SIGNERS: lines}, ANN)
    stage.approve(change, {"ben": BEN})
    stage.push(change)
    again = stage.commit({APP: b"x\n"}, None)
    stage.approve(again, {"ann": ANN})
    return again


REPLAYED: dict[str, Callable[[Stage, str], str]] = {
    one.__name__: one for one in (other_base, back_again, other_content, no_key_for_it)
} | {
    "another fleet": lambda stage, made: (
        stage.approve(made, {"ann": ANN}, repository="00000000-0000-0000-0000-000000000000") or made
    ),
    "another branch": lambda stage, made: stage.approve(made, {"ann": ANN}, branch="test") or made,
    "junk": lambda stage, made: (
        stage.document({f"approvals/{stage.main}/x/approval.json": b"{", f"approvals/{stage.main}/y": b""}) or made
    ),
    "a branch of documents that no device reads": lambda stage, made: (
        stage.approve(made, {"ann": ANN}) or stage.document({"trailing.": b"x"}) or made
    ),
}


@pytest.mark.parametrize("name", REPLAYED)
def test_an_approval_is_for_one_base_one_branch_and_one_content(name: str, stage: Stage) -> None:
    made = stage.commit({APP: b"x\n"}, None)
    made = REPLAYED[name](stage, made)
    before = stage.main
    stage.push(made)
    obtained = stage.obtain()
    assert told(obtained) == "UNSIGNED"
    assert obtained.trusted is not None
    assert obtained.trusted.commit == before


def clean(stage: Stage) -> str:
    return stage.merge(stage.main, stage.commit({SITE: b"x\n"}, SUE))


def of_two_people(stage: Stage) -> str:
    one = stage.commit({SITE: b"x\n"}, SUE)
    other = stage.commit({APP: b"two\n"}, BEN, parent=one)
    stage.push(stage.commit({"fleet.yaml": b"two\n"}, ANN))
    return stage.merge(stage.main, other)


def signed_by_somebody_who_may_not(stage: Stage) -> str:
    return stage.merge(stage.main, stage.commit({APP: b"two\n"}, ANN), SUE)


def beyond_the_role(stage: Stage) -> str:
    return stage.merge(stage.main, stage.commit({APP: b"two\n"}, SUE))


def undoing_by_a_merge(stage: Stage) -> str:
    """Sue, who has the role of a site, merges the main branch into hers, and keeps the old files of others."""
    old = stage.main
    stage.push(stage.commit({APP: b"mended\n"}, ANN))
    mine = stage.commit({SITE: b"x\n"}, SUE, parent=old)
    evil = stage.merge(mine, stage.main, SUE, tree=stage.tree(mine))
    return stage.merge(stage.main, evil)


def undoing_by_the_first_parent(stage: Stage) -> str:
    old = stage.main
    stage.push(stage.commit({APP: b"mended\n"}, ANN))
    evil = stage.merge(stage.main, stage.commit({SITE: b"x\n"}, SUE, parent=old), SUE, tree=stage.tree(old))
    return stage.merge(stage.main, evil)


def brought_up_to_date_by_hand(stage: Stage) -> str:
    mine = stage.commit({SITE: b"x\n"}, SUE)
    stage.push(stage.commit({APP: b"two\n"}, ANN))
    return stage.merge(stage.main, stage.merge(mine, stage.main, SUE))


def with_a_change_of_the_policy(stage: Stage) -> str:
    change = stage.commit({POLICY: policy(paths=PATHS.replace("apps/safety/**", "apps/none/**"))}, ANN)
    return stage.merge(stage.main, change)


def with_a_change_of_the_policy_that_was_approved(stage: Stage) -> str:
    merge = with_a_change_of_the_policy(stage)
    stage.approve(merge, {"ben": BEN})
    return merge


def resolved_by_the_forge_and_approved(stage: Stage) -> str:
    mine = stage.commit({APP: b"mine\n"}, ANN)
    stage.push(stage.commit({APP: b"theirs\n"}, BEN))
    resolved = stage.commit({APP: b"both\n"}, None)
    merge = stage.merge(stage.main, mine, tree=stage.tree(resolved))
    stage.approve(merge, {"ann": ANN})
    return merge


MERGES: dict[Callable[[Stage], str], str] = {
    clean: "sue",
    of_two_people: "ben",
    signed_by_somebody_who_may_not: "ann",
    beyond_the_role: "PATH_QUORUM",
    undoing_by_a_merge: "MERGE_NOT_REPRODUCIBLE",
    undoing_by_the_first_parent: "MERGE_NOT_REPRODUCIBLE",
    brought_up_to_date_by_hand: "sue",
    with_a_change_of_the_policy: "PATH_QUORUM",
    with_a_change_of_the_policy_that_was_approved: "ann, ben",
    resolved_by_the_forge_and_approved: "ann",
}


@pytest.mark.parametrize("build", MERGES, ids=lambda build: build.__name__)
def test_a_merge_brings_only_what_those_said_who_may(build: Callable[[Stage], str], stage: Stage) -> None:
    stage.push(build(stage))
    assert told(stage.obtain()) == MERGES[build]


def test_what_was_refused_is_obeyed_as_soon_as_it_is_approved(stage: Stage) -> None:
    made = stage.commit({SAFETY: b"x\n"}, ANN)
    base = stage.main
    stage.push(made)
    assert told(stage.obtain()) == "PATH_QUORUM"
    stage.main = base
    stage.approve(made, {"sue": SUE})
    assert told(stage.obtain()) == "ann, sue"


def test_images_must_have_digests_when_the_policy_in_force_says_so(stage: Stage) -> None:
    stage.obtain()
    assert not stage.source().admission("press", frozenset()).requires_digest
    change = stage.commit({POLICY: policy(more="  images: {requireDigest: true}\n")}, ANN)
    stage.approve(change, {"ben": BEN})
    stage.push(change)
    stage.obtain()
    admission = stage.source().admission("press", frozenset({"privileged"}))
    assert admission.requires_digest
    assert admission.device == {"privileged"}


def test_a_bundle_carries_approvals_as_well(stage: Stage, tmp_path: Path) -> None:
    made = stage.commit({APP: b"two\n"}, None)
    stage.approve(made, {"ann": ANN})
    stage.push(made)
    for refs, outcome in ((["main"], "UNSIGNED"), (["main", "releases"], "ann")):
        bundle = tmp_path / "fleet.bundle"
        stage.git.run("bundle", "create", "--quiet", str(bundle), *(f"refs/heads/{ref}" for ref in refs))
        assert told(stage.source().obtain(NOW, bundle)) == outcome
