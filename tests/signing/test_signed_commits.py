"""Signed commits: what Git signs verifies here, what we sign verifies there, and nothing hides in between."""

import re
from pathlib import Path

import pytest
from signing_workbench import (
    NOW,
    SECONDS,
    TREE,
    KeyPair,
    Repository,
    allow,
    code_of,
    commit_payload,
    make_repository,
)

from signing import AllowedSigners, Signer, sign_commit, split_commit, verify_commit

ALICE, MALLORY = Signer.generate(), Signer.generate()
SIGNERS = allow(ALICE)
PAYLOAD = commit_payload()
GOOD = sign_commit(PAYLOAD, ALICE)
MESSAGES = {
    "one line": b"Raise the port\n",
    "empty": b"",
    "latin-1": "Grüße an die Flotte\n".encode("latin-1"),
    "utf-8, CRLF inside": "Grüße\r\n\r\nan die Flotte\r\n".encode(),
    "looks like a signature": b"Subject\n\ngpgsig -----BEGIN SSH SIGNATURE-----\n AAAA\n",
    "starts with a space": b"Subject\n\n indented\n\n\n more\n",
}


def header(signature: bytes, name: bytes = b"gpgsig") -> bytes:
    return name + b" " + signature.rstrip(b"\n").replace(b"\n", b"\n ") + b"\n"


def with_headers(*headers: bytes, payload: bytes = PAYLOAD) -> bytes:
    head, _, message = payload.partition(b"\n\n")
    return head + b"\n" + b"".join(headers) + b"\n" + message


def by(signer: Signer, namespace: str = "git", payload: bytes = PAYLOAD) -> bytes:
    return signer.sign(payload, namespace)


def ident(line: bytes) -> bytes:
    """A well signed commit whose committer line is `line`."""
    payload = re.sub(rb"committer .*", lambda _: b"committer " + line, PAYLOAD)
    return with_headers(header(by(ALICE, payload=payload)), payload=payload)


