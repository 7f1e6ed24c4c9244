"""Detached signatures: ours for ssh-keygen, its for us, and every refusal with its code."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from signing_workbench import KeyPair, armored, code_of, envelope, field, run, unarmored

from signing import PublicKey, SignatureError, Signer, verify_signature

MESSAGE = b"ports: 8080\r\n\x00\xff"
PRIVATE = Ed25519PrivateKey.generate()
ALICE = Signer(PRIVATE)
GOOD = ALICE.sign(MESSAGE, "file")
KEY = ALICE.public.blob


def to_sign(message: bytes = MESSAGE, hash_name: str = "sha512", namespace: str = "file") -> bytes:
    digest = hashlib.new(hash_name, message).digest()
    return b"SSHSIG" + field(namespace) + field("") + field(hash_name) + field(digest)


def number(value: int) -> bytes:
    return field(value.to_bytes(value.bit_length() // 8 + 1, "big"))


def ed25519_by_hand(algorithm: str = "ssh-ed25519", hash_name: str = "sha512", **changed: bytes) -> bytes:
    """Alice's signature, honestly made, in an envelope with something changed."""
    value = PRIVATE.sign(to_sign(hash_name=hash_name))
    tail = changed.pop("behind_value", b"")
    return envelope(KEY, field(algorithm) + field(value) + tail, **{"hash": hash_name.encode(), **changed})


def cut(count: int) -> bytes:
    return armored(unarmored(GOOD)[:-count])


BY_HAND: dict[str, tuple[bytes, str]] = {
    "good": (GOOD, "accepted"),
    "good, built by hand": (ed25519_by_hand(), "accepted"),
    "good, sha256": (ed25519_by_hand(hash_name="sha256"), "accepted"),
    "good, wide lines": (armored(unarmored(GOOD), 200), "accepted"),
    "good, an empty line behind": (GOOD + b"\n", "accepted"),
    "hash sha1": (ed25519_by_hand(hash_name="sha1"), "SIG_HASHALG"),
    "hash md5": (ed25519_by_hand(hash_name="md5"), "SIG_HASHALG"),
    "hash renamed": (ed25519_by_hand(hash=b"sha256"), "SIG_INVALID"),
    "version 2": (ed25519_by_hand(version=b"\0\0\0\2"), "SIG_VERSION"),
    "version 0": (ed25519_by_hand(version=b"\0\0\0\0"), "SIG_VERSION"),
    "reserved field used": (ed25519_by_hand(reserved=b"x"), "SIG_RESERVED"),
    "namespace of another use": (ALICE.sign(MESSAGE, "git"), "SIG_NAMESPACE"),
    "namespace renamed": (ed25519_by_hand(namespace=b"git"), "SIG_NAMESPACE"),
    "namespace empty": (ed25519_by_hand(namespace=b""), "SIG_NAMESPACE"),
    "namespace with a NUL": (ed25519_by_hand(namespace=b"file\0"), "SIG_NAMESPACE"),
    "magic word missing": (ed25519_by_hand(magic=b"SSHXYZ"), "SIG_FORMAT"),
    "bytes behind the envelope": (ed25519_by_hand(tail=b"x"), "SIG_FORMAT"),
    "bytes behind the signature": (ed25519_by_hand(behind_value=b"x"), "SIG_FORMAT"),
    "webauthn": (ed25519_by_hand("webauthn-sk-ecdsa-sha2-nistp256@openssh.com"), "SIG_ALG"),
    "algorithm of another key": (ed25519_by_hand("rsa-sha2-512"), "SIG_ALG"),
    "signature too short": (envelope(KEY, field("ssh-ed25519") + field(b"x" * 63)), "SIG_INVALID"),
    "signature empty": (envelope(KEY, field("ssh-ed25519") + field(b"")), "SIG_INVALID"),
    "cut by one byte": (cut(1), "SSH_TRUNCATED"),
    "cut by half": (cut(90), "SSH_TRUNCATED"),
    "cut in the magic word": (armored(b"SSH"), "SSH_TRUNCATED"),
    "another message": (ALICE.sign(b"ports: 80\n", "file"), "SIG_INVALID"),
    "another key's signature": (
        envelope(Signer.generate().public.blob, field("ssh-ed25519") + field(b"x" * 64)),
        "SIG_INVALID",
    ),
    "CRLF": (GOOD.replace(b"\n", b"\r\n"), "SIG_ARMOR"),
    "two armors": (GOOD + GOOD, "SIG_ARMOR"),
    "text behind": (GOOD + b"see above\n", "SIG_ARMOR"),
    "text in front": (b"see below\n" + GOOD, "SIG_ARMOR"),
    "no end": (GOOD[:-10], "SIG_ARMOR"),
    "no last line feed": (GOOD[:-1], "accepted"),
    "blank line inside": (GOOD.replace(b"\n", b"\n\n", 1), "SIG_ARMOR"),
    "space inside": (GOOD.replace(b"\n", b"\n ", 1), "SIG_ARMOR"),
    "padding inside": (GOOD.replace(b"U1NIU0lH", b"U1NI===="), "SIG_ARMOR"),
    "empty": (b"", "SIG_ARMOR"),
    "not text": (b"\xff\x00", "SIG_ARMOR"),
    "larger than any signature": (armored(unarmored(GOOD) + b"\0" * 70_000), "SIG_ARMOR"),
    "OpenPGP": (b"-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n", "SIG_FORMAT"),
    "X.509": (b"-----BEGIN SIGNED MESSAGE-----\nMII=\n-----END SIGNED MESSAGE-----\n", "SIG_FORMAT"),
    "key of an unknown type": (envelope(field("ssh-mldsa44") + field(b"x"), b""), "KEY_TYPE"),
    "certificate": (envelope(field("ssh-ed25519-cert-v01@openssh.com"), b""), "CERT_UNSUPPORTED"),
    "key damaged": (envelope(field("ssh-ed25519") + field(b"x"), b""), "KEY_PARSE"),
}


