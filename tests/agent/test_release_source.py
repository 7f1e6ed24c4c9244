"""A device in mode `release`, on real Git: what it obeys, what it keeps through attacks, clocks and power cuts."""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from released_stage import NEWER, Stage, code, drop, seq, version, version_2

from lab.released import DAY, FILES, KEYS, NOW, policy_bytes, signers_file
from reconciler.admission import PolicyGrant
from reconciler.agent.orders.source import ANYBODY
from reconciler.agent.state.release_memory import release_trust
from reconciler.agent.state.remembered import Trusted
from signing.documents import moment_text

OTHER = "00000000-0000-0000-0000-000000000000"


def test_what_a_quorum_signed_is_obeyed_though_nobody_signed_the_commits(released: Stage) -> None:
    commit = released.release(2, NEWER)
    released.publish()
    obtained = released.obtain()
    assert (code(obtained), code(obtained, "Fresh")) == ("Verified", "STALE")
    assert obtained.trusted is not None
    assert (obtained.trusted.commit, obtained.trusted.tag) == (commit, "main/2")
    assert obtained.seen.startswith("main/2@sha1:")
    assert released.fleet.paths["releases/main/2/files"] == released.listing_by_hand(commit).raw
    assert released.obtain().trusted == obtained.trusted


def test_a_preview_remembers_nothing(stage: Stage) -> None:
    stage.release(1)
    stage.publish()
    looked = stage.source().look(NOW, fetch=True)
    assert looked.trusted is not None
    assert release_trust(stage.journal) is None
    assert stage.journal.trusted is None


def test_a_release_that_waits_for_signatures_is_no_alarm(released: Stage) -> None:
    before = released.obtain().trusted
    released.release(2, NEWER, people=("alice",))
    released.publish()
    obtained = released.obtain()
    assert (obtained.trusted, code(obtained), obtained.errors) == (before, "Verified", ())
    (fact,) = (fact for fact in obtained.facts if fact.type == "Trusted")
    assert "release main/2 needs 2 of role `release`, signed by alice of them" in fact.message


Act = Callable[[Stage], object]


def rewrite(stage: Stage, name: str, old: bytes, new: bytes) -> None:
    assert old in stage.fleet.paths[name]
    stage.fleet.paths[name] = stage.fleet.paths[name].replace(old, new)


def bad_tree(stage: Stage, mode: str, name: str) -> None:
    """A release of a tree with one entry that no device reads, signed by all."""
    blob = stage.git.run("hash-object", "-w", "--stdin", stdin=b"x").decode().strip()
    tree = stage.git.run("mktree", "--missing", stdin=f"{mode} blob {blob}\t{name}\n".encode()).decode().strip()
    commit = stage.git.run("-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", tree, "-m", "x").decode().strip()
    stage.git.run("update-ref", "refs/heads/main", commit)
    stage.release(2, commit=commit, tree=tree)


ATTACKS: dict[str, tuple[str, Act]] = {
    "nobody signed": ("QUORUM", lambda s: s.release(2, NEWER, people=())),
    "a stranger signed": ("QUORUM", lambda s: s.release(2, NEWER, people=("mallory",))),
    "another channel's": ("CHANNEL", lambda s: s.release(2, NEWER, channel="canary")),
    "another repository's": ("REPO_ID", lambda s: s.release(2, NEWER, repository=OTHER)),
    "expired": ("RELEASE_EXPIRED", lambda s: s.release(2, NEWER, expires=moment_text(NOW - DAY))),
    "other files": ("CONTENT_HASH", lambda s: s.release(2, NEWER, commit=s.commit(FILES))),
    "another tree": ("TREE_MISMATCH", lambda s: s.release(2, NEWER, tree="0" * 40)),
    "a commit that was never pushed": ("COMMIT_MISSING", lambda s: (s.release(2, NEWER), forget(s))),
    "a site's file without the site": ("PATH_QUORUM", lambda s: s.release(2, {**FILES, "devices/site-a/d1.yaml": "2"})),
    "a path for nobody": ("PATH_NO_RULE", lambda s: s.release(2, {**FILES, "x/y": "2"})),
    "rolled back": ("ROLLBACK", lambda s: drop(s, "releases/main/1/")),
    "equivocation": ("EQUIVOCATION", lambda s: rewrite(s, "releases/main/1/release.json", b"2026-08", b"2027-08")),
    "a broken chain": ("CHAIN", lambda s: s.release(2, NEWER, previous="0" * 64)),
    "a symbolic link": ("TREE_SYMLINK", lambda s: bad_tree(s, "120000", "x")),
    "junk above": ("DOC_JSON", lambda s: s.fleet.put("releases/main/9", {"release.json": b"[", "files": b""}, {})),
    "a policy that nobody signed": ("QUORUM", lambda s: s.fleet.policy(policy_bytes(version=2), signers_file())),
    "a policy of a stranger": (
        "QUORUM",
        lambda s: s.fleet.policy(policy_bytes(version=2), signers_file(), ("mallory",)),
    ),
    "a policy of another fleet": (
        "REPO_ID",
        lambda s: s.fleet.policy(policy_bytes(version=2, repository=OTHER), signers_file(), ("alice", "bob")),
    ),
    "a policy in another's place": (
        "POLICY_VERSION",
        lambda s: s.fleet.policy(policy_bytes(version=3), signers_file(), ("alice", "bob"), version=2),
    ),
    "a link among the documents": ("TREE_SYMLINK", lambda s: None),
}  # fmt: skip