PGP = b"-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n\n"
MERGETAG = b"mergetag object " + b"1" * 40 + b"\n type commit\n tag v1\n \n A tag\n " + header(by(MALLORY))[7:]
LONG = b"x" * 1_050_000
RAW: dict[str, tuple[bytes, str]] = {
    "good": (GOOD, "accepted"),
    "unsigned": (PAYLOAD, "UNSIGNED"),
    "signed by a stranger": (sign_commit(PAYLOAD, MALLORY), "SIGNER_UNKNOWN"),
    "one byte of the message changed": (GOOD.replace(b"Change", b"change"), "SIG_INVALID"),
    "one parent added": (GOOD.replace(b"\nauthor", b"\nparent " + b"1" * 40 + b"\nauthor"), "SIG_INVALID"),
    "a line added": (GOOD + b"\n", "SIG_INVALID"),
    "signature of another commit": (with_headers(header(by(ALICE, payload=PAYLOAD + b"x"))), "SIG_INVALID"),
    "namespace file": (with_headers(header(by(ALICE, "file"))), "SIG_NAMESPACE"),
    "two headers, good and good": (with_headers(header(by(ALICE)), header(by(ALICE))), "SIG_MULTIPLE"),
    "two headers, good and a stranger's": (with_headers(header(by(ALICE)), header(by(MALLORY))), "SIG_MULTIPLE"),
    "two headers, a stranger's and good": (with_headers(header(by(MALLORY)), header(by(ALICE))), "SIG_MULTIPLE"),
    "also a header for the other hash": (with_headers(header(by(ALICE)), b"gpgsig-sha256 junk\n"), "SIG_MULTIPLE"),
    "also a header that Git skips": (with_headers(header(by(ALICE)), b"gpgsigned-off yes\n"), "SIG_MULTIPLE"),
    "header of the other hash only": (with_headers(header(by(ALICE), b"gpgsig-sha256")), "SIG_FORMAT"),
    "header without a value": (with_headers(b"gpgsig\n"), "SIG_FORMAT"),
    "header with an empty value": (with_headers(b"gpgsig \n"), "SIG_ARMOR"),
    "two armors in one header": (with_headers(header(by(ALICE) + by(ALICE))), "SIG_ARMOR"),
    "two armors, a stranger's behind": (with_headers(header(by(ALICE) + by(MALLORY))), "SIG_ARMOR"),
    "text behind the armor": (with_headers(header(by(ALICE) + b"and more")), "SIG_ARMOR"),
    "CRLF in the armor": (with_headers(header(by(ALICE).replace(b"\n", b"\r\n"))), "SIG_ARMOR"),
    "OpenPGP": (with_headers(header(PGP)), "SIG_FORMAT"),
    "NUL in the message": (sign_commit(PAYLOAD, ALICE) + b"\0hidden", "OBJ_NUL"),
    "NUL in an ident": (GOOD.replace(b"Bob", b"Bo\0b"), "OBJ_NUL"),
    "too big": (GOOD + LONG, "OBJ_TOO_BIG"),
    "empty": (b"", "OBJ_FORMAT"),
    "no blank line": (PAYLOAD.partition(b"\n\n")[0] + b"\n", "OBJ_FORMAT"),
    "begins with a space": (b" " + GOOD, "OBJ_FORMAT"),
    "two trees": (GOOD.replace(b"\n", b"\n" + GOOD[:46], 1), "OBJ_FORMAT"),
    "second tree behind": (with_headers(b"tree " + b"2" * 40 + b"\n", header(by(ALICE))), "OBJ_FORMAT"),
    "parent behind": (with_headers(b"parent " + b"2" * 40 + b"\n", header(by(ALICE))), "OBJ_FORMAT"),
    "second committer behind": (with_headers(b"committer M <m@m> 1 +0000\n", header(by(ALICE))), "OBJ_FORMAT"),
    "no tree": (GOOD.partition(b"\n")[2], "OBJ_FORMAT"),
    "no author": (re.sub(rb"author .*\n", b"", GOOD), "OBJ_FORMAT"),
    "signature before the author": (PAYLOAD.replace(b"author", header(by(ALICE)) + b"author", 1), "OBJ_FORMAT"),
    "tree id in capitals": (GOOD.replace(TREE.encode(), TREE.upper().encode()), "OBJ_FORMAT"),
    "tree id short": (GOOD.replace(TREE.encode(), TREE[:39].encode()), "OBJ_FORMAT"),
    "parent of the other hash": (GOOD.replace(b"\nauthor", b"\nparent " + b"1" * 64 + b"\nauthor"), "OBJ_FORMAT"),
    "tree with a second line": (GOOD.replace(b"\nauthor", b"\n x\nauthor"), "OBJ_FORMAT"),
    "committer with a second line": (GOOD.replace(b"\ngpgsig", b"\n x\ngpgsig"), "OBJ_IDENT"),
    "ident, latin-1": (ident("Jörg <j@example.com> 1780315200 +0000".encode("latin-1")), "accepted"),
    "ident, no name": (ident(b"<bob@example.com> 1780315200 +0000"), "accepted"),
    "ident, no mail": (ident(b"Bob 1780315200 +0000"), "OBJ_IDENT"),
    "ident, nested brackets": (ident(b"Bob <<bob@example.com>> 1780315200 +0000"), "OBJ_IDENT"),
    "ident, no time": (ident(b"Bob <bob@example.com>"), "OBJ_IDENT"),
    "ident, negative time": (ident(b"Bob <bob@example.com> -5 +0000"), "OBJ_IDENT"),
    "ident, zone missing": (ident(b"Bob <bob@example.com> 1780315200"), "OBJ_IDENT"),
    "ident, zone by name": (ident(b"Bob <bob@example.com> 1780315200 CEST"), "OBJ_IDENT"),
    "ident, leading zero": (ident(b"Bob <bob@example.com> 01780315200 +0000"), "OBJ_IDENT"),
    "ident, year 30000": (ident(b"Bob <bob@example.com> 884541340800 +0000"), "OBJ_IDENT"),
    "ident, two times": (ident(b"Bob <bob@example.com> 1780315200 +0000 1780315200 +0000"), "OBJ_IDENT"),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "expected"), RAW.values(), ids=RAW)
def test_a_commit_is_judged(raw: bytes, expected: str) -> None:
    assert code_of(lambda: verify_commit(raw, SIGNERS)) == expected


WINDOWS = {
    "open": ('valid-after="20260601Z",valid-before="20260602Z"', "accepted"),
    "key not yet valid": ('valid-after="20260602Z"', "KEY_NOT_YET_VALID"),
    "key expired": ('valid-before="20260601Z"', "KEY_EXPIRED"),
    "key of another use": ('namespaces="release.v1@fleet"', "SIG_NAMESPACE"),
}


@pytest.mark.parametrize(("options", "expected"), WINDOWS.values(), ids=WINDOWS)
def test_the_key_is_judged_at_the_committers_time(options: str, expected: str) -> None:
    assert code_of(lambda: verify_commit(GOOD, allow(ALICE, options=options))) == expected


def test_a_commit_is_taken_apart() -> None:
    parents = ("1" * 40, "2" * 40)
    payload = commit_payload(parents, message="Subject line\n\nBody").replace(b"Alice", "Älice".encode())
    commit = split_commit(sign_commit(payload.replace(b"Bob", "Bäb".encode("latin-1")), ALICE))
    assert commit.payload == payload.replace(b"Bob", "Bäb".encode("latin-1"))
    assert (commit.tree, commit.parents, commit.committed_at) == (TREE, parents, NOW)
    assert (commit.author, commit.committer) == ("Älice <alice@example.com>", "Bäb <bob@example.com>")
    assert commit.subject == "Subject line"
    assert commit.signature is not None
    assert commit.signature.endswith(b"-----END SSH SIGNATURE-----\n")
    assert split_commit(payload).signature is None