@pytest.mark.parametrize(("signature", "expected"), BY_HAND.values(), ids=BY_HAND)
def test_a_signature_is_judged(signature: bytes, expected: str) -> None:
    assert code_of(lambda: verify_signature(signature, MESSAGE, "file")) == expected


def test_theirs_verifies_here(pair: KeyPair) -> None:
    for hash_name in ("sha256", "sha512"):
        made = run(
            "ssh-keygen", "-Y", "sign", "-q", "-n", "file", "-O", f"hashalg={hash_name}", "-f", pair.path, stdin=MESSAGE
        )
        assert verify_signature(made.stdout, MESSAGE, "file") == pair.signer.public
        assert code_of(lambda text=made.stdout: verify_signature(text, MESSAGE + b"x", "file")) == "SIG_INVALID"


def test_ours_verifies_there(pair: KeyPair, tmp_path: Path) -> None:
    signers, signature = tmp_path / "allowed_signers", tmp_path / "message.sig"
    signers.write_text(f"alice {pair.signer.public.line}\n")
    signature.write_bytes(pair.signer.sign(MESSAGE, "release.v1@fleet"))
    run(
        *("ssh-keygen", "-Y", "verify", "-f", signers, "-I", "alice", "-n", "release.v1@fleet", "-s", signature),
        stdin=MESSAGE,
    )


def test_ours_verifies_here(pair: KeyPair) -> None:
    loaded = Signer.load(pair.signer.private_bytes())
    assert verify_signature(loaded.sign(MESSAGE, "file"), MESSAGE, "file") == pair.signer.public


def test_ed25519_armor_is_byte_for_byte_that_of_ssh_keygen(alice: KeyPair) -> None:
    made = run("ssh-keygen", "-Y", "sign", "-q", "-n", "file", "-f", alice.path, stdin=MESSAGE).stdout
    assert alice.signer.sign(MESSAGE, "file") == made


def test_a_signature_needs_a_namespace() -> None:
    assert code_of(lambda: ALICE.sign(MESSAGE, "")) == "SIG_NAMESPACE"


@pytest.mark.parametrize(
    ("algorithm", "expected"), [("rsa-sha2-256", "accepted"), ("ssh-rsa", "SIG_ALG"), ("rsa-sha2-512", "SIG_INVALID")]
)
def test_rsa_never_with_sha1(algorithm: str, expected: str) -> None:
    private = generate_rsa(65537, 2048)
    numbers = private.public_key().public_numbers()
    key = field("ssh-rsa") + number(numbers.e) + number(numbers.n)
    hash_used = SHA1() if algorithm == "ssh-rsa" else SHA256()  # noqa: S303 - the weak one is what we refuse
    value = private.sign(to_sign(), PKCS1v15(), hash_used)
    signature = envelope(key, field(algorithm) + field(value))
    assert code_of(lambda: verify_signature(signature, MESSAGE, "file")) == expected


def test_rsa_1024_of_ssh_keygen_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "small"
    run("ssh-keygen", "-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", key)
    made = run("ssh-keygen", "-Y", "sign", "-q", "-n", "file", "-f", key, stdin=MESSAGE)
    assert code_of(lambda: verify_signature(made.stdout, MESSAGE, "file")) == "KEY_RSA_SMALL"
    assert code_of(lambda: Signer.load(key.read_bytes())) == "KEY_RSA_SMALL"