def forget(stage: Stage) -> None:
    """Main goes back behind the commit, as if it had never been pushed."""
    stage.git.run("update-ref", "refs/heads/main", f"{stage.tip('main')}^")


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_told_by_its_code_and_what_is_obeyed_stays(released: Stage, name: str) -> None:
    expected, act = ATTACKS[name]
    before, state = released.obtain().trusted, release_trust(released.journal)
    good = dict(released.fleet.paths)
    act(released)
    released.publish()
    if name == "a link among the documents":
        link(released)
    obtained = released.obtain()
    assert (obtained.trusted, code(obtained)) == (before, expected)
    assert obtained.errors[0].exit_code == 40
    after = release_trust(released.journal)
    assert state is not None
    assert after is not None
    assert after.accepted == state.accepted

    # The next good release is followed, without anybody's hands.
    released.fleet.paths = good
    released.release(2, NEWER)
    released.publish()
    assert (code(released.obtain()), seq(released)) == ("Verified", 2)


def link(stage: Stage) -> None:
    blob = stage.git.run("hash-object", "-w", "--stdin", stdin=b"/etc/passwd").decode().strip()
    tree = stage.git.run("mktree", stdin=f"120000 blob {blob}\tpolicies\n".encode()).decode().strip()
    commit = stage.git.run("-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", tree, "-m", "x").decode().strip()
    stage.git.run("update-ref", "refs/heads/releases", commit)


# The policy moves


def test_a_key_that_the_policy_revokes_is_heard_no_longer_though_nothing_else_changed(released: Stage) -> None:
    before = released.obtain().trusted
    version_2(released, revoked=[KEYS["bob"].public.fingerprint], people=("alice", "bob"))
    released.publish()
    assert (code(released.obtain()), version(released)) == ("Verified", 1), "his own signature counts no more"
    drop(released, "policies/2/")
    roles = {"root": {"principals": ["alice", "carol"], "threshold": 1}}
    version_2(released, roles={**json.loads(policy_bytes())["roles"], **roles}, people=("alice", "bob", "carol"))
    released.publish()
    assert code(released.obtain()) == "Verified"
    raw = policy_bytes(
        version=3,
        issued=moment_text(NOW - DAY),
        revoked=[KEYS["bob"].public.fingerprint],
        roles={**json.loads(policy_bytes())["roles"], **roles},
    )
    released.fleet.policy(raw, signers_file(), ("carol",))
    released.publish()
    obtained = released.obtain()
    assert (obtained.trusted, code(obtained)) == (before, "TRUST_LOST")
    released.release(2, NEWER, people=("alice", "carol"))
    released.publish()
    assert code(released.obtain()) == "Verified"


def test_the_policy_in_force_stays_when_the_branch_shows_an_older_one_or_none(released: Stage) -> None:
    version_2(released)
    released.publish()
    released.obtain()
    before = release_trust(released.journal)
    drop(released, "policies/")
    released.publish()
    assert code(released.obtain()) == "Verified"
    assert release_trust(released.journal) == before


def test_without_the_anchor_on_the_branch_nothing_is_obeyed(stage: Stage) -> None:
    stage.anchor = "0" * 64
    stage.release(1)
    stage.publish()
    obtained = stage.obtain()
    assert (obtained.trusted, code(obtained)) == (None, "POLICY_ANCHOR")