def test_a_good_commit_names_principal_and_key() -> None:
    good = verify_commit(GOOD, SIGNERS)
    assert (good.principal, good.key, good.commit.payload) == ("alice", ALICE.public, PAYLOAD)


def test_a_signed_commit_is_not_signed_again() -> None:
    assert code_of(lambda: sign_commit(GOOD, ALICE)) == "SIG_MULTIPLE"


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_what_git_signs_verifies_here(message: bytes, repository: Repository, alice: KeyPair) -> None:
    options = ("--allow-empty-message", "--cleanup=verbatim", "-S")
    _, raw = repository.commit(message, *options)
    assert verify_commit(raw, allow(alice.signer)).principal == "alice"
    assert repository.accepts(raw)
    assert repository.accepts(sign_commit(split_commit(raw).payload, alice.signer))


def test_every_kind_of_key_both_ways(pair: KeyPair, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository", pair.path)
    signers = repository.allow(f"alice {pair.signer.public.line}")
    _, raw = repository.commit(b"Theirs\n", "-S")
    assert verify_commit(raw, signers).principal == "alice"
    ours = sign_commit(commit_payload(message="Ours"), pair.signer)
    assert verify_commit(ours, signers).commit.committed_at == NOW
    assert repository.accepts(ours)
    assert not repository.accepts(ours + b"x")


def test_a_repository_with_sha256_ids(tmp_path: Path, alice: KeyPair) -> None:
    repository = make_repository(tmp_path / "repository", alice.path, "--object-format=sha256")
    signers = repository.allow(f"alice {alice.signer.public.line}")
    _, raw = repository.commit(b"Long ids\n", "-S")
    assert b"\ngpgsig-sha256 " in raw
    assert verify_commit(raw, signers).principal == "alice"
    assert repository.accepts(sign_commit(split_commit(raw).payload, alice.signer))
    swapped = raw.replace(b"gpgsig-sha256", b"gpgsig")
    assert code_of(lambda: verify_commit(swapped, signers)) == "SIG_FORMAT"
    assert not repository.accepts(swapped)


def test_encoding_header_and_latin1_message(repository: Repository, alice: KeyPair) -> None:
    repository.git("config", "i18n.commitEncoding", "ISO-8859-1")
    repository.git("config", "user.name", "J\xf6rg")
    _, raw = repository.commit("Grüße\n".encode("latin-1"), "-S")
    assert b"\nencoding ISO-8859-1\n" in raw
    assert verify_commit(raw, allow(alice.signer)).commit.subject == "Grüße"
    assert repository.accepts(sign_commit(split_commit(raw).payload, alice.signer))


def test_a_merged_tag_keeps_its_own_signature_in_the_payload(repository: Repository, alice: KeyPair) -> None:
    repository.commit(b"Base\n", "-S")
    repository.git("checkout", "-q", "-b", "side")
    repository.commit(b"Side\n", "-S")
    repository.git("tag", "-s", "-m", "A tag", "v1")
    repository.git("checkout", "-q", "main")
    repository.commit(b"Main\n", "-S")
    repository.git("merge", "-q", "--no-ff", "-S", "-m", "Merge tag", "v1")
    _, raw = repository.head()
    assert raw.count(b"-----BEGIN SSH SIGNATURE-----") == len(split_commit(raw).parents) == 2
    assert b"mergetag" in verify_commit(raw, allow(alice.signer)).commit.payload
    assert repository.accepts(raw)
    assert repository.accepts(sign_commit(split_commit(raw).payload, alice.signer))


def test_a_foreign_signature_inside_a_mergetag_is_payload() -> None:
    payload = with_headers(MERGETAG)
    assert verify_commit(sign_commit(payload, ALICE), SIGNERS).commit.payload == payload
    assert code_of(lambda: verify_commit(payload, SIGNERS)) == "UNSIGNED"


def test_our_commit_is_byte_for_byte_that_of_git(repository: Repository, alice: KeyPair) -> None:
    _, raw = repository.commit(b"Same bytes\n", "-S")
    assert sign_commit(split_commit(raw).payload, alice.signer) == raw


def test_a_commit_of_a_forge_is_refused() -> None:
    """A real forge's commit looks like this: armor with an empty line, and an empty line at its end."""
    assert code_of(lambda: verify_commit(with_headers(header(PGP) + b" \n"), SIGNERS)) == "SIG_FORMAT"


def test_seconds_are_those_of_the_committer_not_the_author() -> None:
    payload = re.sub(rb"(author .*) \d+ ", rb"\1 1 ", PAYLOAD)
    assert split_commit(payload).committed_at == NOW
    assert str(SECONDS).encode() in payload


def test_an_allowed_signers_file_of_nobody_accepts_nothing() -> None:
    assert code_of(lambda: AllowedSigners.parse(b"# nobody\n", "f")) == "SIGNERS"
    assert code_of(lambda: verify_commit(GOOD, AllowedSigners("f", {}))) == "SIGNER_UNKNOWN"