def test_a_certificate_of_ssh_keygen_is_refused(tmp_path: Path, alice: KeyPair) -> None:
    key = tmp_path / "key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    run("ssh-keygen", "-q", "-s", alice.path, "-I", "bob", "-n", "bob", f"{key}.pub")
    # ssh-keygen signs with a certificate when the certificate's file is named as the key.
    (tmp_path / "key.pub").write_bytes((tmp_path / "key-cert.pub").read_bytes())
    made = run(
        "ssh-keygen", "-Y", "sign", "-q", "-n", "file", "-f", tmp_path / "key-cert.pub", stdin=MESSAGE, check=False
    )
    if made.returncode:
        pytest.skip(f"this ssh-keygen does not sign with certificates: {made.stderr.decode()}")
    assert code_of(lambda: verify_signature(made.stdout, MESSAGE, "file")) == "CERT_UNSUPPORTED"


ECDSA_KEY = generate_private_key(SECP256R1())
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ECDSA_CASES: dict[str, tuple[Callable[[int, int], bytes], str]] = {
    "as signed": (lambda r, s: number(r) + number(s), "accepted"),
    "its twin": (lambda r, s: number(r) + number(ORDER - s), "accepted"),
    "s + order": (lambda r, s: number(r) + number(ORDER + s), "SIG_INVALID"),
    "r is zero": (lambda r, s: field(b"") + number(s), "SIG_FORMAT"),
    "r is negative": (lambda r, s: field(b"\x80") + number(s), "SIG_FORMAT"),
    "r is padded": (lambda r, s: field(b"\0\0" + r.to_bytes(32, "big")) + number(s), "SIG_FORMAT"),
    "a third number": (lambda r, s: number(r) + number(s) + number(1), "SIG_FORMAT"),
    "s missing": (lambda r, s: number(r), "SSH_TRUNCATED"),
}


@pytest.mark.parametrize(("spell", "expected"), ECDSA_CASES.values(), ids=ECDSA_CASES)
def test_ecdsa_numbers_have_one_spelling(spell: Callable[[int, int], bytes], expected: str) -> None:
    point = ECDSA_KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    key = field("ecdsa-sha2-nistp256") + field("nistp256") + field(point)
    r, s = decode_dss_signature(ECDSA_KEY.sign(to_sign(), ECDSA(SHA256())))
    signature = envelope(key, field("ecdsa-sha2-nistp256") + field(spell(r, s)))
    assert code_of(lambda: verify_signature(signature, MESSAGE, "file")) == expected


def fido(kind: str, flags: int, application: str = "ssh:", claimed: str = "ssh:") -> bytes:
    """What a security key answers, made by a key in software: the format is the real one."""
    inner = hashlib.sha256(application.encode()).digest() + bytes([flags]) + b"\0\0\0\x07"
    inner += hashlib.sha256(to_sign()).digest()
    presence = bytes([flags]) + b"\0\0\0\x07"
    if kind == "sk-ssh-ed25519@openssh.com":
        private = Ed25519PrivateKey.generate()
        key = field(kind) + field(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)) + field(claimed)
        return envelope(key, field(kind) + field(private.sign(inner)) + presence)
    point = ECDSA_KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    r, s = decode_dss_signature(ECDSA_KEY.sign(inner, ECDSA(SHA256())))
    key = field(kind) + field("nistp256") + field(point) + field(claimed)
    return envelope(key, field(kind) + field(number(r) + number(s)) + presence)


@pytest.mark.parametrize("kind", ["sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"])
@pytest.mark.parametrize(
    ("flags", "claimed", "expected"),
    [(1, "ssh:", "accepted"), (5, "ssh:", "accepted"), (0, "ssh:", "SIG_NO_TOUCH"), (4, "ssh:", "SIG_NO_TOUCH"),
     (1, "ssh:other", "SIG_INVALID")],
)  # fmt: skip
def test_a_security_key_must_have_been_touched(
    kind: str, flags: int, claimed: str, expected: str, tmp_path: Path
) -> None:
    signature = fido(kind, flags, claimed=claimed)
    assert code_of(lambda: verify_signature(signature, MESSAGE, "file")) == expected
    if expected == "accepted":
        path = tmp_path / "sig"
        path.write_bytes(signature)
        run("ssh-keygen", "-Y", "check-novalidate", "-n", "file", "-s", path, stdin=MESSAGE)


def test_the_touch_cannot_be_added_afterwards() -> None:
    blob = unarmored(fido("sk-ssh-ed25519@openssh.com", 0))
    touched = armored(blob[:-5] + b"\1" + blob[-4:])
    assert code_of(lambda: verify_signature(touched, MESSAGE, "file")) == "SIG_INVALID"


def test_every_single_bit_counts() -> None:
    blob = unarmored(GOOD)
    for position in range(len(blob)):
        changed = blob[:position] + bytes([blob[position] ^ 1]) + blob[position + 1 :]
        with pytest.raises(SignatureError):
            verify_signature(armored(changed), MESSAGE, "file")


def test_the_key_that_signed_is_returned() -> None:
    assert verify_signature(GOOD, MESSAGE, "file") == PublicKey.parse(ALICE.public.line)