def test_what_signers_have_granted_is_within_what_the_device_allows(stage: Stage) -> None:
    grants = [
        {"capability": "privileged", "roles": ["site-a"], "devices": ["press-*"], "apps": ["vpn"], "services": ["*"]},
        {"capability": "gpu", "roles": ["release"], "devices": ["*"], "apps": ["*"], "services": ["*"]},
    ]
    raw = policy_bytes(grants=grants, require_digest=True)
    stage.fleet.policy(raw, signers_file())
    stage.anchor = hashlib.sha256(raw).hexdigest()
    stage.release(1)
    stage.publish()
    allowed = frozenset({"privileged"})
    assert stage.source().admission("press-1", allowed).policy is None, "another mode's word, before the first release"
    stage.obtain()
    given = stage.source().admission("press-1", allowed)
    assert (given.device, given.requires_digest) == (allowed, True)
    assert given.policy == (PolicyGrant("gpu", ("*",), ("*",)),)
    stage.release(2, NEWER, people=("alice", "bob", "site"))
    stage.publish()
    stage.obtain()
    vpn = PolicyGrant("privileged", ("vpn",), ("*",))
    assert stage.source().admission("press-1", allowed).policy == (vpn, PolicyGrant("gpu", ("*",), ("*",)))
    assert stage.source().admission("robot-1", allowed).policy == (PolicyGrant("gpu", ("*",), ("*",)),)


# Clocks and freshness


def sha256_of(stage: Stage, number: int) -> str:
    return hashlib.sha256(stage.fleet.paths[f"releases/main/{number}/release.json"]).hexdigest()


def test_a_note_makes_it_fresh_and_a_replayed_one_does_not(released: Stage) -> None:
    mine = sha256_of(released, 1)
    released.fleet.note(release=mine)
    released.publish()
    assert code(released.obtain(), "Fresh") == "Fetched"
    assert code(released.obtain(NOW + 2 * DAY), "Fresh") == "STALE"
    released.fleet.note(release=mine, issued=moment_text(NOW + DAY), expires=moment_text(NOW + 2 * DAY))
    released.publish()
    assert code(released.obtain(NOW + timedelta(hours=36)), "Fresh") == "Fetched"
    released.fleet.note(release=mine)
    released.publish()
    assert code(released.obtain(NOW + timedelta(hours=36)), "Fresh") == "Fetched", "the newer one counts"
    assert code(released.obtain(NOW + 3 * DAY), "Fresh") == "STALE"


def test_a_note_of_a_release_that_is_not_shown_tells_that_it_is_withheld(released: Stage) -> None:
    released.fleet.note(seq=5)
    released.publish()
    obtained = released.obtain()
    assert code(obtained, "Fresh") == "STALE"
    assert any("release 5 is out" in fact.message for fact in obtained.facts)


@pytest.mark.parametrize(
    ("expected", "people", "changed"),
    [
        ("QUORUM", ("alice",), {}),
        ("FRESHNESS_WINDOW", ("ci",), {"expires": moment_text(NOW + 365 * DAY)}),
        ("CHANNEL", ("ci",), {"channel": "canary"}),
    ],
)
def test_a_note_that_is_not_good_freshens_nothing(
    released: Stage, expected: str, people: tuple[str, ...], changed: dict[str, str]
) -> None:
    released.fleet.note(people, **changed)
    released.publish()
    obtained = released.obtain()
    assert (code(obtained), code(obtained, "Fresh")) == ("Verified", expected)


def test_where_the_policy_says_so_nothing_new_is_obeyed_while_it_is_stale(stage: Stage) -> None:
    raw = policy_bytes(freshness={"max_age_seconds": 3600, "refuse_new_when_stale": True})
    stage.fleet.policy(raw, signers_file())
    stage.anchor = hashlib.sha256(raw).hexdigest()
    stage.release(1)
    stage.publish()
    assert code(stage.obtain()) == "STALE"
    stage.fleet.note(expires=moment_text(NOW + timedelta(hours=1)))
    stage.publish()
    assert (code(stage.obtain()), seq(stage)) == ("Verified", 1)


def test_a_clock_that_is_years_behind_is_told_and_does_not_bring_old_things_back(released: Stage) -> None:
    released.fleet.note()
    released.publish()
    released.obtain()
    obtained = released.obtain(NOW - 3 * 365 * DAY)
    assert (code(obtained), code(obtained, "Fresh")) == ("Verified", "CLOCK_SKEW")
    released.release(2, NEWER, expires=moment_text(NOW - timedelta(minutes=1)))
    released.publish()
    assert code(released.obtain(NOW - 3 * 365 * DAY)) == "RELEASE_EXPIRED"
    released.release(2, NEWER)
    released.publish()
    assert (code(released.obtain(NOW - 3 * 365 * DAY)), seq(released)) == ("Verified", 2)


