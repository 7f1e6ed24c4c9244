"""Signed tags: what `git tag -s` makes is good here; and what hides in a tag is not, also where git takes it."""

import hashlib
import random
from datetime import timedelta
from pathlib import Path

import pytest
from signing_workbench import NOW, SECONDS, KeyPair, allow, code_of, make_repository

from signing import AllowedSigners, Signer, verify_tag

ALICE, MALLORY = Signer.generate(), Signer.generate()
SIGNERS = allow(ALICE)
COMMIT = "1" * 40
HEAD = f"object {COMMIT}\ntype commit\ntag v1.2.0\ntagger Alice <alice@example.com> {SECONDS} +0200\n\n".encode()
PAYLOAD = HEAD + b"Version 1.2.0\n"
PGP = b"-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n"


def by(signer: Signer, payload: bytes = PAYLOAD, namespace: str = "git") -> bytes:
    return payload + signer.sign(payload, namespace)


def named(raw: bytes) -> str:
    return hashlib.sha1(b"tag %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()


def changed(old: bytes, new: bytes) -> bytes:
    """A tag with this changed before it was signed."""
    assert old in PAYLOAD
    return by(ALICE, PAYLOAD.replace(old, new))


GOOD = by(ALICE)
TAGS: dict[str, tuple[bytes, str]] = {
    "good": (GOOD, "accepted"),
    "with an empty message": (by(ALICE, HEAD), "accepted"),
    "with a blank line at the end": (by(ALICE, PAYLOAD + b"\n"), "accepted"),
    "with a latin-1 message": (by(ALICE, HEAD + "Grüße\n".encode("latin-1")), "accepted"),
    "unsigned": (PAYLOAD, "UNSIGNED"),
    "by a stranger": (by(MALLORY), "SIGNER_UNKNOWN"),
    "one byte changed after it was signed": (GOOD.replace(b"Version", b"version"), "SIG_INVALID"),
    "another commit after it was signed": (GOOD.replace(b"1" * 40, b"2" * 40), "SIG_INVALID"),
    "another name": (changed(b"tag v1.2.0", b"tag v1.1.0"), "TAG_NAME"),
    "a name with a newer version in it": (changed(b"tag v1.2.0", b"tag v1.2.0-rc1"), "TAG_NAME"),
    "of a tree": (changed(b"type commit", b"type tree"), "TAG_TYPE"),
    "of a tag": (changed(b"type commit", b"type tag"), "TAG_TYPE"),
    "without a tagger": (by(ALICE, PAYLOAD.replace(HEAD.split(b"\n")[3] + b"\n", b"")), "OBJ_IDENT"),
    "two objects": (changed(b"type commit", b"object " + b"2" * 40 + b"\ntype commit"), "OBJ_FORMAT"),
    "two names": (changed(b"tagger", b"tag v9\ntagger"), "OBJ_FORMAT"),
    "a header that nobody knows": (changed(b"\n\n", b"\ngpgsig x\n\n"), "OBJ_FORMAT"),
    "an id of another hash": (changed(b"1" * 40, b"1" * 64), "OBJ_FORMAT"),
    "a time too late": (changed(str(SECONDS).encode(), b"999999999999"), "OBJ_IDENT"),
    "text behind the signature": (GOOD + b"more\n", "SIG_ARMOR"),
    "a second signature behind": (GOOD + MALLORY.sign(PAYLOAD, "git"), "SIG_MULTIPLE"),
    "a stranger's signature in front": (by(ALICE, by(MALLORY)), "SIG_MULTIPLE"),
    "OpenPGP": (PAYLOAD + PGP, "SIG_FORMAT"),
    "OpenPGP in front": (by(ALICE, PAYLOAD + PGP), "SIG_MULTIPLE"),
    "namespace file": (by(ALICE, namespace="file"), "SIG_NAMESPACE"),
    "CRLF in the armor": (PAYLOAD + ALICE.sign(PAYLOAD, "git").replace(b"\n", b"\r\n"), "SIG_ARMOR"),
    "a NUL": (changed(b"Version", b"Ver\0ion"), "OBJ_NUL"),
    "huge": (by(ALICE, PAYLOAD + b"x" * 1_050_000), "OBJ_TOO_BIG"),
    "from the future": (changed(str(SECONDS).encode(), str(SECONDS + 3601).encode()), "FUTURE"),
}


@pytest.mark.parametrize("name", TAGS)
def test_a_tag_is_accepted_or_refused(name: str) -> None:
    raw, outcome = TAGS[name]
    assert code_of(lambda: verify_tag(named(raw), raw, "v1.2.0", SIGNERS, NOW)) == outcome


def test_a_good_tag_says_whose_and_of_what() -> None:
    tag = verify_tag(named(GOOD), GOOD, "v1.2.0", SIGNERS, NOW)
    assert (tag.commit, tag.principal, tag.key.fingerprint) == (COMMIT, "alice", ALICE.public.fingerprint)
    assert tag.tagged_at == NOW


def test_bytes_under_another_id_are_not_looked_at() -> None:
    assert code_of(lambda: verify_tag("1" * 40, GOOD, "v1.2.0", SIGNERS, NOW)) == "OBJ_ID"


def test_a_key_that_expired_does_not_sign_into_its_past() -> None:
    expired = allow(ALICE, options='valid-before="20260601130000Z"')
    assert code_of(lambda: verify_tag(named(GOOD), GOOD, "v1.2.0", expired, NOW)) == "accepted"
    later = NOW + timedelta(hours=2)
    assert code_of(lambda: verify_tag(named(GOOD), GOOD, "v1.2.0", expired, later)) == "KEY_EXPIRED"


def test_what_git_signs_is_good_here_and_what_git_refuses_is_not(tmp_path: Path) -> None:
    key = KeyPair.make(tmp_path / "key", "-t", "ed25519")
    repository = make_repository(tmp_path / "fleet", key.path)
    signers = repository.allow(f'alice namespaces="git" {key.signer.public.line}')
    repository.commit(b"One\n")
    repository.git("tag", "-s", "-F", "-", "v1.0.0", stdin=b"Version 1\n\nWith a body.\n")
    raw = repository.git("cat-file", "tag", "v1.0.0").stdout
    tag_id = repository.git("rev-parse", "refs/tags/v1.0.0").stdout.decode().strip()
    commit, _ = repository.head()
    assert verify_tag(tag_id, raw, "v1.0.0", signers, NOW).commit == commit

    chance = random.Random(7)  # noqa: S311  # the same mutations each time
    for _ in range(300):
        position = chance.randrange(len(raw))
        mutated = raw[:position] + bytes([chance.randrange(256)]) + raw[position + chance.randrange(3) :]
        ours = code_of(lambda mutated=mutated: verify_tag(named(mutated), mutated, "v1.0.0", signers, NOW))
        if ours == "accepted":
            written = repository.git("hash-object", "-t", "tag", "-w", "--stdin", "--literally", stdin=mutated)
            made = written.stdout.decode().strip()
            assert repository.git("verify-tag", made, check=False).returncode == 0, mutated


def test_no_signers_accept_nothing() -> None:
    nobody = AllowedSigners.parse(f"mallory {MALLORY.public.line}\n".encode(), "allowed_signers")
    assert code_of(lambda: verify_tag(named(GOOD), GOOD, "v1.2.0", nobody, NOW)) == "SIGNER_UNKNOWN"
