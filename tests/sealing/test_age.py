"""Files sealed with age: ours are read by the real `age`, its are read by us, and nothing else is."""

import base64
import shutil
import subprocess
from pathlib import Path

import pyrage
import pytest

from reconciler.errors import SealRefused
from reconciler.sealing import Keys, seal, seals_for, unseal

VALUE = b"p4ss\x00word\n"


def key(folder: Path, kind: str = "ed25519", passphrase: str = "") -> tuple[bytes, str]:
    """A private key of OpenSSH, and its public half."""
    path = folder / f"{kind}-{len(list(folder.iterdir()))}"
    bits = ["-b", "2048"] if kind == "rsa" else []
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *bits, "-N", passphrase, "-f", path], check=True)
    return path.read_bytes(), path.with_name(f"{path.name}.pub").read_text().strip()


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_what_is_sealed_for_a_key_is_unsealed_by_it_alone(tmp_path: Path, kind: str) -> None:
    private, public = key(tmp_path, kind)
    stranger, _ = key(tmp_path, kind)
    sealed = seal(VALUE, [public])
    assert VALUE not in sealed
    assert unseal(sealed, Keys.parse(private)) == VALUE
    assert unseal(sealed, Keys.parse(stranger, private)) == VALUE
    with pytest.raises(SealRefused, match="SEAL_NO_KEY"):
        unseal(sealed, Keys.parse(stranger))


def test_several_may_unseal_it(tmp_path: Path) -> None:
    ours, also = pyrage.x25519.Identity.generate(), key(tmp_path)
    sealed = seal(VALUE, [str(ours.to_public()), also[1]])
    assert unseal(sealed, Keys.parse(f"# made today\n{ours}\n".encode())) == VALUE
    assert unseal(sealed, Keys.parse(also[0])) == VALUE


def test_the_same_value_is_sealed_otherwise_each_time(tmp_path: Path) -> None:
    _, public = key(tmp_path)
    assert seal(VALUE, [public]) != seal(VALUE, [public])


@pytest.mark.parametrize("at", [40, 200, 330, -60])
def test_a_changed_file_is_refused(tmp_path: Path, at: int) -> None:
    private, public = key(tmp_path)
    sealed = bytearray(seal(VALUE, [public]))
    while not chr(sealed[at]).isalnum():
        at += 1
    sealed[at] = ord("A") if sealed[at] != ord("A") else ord("B")
    with pytest.raises(SealRefused, match="SEAL_"):
        unseal(bytes(sealed), Keys.parse(private))


@pytest.mark.parametrize("foreign", [b"", b"age", b"-----BEGIN AGE ENCRYPTED FILE-----\n", b"\x00" * 100])
def test_foreign_bytes_are_refused(tmp_path: Path, foreign: bytes) -> None:
    keys = Keys.parse(key(tmp_path)[0])
    with pytest.raises(SealRefused, match="SEAL_DAMAGED"):
        unseal(foreign, keys)


def test_a_header_that_would_be_read_for_hours_is_refused_at_once(tmp_path: Path) -> None:
    """pyrage reads many small stanzas in the square of their number, and lets no other thread go on."""
    keys = Keys.parse(key(tmp_path)[0])
    for stanzas, why in ((101, "over 100 recipients"), (5_000, "over 100 recipients"), (100_000, "far too long")):
        with pytest.raises(SealRefused, match=why):
            unseal(b"age-encryption.org/v1\n" + b"-> x\n\n" * stanzas + b"--- AAAA\n", keys)


@pytest.mark.parametrize("recipient", ["", "ssh-ed25519", "age1x", "ecdsa-sha2-nistp256 AAAA", "alice"])
def test_it_is_sealed_for_keys_alone(recipient: str) -> None:
    with pytest.raises(SealRefused, match="SEAL_RECIPIENT"):
        seal(VALUE, [recipient])


def test_keys_that_cannot_unseal_are_refused_and_not_told(tmp_path: Path) -> None:
    locked, _ = key(tmp_path, passphrase="secret words")
    for bad in (locked, b"AGE-SECRET-KEY-1NONE", b"\xff", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"):
        with pytest.raises(SealRefused) as refused:
            unseal(seal(VALUE, [key(tmp_path)[1]]), Keys.parse(bad))
        assert "NONE" not in str(refused.value)


def test_whom_it_is_sealed_for_is_seen_without_a_key(tmp_path: Path) -> None:
    (_, ours), (_, other), (_, rsa) = key(tmp_path), key(tmp_path), key(tmp_path, "rsa")
    armored = seal(VALUE, [ours])
    assert seals_for(seal(VALUE, [rsa]), rsa) is True
    assert seals_for(armored, rsa) is False
    assert seals_for(seal(VALUE, [ours, other]), ours) is False, "for somebody else, too"
    binary = pyrage.encrypt(VALUE, [pyrage.ssh.Recipient.from_str(ours)])
    for sealed in (armored, binary):
        assert seals_for(sealed, ours) is True
        assert seals_for(sealed, f"{ours} a comment") is True
        assert seals_for(sealed, other) is False
    assert seals_for(armored, "age1unknown") is None
    assert seals_for(armored, "ssh-ed25519 ???") is False
    assert seals_for(b"-----BEGIN AGE ENCRYPTED FILE-----\n???\n-----END-----", ours) is False
    # The header counts, and not what looks like it behind its end.
    name = base64.b64encode(b"x")
    assert seals_for(b"age-encryption.org/v1\n--- mac\n-> ssh-ed25519 " + name, ours) is False


@pytest.mark.skipif(not shutil.which("age"), reason="the real `age` is not installed (Debian: age)")
def test_the_real_age_reads_ours_and_we_read_its(tmp_path: Path) -> None:
    private, public = key(tmp_path)
    (tmp_path / "identity").write_bytes(private)
    (tmp_path / "identity").chmod(0o600)
    theirs = subprocess.run(["age", "-r", public, "-a"], input=VALUE, stdout=subprocess.PIPE, check=True).stdout
    assert unseal(theirs, Keys.parse(private)) == VALUE
    assert seals_for(theirs, public) is True
    command = ["age", "-d", "-i", str(tmp_path / "identity")]
    assert subprocess.run(command, input=seal(VALUE, [public]), stdout=subprocess.PIPE, check=True).stdout == VALUE
