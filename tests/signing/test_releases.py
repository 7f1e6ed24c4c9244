"""Mode `release`: what a device accepts, and what not, each with its reason code (attacks A43 to A59)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from lab.released import (
    DAY,
    FILES,
    KEYS,
    NOW,
    PATHS,
    ROLES,
    Fleet,
    code_of,
    listing,
    policy,
    sign,
    signers_file,
)
from signing import SignatureError
from signing.documents import RELEASE_NAMESPACE, Accepted, Listing, Voice, check_still_spoken, moment_text

Act = Callable[[Fleet], object]


def two(fleet: Fleet) -> None:
    fleet.release(1)
    fleet.release(2, files={**FILES, "apps/web/compose.yaml": "newer"})


def test_the_newest_release_that_a_quorum_signed_is_accepted() -> None:
    fleet = Fleet()
    two(fleet)
    accepted = fleet.accepted()
    assert (accepted.name, accepted.content) == ("main/2", fleet.commits[accepted.commit].content)
    assert [voice.principal for voice in accepted.voices] == ["alice", "bob"]
    assert fleet.newest(accepted).accepted == accepted


def miscounted(fleet: Fleet) -> None:
    """Signed as it stands, with a wrong number of files."""
    raw = fleet.release().replace(b'"files": 3', b'"files": 4')
    fleet.put("releases/main/1", {"release.json": raw}, sign(raw, RELEASE_NAMESPACE, ("alice", "bob")))


REFUSED: dict[str, tuple[str, Act]] = {
    "nobody signed": ("QUORUM", lambda f: f.release(people=())),
    "only one signed": ("pending", lambda f: f.release(people=("alice",))),
    "one person, two keys": ("pending", lambda f: f.release(people=("alice", "alice-2"))),
    "one of the role, and one of another": ("pending", lambda f: f.release(people=("alice", "ci"))),
    "one of the role, and a stranger": ("pending", lambda f: f.release(people=("alice", "mallory"))),
    "two of another role": ("QUORUM", lambda f: f.release(people=("site", "ci"))),
    "a stranger alone": ("QUORUM", lambda f: f.release(people=("mallory",))),
    "the same signature twice": ("pending", lambda f: again(f, "bob", "alice")),
    "another repository": ("REPO_ID", lambda f: f.release(repository="00000000-0000-0000-0000-000000000000")),
    "another channel": ("CHANNEL", lambda f: f.release(channel="canary")),
    "made for a policy to come": ("POLICY_AHEAD", lambda f: f.release(policy=2)),
    "expired": ("RELEASE_EXPIRED", lambda f: f.release(expires=moment_text(NOW - timedelta(seconds=1)))),
    "another content": ("CONTENT_HASH", lambda f: f.release(content="0" * 64)),
    "another number of files": ("CONTENT_HASH", miscounted),
    "another size": ("CONTENT_HASH", lambda f: f.release(size=1)),
    "another tree": ("TREE_MISMATCH", lambda f: f.release(tree="1" * 40)),
    "a commit that nobody pushed": ("COMMIT_MISSING", lambda f: f.release(commit="1" * 40)),
    "a path that no rule is for": ("PATH_NO_RULE", lambda f: f.release(files={**FILES, "scripts/x": "x"})),
    "in another's place": ("CHAIN", lambda f: f.release(1, at=7)),
    "a newer reconciler": ("AGENT_TOO_OLD", lambda f: f.release(min_agent="1.2.1")),
    "without its list of files": ("LISTING", lambda f: (f.release(), f.paths.pop("releases/main/1/files"))),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_first_release_that_is_not_good_is_refused(name: str) -> None:
    code, act = REFUSED[name]
    fleet = Fleet()
    act(fleet)
    found = fleet.newest()
    assert found.accepted is None
    assert (found.refusal.code if found.refusal and not found.pending else "pending") == code
    assert bool(found.pending) == (code == "pending")


def again(fleet: Fleet, name: str, whose: str) -> None:
    """One signature under two names."""
    raw = fleet.release(people=(whose,))
    folder = "releases/main/1"
    fleet.put(folder, {}, {name: sign(raw, RELEASE_NAMESPACE, (whose,))[whose]})


NEXT: dict[str, tuple[str, Act]] = {
    "a signature of the one before": (
        "QUORUM",
        lambda f: f.put("releases/main/3", {}, moved(f, "releases/main/2")),
    ),
    "does not follow": ("CHAIN", lambda f: f.release(3, previous="0" * 64)),
    "numbers used up": ("SEQ_JUMP", lambda f: f.release(1_000_003)),
    "the accepted one, with other bytes": ("EQUIVOCATION", lambda f: f.release(2, expires=moment_text(NOW + DAY))),
    "the branch went back": ("ROLLBACK", lambda f: gone(f, 2)),
    "the branch is empty": ("ROLLBACK", lambda f: (gone(f, 1), gone(f, 2))),
    "junk far above": ("DOC_JSON", lambda f: f.put("releases/main/99", {"release.json": b"{", "files": b""}, {})),
}


def moved(fleet: Fleet, folder: str) -> dict[str, bytes]:
    fleet.release(3, people=())
    return {name: fleet.paths[f"{folder}/signatures/{name}.sig"] for name in ("alice", "bob")}


def gone(fleet: Fleet, seq: int) -> None:
    for path in [path for path in fleet.paths if path.startswith(f"releases/main/{seq}/")]:
        del fleet.paths[path]


@pytest.mark.parametrize("name", NEXT)
def test_what_may_not_follow_is_refused_and_the_accepted_one_stays(name: str) -> None:
    code, act = NEXT[name]
    fleet = Fleet()
    two(fleet)
    before = fleet.accepted()
    act(fleet)
    found = fleet.newest(before)
    assert (found.accepted, code_of(found)) == (before, code)
    # What is good again is followed, without anybody's hands.
    fleet.release(2, files={**FILES, "apps/web/compose.yaml": "newer"}) if code != "EQUIVOCATION" else None
    for junk in (3, 99, 1_000_003):
        gone(fleet, junk)
    fleet.release(3, previous=before.sha256, files={**FILES, "apps/web/compose.yaml": "newest"})
    followed = fleet.newest(before)
    assert followed.accepted is not None
    assert (followed.accepted.seq, code_of(followed)) == (3, "accepted")


def test_junk_above_a_good_release_is_told_and_does_not_hide_it() -> None:
    fleet = Fleet()
    two(fleet)
    fleet.put("releases/main/99", {"release.json": b"junk", "files": b""}, {})
    found = fleet.newest()
    assert found.accepted is not None
    assert (found.accepted.seq, code_of(found)) == (2, "DOC_JSON")


def test_more_junk_than_is_looked_at_hides_a_release_and_is_told() -> None:
    fleet = Fleet()
    fleet.release(1)
    for seq in range(2, 10):
        fleet.put(f"releases/main/{seq}", {"release.json": b"junk", "files": b""}, {})
    assert (fleet.newest().accepted, code_of(fleet.newest())) == (None, "DOC_JSON")


def test_numbers_that_are_none_are_no_releases() -> None:
    fleet = Fleet()
    fleet.release(1)
    for name in ("02", "-3", "1e3", "x", "9" * 16, "²"):
        fleet.put(f"releases/main/{name}", {"release.json": b"junk", "files": b""}, {})
    assert fleet.branch.seqs("main") == (1,)


# Whose paths


def test_a_change_at_a_site_needs_the_sites_signature_beside_the_quorum() -> None:
    fleet = Fleet()
    fleet.release(1)
    before = fleet.accepted()
    changed = {**FILES, "devices/site-a/d1.yaml": "two"}
    fleet.release(2, files=changed)
    assert code_of(fleet.newest(before)) == "PATH_QUORUM"
    fleet.release(2, files=changed, people=("alice", "bob", "site"))
    assert fleet.accepted(before).seq == 2


@pytest.mark.parametrize(
    "files",
    [{**FILES, "devices/site-a/d2.yaml": "new"}, {p: t for p, t in FILES.items() if "site-a" not in p}],
    ids=["added", "removed"],
)
def test_also_what_is_added_or_removed_is_a_change(files: dict[str, str]) -> None:
    fleet = Fleet()
    fleet.release(1)
    before = fleet.accepted()
    fleet.release(2, files=files)
    assert code_of(fleet.newest(before)) == "PATH_QUORUM"


def test_a_site_alone_may_not_change_the_base() -> None:
    fleet = Fleet()
    fleet.release(1)
    before = fleet.accepted()
    fleet.release(2, files={**FILES, "apps/web/compose.yaml": "theirs"}, people=("site",))
    assert code_of(fleet.newest(before)) == "QUORUM"


def missed(fleet: Fleet) -> Accepted:
    """A device that saw 1, and missed that the site signed 2."""
    fleet.release(1)
    before = fleet.accepted()
    at_site = {**FILES, "devices/site-a/d1.yaml": "two"}
    fleet.release(2, files=at_site, people=("alice", "bob", "site"))
    fleet.release(3, files={**at_site, "apps/web/compose.yaml": "newer"})
    return before


def test_releases_that_were_missed_are_gone_through_one_by_one() -> None:
    fleet = Fleet()
    before = missed(fleet)
    assert fleet.accepted(before).seq == 3


def test_a_key_that_has_ended_does_not_sign_into_its_past_by_a_release_that_was_missed() -> None:
    fleet = Fleet()
    fleet.release(1)
    before = fleet.accepted()
    ended = policy(signers_file(("alice", "bob", "carol", "ci")) + signers_file(("site",), 'valid-before="20260101Z" '))
    at_site = {**FILES, "devices/site-a/d1.yaml": "two"}
    fleet.release(2, files=at_site, people=("alice", "bob", "site"), issued="2025-06-01T00:00:00Z")
    fleet.release(3, files={**at_site, "apps/web/compose.yaml": "newer"})
    assert code_of(fleet.newest(before, by=ended)) == "BACKDATED"


@pytest.mark.parametrize(
    ("code", "seq", "act"),
    [
        ("CHAIN", 1, lambda f: gone(f, 2)),
        ("PATH_QUORUM", 1, lambda f: f.paths.pop("releases/main/2/signatures/site.sig")),
        ("CONTENT_HASH", 2, lambda f: f.put("releases/main/2", {"files": listing(FILES).raw}, {})),
        ("CHAIN", 2, lambda f: f.release(3, files={**FILES, "devices/site-a/d1.yaml": "two"}, previous="1" * 64)),
        ("LISTING", 2, lambda f: f.put("releases/main/2", {"files": b"100644 x\n"}, {})),
    ],
    ids=["gone", "not signed by the site", "another list", "of another one", "no list"],
)
def test_a_missed_release_that_is_not_whole_leaves_the_question_open(code: str, seq: int, act: Act) -> None:
    fleet = Fleet()
    before = missed(fleet)
    act(fleet)
    found = fleet.newest(before)
    assert found.accepted is not None
    assert (found.accepted.seq, code_of(found)) == (seq, code)


def test_more_releases_than_are_gone_through_are_signed_by_all_whose_paths_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("signing.documents.changes.MAX_MISSED", 1)
    fleet = Fleet()
    before = missed(fleet)
    del fleet.paths["releases/main/2/signatures/site.sig"]
    assert code_of(fleet.newest(before)) == "RANGE_TOO_LONG"
    at_site = {**FILES, "devices/site-a/d1.yaml": "two"}
    fleet.release(4, files={**at_site, "apps/web/compose.yaml": "newest"}, people=("alice", "bob", "site"))
    assert fleet.accepted(before).seq == 4


def test_a_new_device_takes_the_word_of_the_quorum_for_all_of_it() -> None:
    fleet = Fleet()
    missed(fleet)
    assert fleet.accepted().seq == 3


def test_what_was_accepted_is_read_from_its_commit_when_its_list_is_gone_and_from_neither_counts_as_changed() -> None:
    fleet = Fleet()
    fleet.release(1)
    before = fleet.accepted()
    fleet.release(2, files={**FILES, "apps/web/compose.yaml": "newer"})
    fleet.paths["releases/main/1/files"] = b""
    assert fleet.accepted(before).seq == 2
    del fleet.commits[before.commit]
    assert code_of(fleet.newest(before)) == "PATH_QUORUM"


# When rights end


def test_whoever_lost_the_right_is_heard_no_longer_not_even_for_what_was_said_before() -> None:
    fleet = Fleet()
    fleet.release(1)
    before = fleet.accepted()
    revoked = policy(revoked=[KEYS["bob"].public.fingerprint])
    found = fleet.newest(before, by=revoked)
    assert (found.accepted, code_of(found)) == (before, "TRUST_LOST")
    fleet.release(2, people=("alice", "carol"))
    assert code_of(fleet.newest(before, by=revoked)) == "accepted"


@pytest.mark.parametrize(
    "changed",
    [
        {"roles": {**ROLES, "release": {"principals": ["alice", "carol"], "threshold": 2}}},
        {"signers": signers_file(("alice", "alice-2", "carol", "site", "ci"))
         + f"bob {KEYS['mallory'].public.line}\n".encode()},
    ],
    ids=["out of the role", "another key"],
)  # fmt: skip
def test_a_change_of_the_policy_judges_the_running_release_again(changed: dict[str, object]) -> None:
    fleet = Fleet()
    fleet.release(1)
    with pytest.raises(SignatureError, match="TRUST_LOST"):
        check_still_spoken(fleet.accepted(), policy(**changed))  # type: ignore[arg-type]


def test_an_expired_policy_accepts_nothing_new_and_keeps_what_runs() -> None:
    fleet = Fleet()
    fleet.release(1)
    before = fleet.accepted()
    fleet.release(2)
    found = fleet.newest(before, now=NOW + 301 * DAY)
    assert (found.accepted, code_of(found)) == (before, "POLICY_EXPIRED")


def test_an_accepted_release_that_expires_is_told_and_kept() -> None:
    fleet = Fleet()
    fleet.release(1)
    before = fleet.accepted()
    found = fleet.newest(before, now=NOW + 91 * DAY)
    assert (found.accepted, code_of(found)) == (before, "RELEASE_EXPIRED")


def test_a_key_whose_time_has_not_come_or_is_over_does_not_count() -> None:
    fleet = Fleet()
    fleet.release(1)
    for window in ('valid-before="20260101Z" ', 'valid-after="20270101Z" '):
        signers = signers_file(("alice", "carol", "site", "ci")) + signers_file(("bob",), window)
        assert fleet.newest(by=policy(signers)).pending


def test_a_key_for_another_namespace_does_not_count() -> None:
    fleet = Fleet()
    fleet.release(1)
    for namespaces in ("git", "policy.v1@fleet", "release.v1@fleet2"):
        signers = signers_file(more=f'namespaces="{namespaces}" ')
        assert code_of(fleet.newest(by=policy(signers))) == "QUORUM"


def test_a_signature_made_for_another_namespace_does_not_count() -> None:
    fleet = Fleet()
    raw = fleet.release(people=())
    for namespace in ("git", "policy.v1@fleet", "freshness.v1@fleet", "file"):
        fleet.put("releases/main/1", {}, sign(raw, namespace, ("alice", "bob")))
        assert code_of(fleet.newest()) == "QUORUM"


def test_more_signatures_than_people_have_is_refused_before_they_are_looked_at() -> None:
    fleet = Fleet()
    fleet.release(1)
    fleet.put("releases/main/1", {}, {f"junk-{n}": b"junk" for n in range(65)})
    assert code_of(fleet.newest()) == "QUORUM"


# What a list of files is


@pytest.mark.parametrize(
    "raw",
    [
        b"100644 " + b"0" * 64 + b" 1 a",
        b"100644 " + b"0" * 64 + b" 01 a\n",
        b"120000 " + b"0" * 64 + b" 1 a\n",
        b"100644 " + b"A" * 64 + b" 1 a\n",
        b"100644 " + b"0" * 64 + b" 1 b\n100644 " + b"0" * 64 + b" 1 a\n",
        b"100644 " + b"0" * 64 + b" 1 a\n100644 " + b"0" * 64 + b" 1 a\n",
        b"100644 " + b"0" * 64 + b" 1 a b\n",
        b"100644 " + b"0" * 64 + b" 1 a\r\n",
        b"\n",
        b"x" * (16 * 1024 * 1024 + 1),
    ],
    ids=lambda raw: raw[:90].decode(),
)
def test_a_list_of_files_has_one_form(raw: bytes) -> None:
    with pytest.raises(SignatureError, match="LISTING"):
        Listing.parse(raw)


def test_a_list_of_files_is_what_it_is_read_from() -> None:
    own = listing(FILES)
    assert Listing.parse(own.raw) == own
    assert [line.split()[3] for line in own.raw.decode().splitlines()] == sorted(FILES)
    assert Listing.parse(b"").files == {}


def test_voices_are_people_with_keys() -> None:
    fleet = Fleet()
    fleet.release(1, people=("alice", "alice-2", "bob"))
    accepted = fleet.accepted()
    assert Voice("alice", KEYS["alice-2"].public.fingerprint) in accepted.voices
    assert len(accepted.voices) == 3
    check_still_spoken(replace(accepted, voices=accepted.voices[1:]), policy())


def test_a_rule_is_the_first_that_matches() -> None:
    rules = [{"match": "apps/web/**", "roles": ["site-a"]}, *PATHS]
    own = policy(paths=rules)
    assert own.rule("apps/web/compose.yaml").roles == ("site-a",)
    assert own.rule("apps/other/compose.yaml").roles == ("release",)
    for path in ("x/fleet.yaml", "devices/site-b/d.yaml", "appsx/a", "apps"):
        with pytest.raises(SignatureError, match="PATH_NO_RULE"):
            own.rule(path)