def test_a_clock_that_is_years_ahead_accepts_nothing_new_and_keeps_what_runs(released: Stage) -> None:
    before = released.obtain().trusted
    released.release(2, NEWER)
    released.publish()
    obtained = released.obtain(NOW + 3 * 365 * DAY)
    assert (obtained.trusted, code(obtained)) == (before, "POLICY_EXPIRED")
    assert (code(released.obtain()), seq(released)) == ("Verified", 2)


def test_a_stolen_freshness_key_speaks_of_no_time_beyond_the_policy_nor_after_the_next(released: Stage) -> None:
    far = NOW + 10 * 365 * DAY
    released.fleet.note(issued=moment_text(far), expires=moment_text(far + DAY))
    released.publish()
    assert code(released.obtain(), "Fresh") == "FRESHNESS_WINDOW"

    late = NOW + 299 * DAY
    released.fleet.note(issued=moment_text(late), expires=moment_text(late + DAY), seq=10**9)
    released.publish()
    assert code(released.obtain(), "Fresh") == "CLOCK_SKEW"
    version_2(released, revoked=[KEYS["ci"].public.fingerprint])
    released.publish()
    assert (code(released.obtain()), code(released.obtain(), "Fresh")) == ("Verified", "QUORUM")
    released.release(2, NEWER)
    released.publish()
    released.obtain()
    assert seq(released) == 2, "ninety days are ninety days again"


def test_a_note_of_another_release_with_the_same_number_is_told(released: Stage) -> None:
    released.fleet.note(release="0" * 64)
    released.publish()
    assert code(released.obtain(), "Fresh") == "EQUIVOCATION"


def test_a_note_without_an_end_of_time_is_refused_and_ends_no_pass(released: Stage) -> None:
    for people in ((), ("ci",)):
        released.fleet.note(people, issued="9999-12-31T23:59:58Z", expires="9999-12-31T23:59:59Z")
        released.publish()
        assert code(released.obtain(), "Fresh") == "FRESHNESS_WINDOW"


def test_a_foreign_text_in_a_document_is_not_told(released: Stage) -> None:
    released.release(2, NEWER, repository="\x1b[2J" * 50_000)
    released.publish()
    obtained = released.obtain()
    assert code(obtained) == "DOC_FIELD"
    assert all(len(fact.message) < 500 and fact.message.isprintable() for fact in obtained.facts)


def test_what_was_taken_from_anybody_is_not_obeyed_in_this_mode(stage: Stage) -> None:
    stage.journal.write_trusted(Trusted("1" * 40, ANYBODY, ""))
    stage.publish()
    stage.commit()
    obtained = stage.obtain()
    assert (obtained.trusted, code(obtained)) == (None, "NO_RELEASE")


def test_what_is_wrong_with_what_runs_is_told_before_what_is_wrong_with_junk(released: Stage) -> None:
    drop(released, "releases/main/1/")
    released.fleet.put("releases/main/9", {"release.json": b"[", "files": b""}, {})
    released.publish()
    assert code(released.obtain()) == "ROLLBACK"


def test_a_grant_ends_with_the_key_of_whom_it_needs(stage: Stage) -> None:
    grant = {"capability": "gpu", "roles": ["site-a"], "devices": ["*"], "apps": ["*"], "services": ["*"]}
    raw = policy_bytes(grants=[grant])
    stage.fleet.policy(raw, signers_file())
    stage.anchor = hashlib.sha256(raw).hexdigest()
    stage.release(1, people=("alice", "bob", "site"))
    stage.publish()
    stage.obtain()
    assert stage.source().admission("press-1", frozenset()).policy != ()
    version_2(stage, grants=[grant], revoked=[KEYS["site"].public.fingerprint])
    stage.publish()
    assert code(stage.obtain()) == "Verified"
    assert stage.source().admission("press-1", frozenset()).policy == ()


def test_a_device_that_is_moved_to_another_channel_begins_there_anew(released: Stage) -> None:
    released.release(2, NEWER)
    released.release(3, channel="canary")
    for path in list(released.fleet.paths):
        if path.startswith("releases/main/3/"):
            released.fleet.paths[path.replace("main/3", "canary/1", 1)] = released.fleet.paths.pop(path)
    released.publish()
    assert code(released.obtain(channel="canary")) == "CHAIN", "the number must be its own"
    released.obtain()
    released.obtain(channel="canary")
    drop(released, "releases/main/2/")
    released.publish()
    assert (code(released.obtain()), seq(released)) == ("ROLLBACK", 2), "no channel is forgotten over another"
