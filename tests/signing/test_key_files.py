"""Key files: only private ones are read, none is overwritten, ssh-keygen reads ours and we read its."""

import os
from pathlib import Path

import pytest
from signing_workbench import KeyPair, code_of, run

from signing import PublicKey, Signer, UnableToCheck, load_signer, write_new_key


def test_a_new_key_is_one_for_ssh_keygen_too(tmp_path: Path) -> None:
    path = tmp_path / "device"
    public = write_new_key(path, "press-0041")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.with_name("device.pub").stat().st_mode & 0o777 == 0o644
    assert path.with_name("device.pub").read_text() == f"{public.line} press-0041\n"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["device", "device.pub"]
    assert run("ssh-keygen", "-y", "-f", path).stdout.decode().split()[:2] == public.line.split()
    assert load_signer(path).public == public
    assert PublicKey.parse(path.with_name("device.pub").read_text()).comment == "press-0041"


def test_a_key_of_ssh_keygen_is_read_and_written_back(pair: KeyPair, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.touch(0o600)
    copy.write_bytes(load_signer(pair.path).private_bytes())
    assert run("ssh-keygen", "-y", "-f", copy).stdout.decode().split()[:2] == pair.signer.public.line.split()


@pytest.mark.parametrize("existing", ["device", "device.pub"])
@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_nothing_is_overwritten(existing: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / existing
    if kind == "file":
        path.write_text("precious")
    else:
        path.symlink_to("nowhere")
    assert code_of(lambda: write_new_key(tmp_path / "device")) == "FILE_EXISTS"
    assert [entry.name for entry in tmp_path.iterdir()] == [existing]
    assert kind != "file" or path.read_text() == "precious"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o660, 0o644, 0o666, 0o777])
def test_a_key_open_to_others_is_refused(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "device"
    write_new_key(path)
    path.chmod(mode)
    assert code_of(lambda: load_signer(path)) == "KEY_MODE"


def test_a_key_that_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    write_new_key(tmp_path / "device")
    link, fifo = tmp_path / "link", tmp_path / "fifo"
    link.symlink_to("device")
    os.mkfifo(fifo, 0o600)
    assert [code_of(lambda path=path: load_signer(path)) for path in (link, fifo, tmp_path)] == ["KEY_MODE"] * 3


def test_a_missing_file_or_folder_is_unable_to_check(tmp_path: Path) -> None:
    with pytest.raises(UnableToCheck, match="FILE"):
        load_signer(tmp_path / "missing")
    with pytest.raises(UnableToCheck, match="FILE"):
        write_new_key(tmp_path / "missing" / "device")


def test_a_comment_is_one_line(tmp_path: Path) -> None:
    assert code_of(lambda: write_new_key(tmp_path / "device", "a\nb")) == "KEY_PARSE"
    assert list(tmp_path.iterdir()) == []


def test_a_locked_key(tmp_path: Path) -> None:
    path = tmp_path / "locked"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", path)
    assert code_of(lambda: load_signer(path)) == "KEY_PASSPHRASE"
    # `cryptography` unlocks with the package bcrypt; without it the refusal says so.
    assert code_of(lambda: load_signer(path, b"secret")) in ("accepted", "KEY_TYPE")


def test_a_passphrase_for_an_open_key(alice: KeyPair) -> None:
    assert code_of(lambda: load_signer(alice.path, b"secret")) == "KEY_PASSPHRASE"


NOT_KEYS = {
    "empty": b"",
    "text": b"hello\n",
    "public key": Signer.generate().public.line.encode(),
    "cut": Signer.generate().private_bytes()[:200],
    "PKCS 8": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
}


@pytest.mark.parametrize("content", NOT_KEYS.values(), ids=NOT_KEYS)
def test_what_is_no_openssh_key_is_refused(content: bytes) -> None:
    assert code_of(lambda: Signer.load(content)) == "KEY_PARSE"


def test_a_signer_does_not_print_its_secret() -> None:
    signer = Signer.generate()
    assert "PRIVATE" not in repr(signer)
    assert signer.private_bytes().decode().splitlines()[1] not in repr(signer)
