"""Public keys: those of ssh-keygen are read as it reads them, odd ones are refused with their code."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from signing_workbench import KeyPair, code_of, field, run

from signing import PublicKey, SignatureError

ED25519 = field("ssh-ed25519") + field(b"\x07" * 32)
_POINTS = generate_private_key(SECP256R1()).public_key()
POINT = _POINTS.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
COMPRESSED = _POINTS.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
MODULUS = (1 << 2047) + 1


def mpint(number: int, padding: bytes = b"") -> bytes:
    return field(padding + number.to_bytes(number.bit_length() // 8 + 1, "big"))


def ecdsa(curve: str, point: bytes, key_type: str = "ecdsa-sha2-nistp256") -> bytes:
    return field(key_type) + field(curve) + field(point)


def rsa(exponent: bytes, modulus: bytes) -> bytes:
    return field("ssh-rsa") + exponent + modulus


BLOBS = {
    "ed25519": (ED25519, "accepted"),
    "ed25519 of 31 bytes": (field("ssh-ed25519") + field(b"\x07" * 31), "KEY_PARSE"),
    "something behind the key": (ED25519 + b"\0", "KEY_PARSE"),
    "cut in the length": (ED25519[:17], "SSH_TRUNCATED"),
    "cut in the key": (ED25519[:-1], "SSH_TRUNCATED"),
    "cut before the type": (b"\0\0", "SSH_TRUNCATED"),
    "length of 4 GiB": (b"\xff\xff\xff\xff" + ED25519, "SSH_TRUNCATED"),
    "type with a newline": (field("ssh-ed25519\n") + field(b"\x07" * 32), "KEY_PARSE"),
    "type empty": (field("") + field(b"\x07" * 32), "KEY_PARSE"),
    "ecdsa": (ecdsa("nistp256", POINT), "accepted"),
    "ecdsa, other curve's name": (ecdsa("nistp384", POINT), "KEY_CURVE"),
    "ecdsa, other curve's type": (ecdsa("nistp256", POINT, "ecdsa-sha2-nistp384"), "KEY_CURVE"),
    "ecdsa, point off the curve": (ecdsa("nistp256", POINT[:-1] + bytes([POINT[-1] ^ 1])), "KEY_PARSE"),
    "ecdsa, point at infinity": (ecdsa("nistp256", b"\0"), "KEY_PARSE"),
    "ecdsa, compressed point": (ecdsa("nistp256", COMPRESSED), "KEY_PARSE"),
    "ecdsa, empty point": (ecdsa("nistp256", b""), "KEY_PARSE"),
    "sk-ecdsa": (ecdsa("nistp256", POINT, "sk-ecdsa-sha2-nistp256@openssh.com") + field("ssh:"), "accepted"),
    "sk-ecdsa on another curve": (ecdsa("nistp384", POINT, "sk-ecdsa-sha2-nistp256@openssh.com"), "KEY_CURVE"),
    "sk-ed25519": (field("sk-ssh-ed25519@openssh.com") + field(b"\x07" * 32) + field("ssh:"), "accepted"),
    "sk-ed25519, no application": (field("sk-ssh-ed25519@openssh.com") + field(b"\x07" * 32), "SSH_TRUNCATED"),
    "rsa 2048": (rsa(mpint(65537), mpint(MODULUS)), "accepted"),
    "rsa 2047": (rsa(mpint(65537), mpint(MODULUS >> 1 | 1)), "KEY_RSA_SMALL"),
    "rsa 1024": (rsa(mpint(65537), mpint(MODULUS >> 1024 | 1)), "KEY_RSA_SMALL"),
    "rsa 16392": (rsa(mpint(65537), mpint((1 << 16391) + 1)), "KEY_PARSE"),
    "rsa, padded modulus (a second fingerprint)": (rsa(mpint(65537), mpint(MODULUS, b"\0")), "KEY_PARSE"),
    "rsa, negative modulus": (rsa(mpint(65537), field(b"\xff" * 256)), "KEY_PARSE"),
    "rsa, exponent 1": (rsa(mpint(1), mpint(MODULUS)), "KEY_PARSE"),
    "rsa, exponent 0": (rsa(field(b""), mpint(MODULUS)), "KEY_PARSE"),
    "rsa, even exponent": (rsa(mpint(65536), mpint(MODULUS)), "KEY_PARSE"),
    "dsa": (field("ssh-dss") + mpint(MODULUS), "KEY_TYPE"),
    "post-quantum of a later OpenSSH": (field("ssh-mldsa44-ed25519@openssh.com") + field(b"\x07" * 32), "KEY_TYPE"),
    "certificate": (field("ssh-ed25519-cert-v01@openssh.com") + field(b"\x07" * 32), "CERT_UNSUPPORTED"),
}


@pytest.mark.parametrize(("blob", "expected"), BLOBS.values(), ids=BLOBS)
def test_a_blob_is_judged(blob: bytes, expected: str) -> None:
    assert code_of(lambda: PublicKey.from_blob(blob)) == expected


GOOD = base64.b64encode(ED25519).decode()
LINES = {
    "plain": (f"ssh-ed25519 {GOOD}", "accepted"),
    "with a comment and a line end": (f"ssh-ed25519 {GOOD} alice, laptop ü\n", "accepted"),
    "empty": ("", "KEY_PARSE"),
    "type only": ("ssh-ed25519", "KEY_PARSE"),
    "base64 only": (GOOD, "KEY_PARSE"),
    "type of another key": (f"ssh-rsa {GOOD}", "KEY_PARSE"),
    "base64 cut": (f"ssh-ed25519 {GOOD[:-3]}", "KEY_PARSE"),
    "base64 with stray bits": (f"ssh-ed25519 {base64.b64encode(ED25519 + b'x').decode()[:-3]}h==", "KEY_PARSE"),
    "base64 with a stray sign": (f"ssh-ed25519 {GOOD[:8]}!{GOOD[8:]}", "KEY_PARSE"),
    "base64 not ASCII": (f"ssh-ed25519 {GOOD}é", "KEY_PARSE"),
    "two lines": (f"ssh-ed25519 {GOOD}\nssh-ed25519 {GOOD}", "KEY_PARSE"),
    "terminal escape in the comment": (f"ssh-ed25519 {GOOD} \x1b[2J", "KEY_PARSE"),
    "options in front": (f"restrict ssh-ed25519 {GOOD}", "KEY_PARSE"),
}


@pytest.mark.parametrize(("line", "expected"), LINES.values(), ids=LINES)
def test_a_line_is_judged(line: str, expected: str) -> None:
    assert code_of(lambda: PublicKey.parse(line)) == expected


def test_a_key_is_read_as_ssh_keygen_reads_it(pair: KeyPair) -> None:
    text = pair.path.with_name(pair.path.name + ".pub").read_text()
    key = PublicKey.parse(text)
    listed = run("ssh-keygen", "-l", "-f", pair.path).stdout.decode()
    assert key.fingerprint == listed.split()[1]
    assert text == f"{key.line} {key.comment}\n"
    assert key == pair.signer.public


def test_the_comment_is_nobodys_identity() -> None:
    assert PublicKey.parse(f"ssh-ed25519 {GOOD} alice") == PublicKey.parse(f"ssh-ed25519 {GOOD} mallory")


def test_foreign_text_stays_on_one_line_of_the_message() -> None:
    with pytest.raises(SignatureError) as caught:
        PublicKey.from_blob(ecdsa("x" * 900, POINT))
    assert len(caught.value.message) < 200
