"""The policy moves from version to version by quorums of both; and notes that a release is still the newest."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.released import (
    DAY,
    KEYS,
    NOW,
    ROLES,
    Fleet,
    policy,
    policy_bytes,
    sign,
    signers_file,
)
from signing import SignatureError
from signing.documents import (
    POLICY_NAMESPACE,
    Policy,
    Release,
    anchored,
    follow_policies,
    judge_freshness,
    moment_text,
    succeed,
)

NEW_ROOT = {**ROLES, "root": {"principals": ["bob", "carol"], "threshold": 2}}


def code_of(act: Callable[[], object]) -> str:
    try:
        act()
    except SignatureError as error:
        assert "\n" not in error.message
        return error.code
    return "accepted"


def step(people: tuple[str, ...], signers: bytes | None = None, **changed: Any) -> str:
    """From version 1 to a version 2 with these changes."""
    own = signers or signers_file()
    raw = policy_bytes(own, **{"version": 2, "issued": moment_text(NOW - DAY), **changed})
    return code_of(lambda: succeed(policy(), raw, own, sign(raw, POLICY_NAMESPACE, people)))


@pytest.mark.parametrize(
    ("code", "people", "changed"),
    [
        ("accepted", ("alice", "bob"), {}),
        ("QUORUM", ("alice",), {}),
        ("QUORUM", ("alice", "alice-2"), {}),
        ("QUORUM", ("alice", "carol"), {}),
        ("QUORUM", ("alice", "bob"), {"roles": NEW_ROOT}),
        ("QUORUM", ("bob", "carol"), {"roles": NEW_ROOT}),
        ("accepted", ("alice", "bob", "carol"), {"roles": NEW_ROOT}),
        ("QUORUM", ("alice", "bob"), {"revoked": [KEYS["alice"].public.fingerprint]}),
        ("accepted", ("alice-2", "bob"), {"revoked": [KEYS["alice"].public.fingerprint]}),
        ("POLICY_VERSION", ("alice", "bob"), {"version": 3}),
        ("POLICY_VERSION", ("alice", "bob"), {"version": 1}),
        ("REPO_ID", ("alice", "bob"), {"repository": "00000000-0000-0000-0000-000000000000"}),
        ("BACKDATED", ("alice", "bob"), {"issued": moment_text(NOW - 31 * DAY)}),
    ],
)
def test_a_new_version_needs_quorums_of_both(code: str, people: tuple[str, ...], changed: dict[str, Any]) -> None:
    assert step(people, **changed) == code


def test_a_new_person_comes_in_by_the_old_quorum_and_signs_for_the_new_one() -> None:
    own = signers_file(("alice", "bob", "carol", "site", "ci", "mallory"))
    roles = {**ROLES, "root": {"principals": ["alice", "bob", "mallory"], "threshold": 3}}
    assert step(("alice", "bob"), own, roles=roles) == "QUORUM"
    assert step(("alice", "bob", "mallory"), own, roles=roles) == "accepted"


def chain(length: int) -> Fleet:
    fleet = Fleet()
    for version in range(1, length + 1):
        raw = policy_bytes(version=version, issued=moment_text(NOW - 30 * DAY + version * DAY / 24))
        fleet.policy(raw, signers_file(), ("alice", "bob"))
    return fleet


def walk(fleet: Fleet, start: Policy) -> tuple[int, list[int], str]:
    kept: list[int] = []
    newest, refusal, pending = follow_policies(fleet.branch, start, lambda one, _: kept.append(one.version))
    return newest.version, kept, refusal.code if refusal else "pending" if pending else ""


def test_a_device_that_slept_goes_from_version_to_version_and_keeps_each() -> None:
    fleet = chain(6)
    start, _ = anchored(fleet.branch, policy_of(fleet, 2).sha256)
    assert walk(fleet, start) == (6, [3, 4, 5, 6], "")


def policy_of(fleet: Fleet, version: int) -> Policy:
    files = fleet.branch.policy(version)
    assert files is not None
    return Policy.parse(files.raw, files.signers)


def test_more_versions_than_one_pass_goes_are_gone_in_the_next() -> None:
    fleet = chain(70)
    assert walk(fleet, policy_of(fleet, 1))[0] == 65
    assert walk(fleet, policy_of(fleet, 65))[0] == 70


def test_a_version_that_is_not_good_ends_the_way_and_one_that_waits_is_told() -> None:
    fleet = chain(3)
    fleet.policy(policy_bytes(version=4, issued=moment_text(NOW)), signers_file(), ("mallory",))
    assert walk(fleet, policy_of(fleet, 1)) == (3, [2, 3], "QUORUM")
    fleet.policy(policy_bytes(version=4, issued=moment_text(NOW)), signers_file(), ("alice",))
    assert walk(fleet, policy_of(fleet, 1)) == (3, [2, 3], "pending")
    fleet.paths["policies/4/policy.json"] = b"{}"
    assert walk(fleet, policy_of(fleet, 1)) == (3, [2, 3], "DOC_FIELD")


def test_an_anchor_that_is_not_on_the_branch_begins_nothing_and_junk_hides_no_anchor() -> None:
    fleet = chain(2)
    assert code_of(lambda: anchored(fleet.branch, "0" * 64)) == "POLICY_ANCHOR"
    own = policy_of(fleet, 2).sha256
    fleet.paths["policies/1/policy.json"] = b"junk"
    assert anchored(fleet.branch, own)[0].version == 2


# What a policy is

ODD: dict[str, tuple[str, dict[str, Any]]] = {
    "no root": ("POLICY_ROLE", {"roles": {"release": ROLES["release"], "site-a": ROLES["site-a"]}}),
    "no role for freshness": ("POLICY_ROLE", {"roles": {k: v for k, v in ROLES.items() if k != "freshness"}}),
    "a role that is not there": ("POLICY_ROLE", {"paths": [{"match": "**", "roles": ["nobody"]}]}),
    "a rule for nobody": ("POLICY_ROLE", {"paths": [{"match": "**", "roles": []}]}),
    "a person without a key": ("POLICY_ROLE", {"roles": {**ROLES, "site-a": {"principals": ["x"], "threshold": 1}}}),
    "out of reach": ("POLICY_ROLE", {"roles": {**ROLES, "site-a": {"principals": ["site"], "threshold": 2}}}),
    "nobody needed": ("DOC_FIELD", {"roles": {**ROLES, "site-a": {"principals": ["site"], "threshold": 0}}}),
    "a person twice": ("DOC_FIELD", {"roles": {**ROLES, "site-a": {"principals": ["site"] * 2, "threshold": 2}}}),
    "over before it began": ("POLICY_EXPIRED", {"expires": moment_text(NOW - 40 * DAY)}),
    "other keys": ("POLICY_SIGNERS", {"signers_sha256": "0" * 64}),
    "unknown field": ("DOC_FIELD", {"threshold": 1}),
    "unknown field inside": ("DOC_FIELD", {"paths": [{"match": "**", "roles": ["release"], "unless": "x"}]}),
    "a truth for a number": ("DOC_FIELD", {"version": True}),
    "a text for a number": ("DOC_FIELD", {"version": "1"}),
    "version nought": ("DOC_FIELD", {"version": 0}),
    "no such day": ("DOC_FIELD", {"issued": "2026-02-30T00:00:00Z"}),
    "a zone": ("DOC_FIELD", {"issued": "2026-02-28T00:00:00+00:00"}),
    "a fingerprint of another kind": ("DOC_FIELD", {"revoked": ["MD5:00"]}),
    "no paths": ("DOC_FIELD", {"paths": None}),
    "a name that is a path": ("DOC_FIELD", {"roles": {**ROLES, "../x": ROLES["site-a"]}}),
    "a repository without a form": ("DOC_FIELD", {"repository": "acme"}),
}


@pytest.mark.parametrize("name", ODD)
def test_a_policy_that_nobody_could_obey_is_refused(name: str) -> None:
    code, changed = ODD[name]
    assert code_of(lambda: policy(**changed)) == code


GOOD = policy_bytes().decode()
BYTES: dict[str, tuple[str, bytes]] = {
    "a key twice": ("DOC_DUPLICATE", GOOD.replace('"version": 1', '"version": 1, "version": 2').encode()),
    "a fraction": ("DOC_NUMBER", GOOD.replace('"version": 1', '"version": 1.0').encode()),
    "an exponent": ("DOC_NUMBER", GOOD.replace('"version": 1', '"version": 1e0').encode()),
    "not a number": ("DOC_NUMBER", GOOD.replace('"version": 1', '"version": NaN').encode()),
    "without an end": ("DOC_NUMBER", GOOD.replace('"version": 1', '"version": Infinity').encode()),
    "a million digits": ("DOC_NUMBER", GOOD.replace('"version": 1', '"version": ' + "1" * 900_000).encode()),
    "a byte order mark": ("DOC_ENCODING", b"\xef\xbb\xbf" + GOOD.encode()),
    "UTF-16": ("DOC_ENCODING", GOOD.encode("utf-16")),
    "latin-1": ("DOC_ENCODING", GOOD.replace("alice", "\xe4lice").encode("latin-1")),
    "deep": ("DOC_JSON", b"[" * 100_000),
    "deep inside": ("DOC_JSON", b'{"type":' * 100_000),
    "a list": ("DOC_JSON", b"[]"),
    "nothing": ("DOC_JSON", b""),
    "something behind": ("DOC_JSON", GOOD.encode() + b"{}"),
    "a comment": ("DOC_JSON", b"// x\n" + GOOD.encode()),
    "NUL": ("DOC_JSON", GOOD.encode() + b"\0"),
    "huge": ("DOC_TOO_BIG", b" " * (1024 * 1024 + 1)),
    "another document": ("DOC_TYPE", GOOD.replace("fleet-policy", "fleet-release").encode()),
    "of the future": ("DOC_SPEC", GOOD.replace('"spec": 1', '"spec": 2').encode()),
    "without a type": ("DOC_FIELD", b'{"spec": 1}'),
}


@pytest.mark.parametrize("name", BYTES)
def test_bytes_that_two_programs_could_read_differently_are_refused(name: str) -> None:
    code, raw = BYTES[name]
    assert code_of(lambda: Policy.parse(raw, signers_file())) == code


@given(st.data())
def test_no_byte_of_a_document_can_be_changed_without_a_refusal_or_another_digest(data: st.DataObject) -> None:
    raw = Fleet().release()
    at = data.draw(st.integers(0, len(raw) - 1))
    changed = raw[:at] + bytes([data.draw(st.integers(0, 255))]) + raw[at + 1 :]
    try:
        read = Release.parse(changed)
    except SignatureError as error:
        assert error.code.startswith("DOC_")
    else:
        assert changed == raw or read.sha256 != Release.parse(raw).sha256


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_bytes_come_they_are_refused_with_a_code(raw: bytes) -> None:
    assert code_of(lambda: Release.parse(raw)).startswith("DOC_")


def test_half_a_list_of_keys_is_no_list() -> None:
    own = signers_file() + b"erin cert-authority ssh-ed25519 AAAA\n"
    assert code_of(lambda: policy(own)).startswith("SIGNERS")
    assert code_of(lambda: policy(signers_file(("alice", "alice-2", "alice")))) == "SIGNERS"


# Freshness


@pytest.mark.parametrize(
    ("code", "people", "changed"),
    [
        ("accepted", ("ci",), {}),
        ("QUORUM", (), {}),
        ("QUORUM", ("alice", "bob"), {}),
        ("FRESHNESS_WINDOW", ("ci",), {"expires": moment_text(NOW + 365 * DAY)}),
        ("FRESHNESS_WINDOW", ("ci",), {"expires": moment_text(NOW)}),
        ("FRESHNESS_WINDOW", ("ci",), {"issued": "9999-12-31T23:59:58Z", "expires": "9999-12-31T23:59:59Z"}),
        ("CHANNEL", ("ci",), {"channel": "canary"}),
        ("REPO_ID", ("ci",), {"repository": "00000000-0000-0000-0000-000000000000"}),
        ("DOC_FIELD", ("ci",), {"seq": 0}),
        ("DOC_FIELD", ("ci",), {"more": 1}),
    ],
)
def test_a_note_says_for_how_long_a_release_is_the_newest(
    code: str, people: tuple[str, ...], changed: dict[str, Any]
) -> None:
    fleet = Fleet()
    fleet.note(people, **changed)
    found = fleet.branch.freshness("main")
    assert found is not None
    assert code_of(lambda: judge_freshness(*found, policy(), "main")) == code


def test_without_freshness_in_the_policy_nobody_may_speak_of_it() -> None:
    fleet = Fleet()
    fleet.note()
    found = fleet.branch.freshness("main")
    assert found is not None
    assert code_of(lambda: judge_freshness(*found, policy(freshness=None), "main")) == "FRESHNESS_WINDOW"
