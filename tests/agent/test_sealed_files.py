"""Secrets on the device: unsealed into memory, whole or not there, and gone when nobody needs them."""

import hashlib
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.agent.host.disk import is_volatile
from reconciler.agent.mounts.keyring import Keyring
from reconciler.agent.mounts.service_files import ServiceFiles
from reconciler.agent.mounts.vault import Vault
from reconciler.errors import ConfigError, PermissionDenied, SealRefused
from reconciler.model import ConfigFile, Mount
from reconciler.sealing import seal
from signing import Signer

IDENTITY = Signer.generate()
LIVE = "~shop/web/run%2Fsecrets%2Ftoken"


@pytest.fixture
def memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder) / "secrets"


@pytest.fixture
def files(tmp_path: Path, memory: Path) -> ServiceFiles:
    (tmp_path / "identity").write_bytes(IDENTITY.private_bytes())
    return ServiceFiles(tmp_path / "configs", Vault(memory, Keyring([tmp_path / "identity"]).unseal))


def sealed(value: bytes, recipient: str = IDENTITY.public.line, mode: int = 0o444) -> ConfigFile:
    content = seal(value, [recipient])
    owner = {"uid": os.getuid(), "gid": os.getgid()}
    return ConfigFile(hashlib.sha256(content).hexdigest(), content, **owner, mode=mode, key="token", secret="token")


def mount(file: ConfigFile, live: str = "") -> Mount:
    return Mount("secret", "/run/secrets/token", file.name, read_only=True, live=live)


def test_a_secret_is_unsealed_into_memory_and_nowhere_else(tmp_path: Path, memory: Path, files: ServiceFiles) -> None:
    file = sealed(b"CANARY", mode=0o400)
    assert files.stored() == frozenset()
    files.store(file)
    path = files.path(mount(file))
    assert path.read_bytes() == b"CANARY"
    assert path.parent == memory
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert stat.S_IMODE(memory.stat().st_mode) == 0o700
    assert files.stored() == {file.name}
    on_disk = [one for one in tmp_path.rglob("*") if one.is_file() and b"CANARY" in one.read_bytes()]
    assert on_disk == []


def test_plain_files_lie_on_the_disk_as_before(tmp_path: Path, files: ServiceFiles) -> None:
    plain = ConfigFile(hashlib.sha256(b"abc").hexdigest(), b"abc")
    files.store(plain)
    assert files.path(mount(plain)) == tmp_path / "configs" / plain.name
    assert files.stored() == {plain.name}


@pytest.mark.parametrize("harm", ["changed", "torn", "mode", "note", "link", "reboot"])
def test_what_is_not_whole_is_not_there_and_is_made_anew(harm: str, memory: Path, files: ServiceFiles) -> None:
    file = sealed(b"CANARY", mode=0o440)
    files.store(file)
    path = files.path(mount(file))
    match harm:
        case "changed":
            path.write_bytes(b"ANOTHER")
        case "torn":
            path.write_bytes(b"")
        case "mode":
            path.chmod(0o600)
        case "note":
            (memory / "notes" / file.name).write_text("")
        case "link":
            path.unlink()
            path.symlink_to("/etc/passwd")
        case _:
            for one in (path, memory / "notes" / file.name):
                one.unlink()
    assert files.stored() == frozenset()
    files.store(file)
    assert files.stored() == {file.name}
    assert path.read_bytes() == b"CANARY"
    assert not path.is_symlink()


def test_what_nobody_needs_is_gone_from_memory(memory: Path, files: ServiceFiles) -> None:
    one, other = sealed(b"one"), sealed(b"other")
    for file in (one, other):
        files.store(file)
    files.discard([one.name])
    assert files.stored() == {other.name}
    assert [path for path in memory.rglob("*") if path.is_file() and path.read_bytes() == b"one"] == []


def test_a_secret_is_written_in_place_under_a_container(files: ServiceFiles) -> None:
    first, second = sealed(b"first"), sealed(b"second")
    files.write_live(LIVE, first)
    path = files.path(mount(first, LIVE))
    inode = path.stat().st_ino
    assert files.told() == {}
    files.note_told(LIVE, first.name)
    assert files.told() == {LIVE: first.name}
    files.write_live(LIVE, second)
    assert (path.read_bytes(), path.stat().st_ino) == (b"second", inode)
    assert files.told() == {}
    files.note_told(LIVE, second.name)
    path.write_bytes(b"meddled")
    assert files.told() == {}


def test_a_secret_for_others_is_refused_with_its_name(files: ServiceFiles) -> None:
    with pytest.raises(SealRefused, match="secret token: SEAL_NO_KEY"):
        files.store(sealed(b"CANARY", Signer.generate().public.line))
    assert files.stored() == frozenset()


def test_secrets_are_never_written_to_a_disk(tmp_path: Path) -> None:
    (tmp_path / "identity").write_bytes(IDENTITY.private_bytes())
    files = ServiceFiles(tmp_path / "configs", Vault(tmp_path / "secrets", Keyring([tmp_path / "identity"]).unseal))
    with pytest.raises(SealRefused, match="SEAL_ON_DISK"):
        files.store(sealed(b"CANARY"))
    assert [one for one in tmp_path.rglob("*") if one.is_file() and b"CANARY" in one.read_bytes()] == []


@pytest.mark.parametrize("kind", ["ecdsa", "torn", "gone"])
def test_a_spare_key_that_cannot_unseal_keeps_no_other_from_it(kind: str, tmp_path: Path, memory: Path) -> None:
    (tmp_path / "identity").write_bytes(IDENTITY.private_bytes())
    spare = tmp_path / "identity.old"
    if kind == "ecdsa":
        subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", spare], check=True)
    elif kind == "torn":
        spare.write_bytes(b"-----BEGIN")
    files = ServiceFiles(tmp_path / "configs", Vault(memory, Keyring([tmp_path / "identity"], [spare]).unseal))
    file = sealed(b"CANARY")
    files.store(file)
    assert files.path(mount(file)).read_bytes() == b"CANARY"


def test_what_is_sealed_for_the_key_before_is_unsealed_by_it(tmp_path: Path, memory: Path) -> None:
    (tmp_path / "identity").write_bytes(Signer.generate().private_bytes())
    (tmp_path / "identity.old").write_bytes(IDENTITY.private_bytes())
    files = ServiceFiles(
        tmp_path / "configs", Vault(memory, Keyring([tmp_path / "identity"], [tmp_path / "identity.old"]).unseal)
    )
    file = sealed(b"CANARY")
    files.store(file)
    assert files.path(mount(file)).read_bytes() == b"CANARY"


def test_a_key_that_is_not_there_is_told(tmp_path: Path, memory: Path) -> None:
    files = ServiceFiles(tmp_path / "configs", Vault(memory, Keyring([tmp_path / "identity"]).unseal))
    with pytest.raises(ConfigError, match="identity: a key cannot be read"):
        files.store(sealed(b"CANARY"))


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_key_that_may_not_be_read_is_told(tmp_path: Path, memory: Path) -> None:
    (tmp_path / "identity").write_bytes(IDENTITY.private_bytes())
    (tmp_path / "identity").chmod(0)
    with pytest.raises(PermissionDenied):
        ServiceFiles(tmp_path / "configs", Vault(memory, Keyring([tmp_path / "identity"]).unseal)).store(
            sealed(b"CANARY")
        )


def test_one_value_of_a_file_of_sops(files: ServiceFiles) -> None:
    from tests.fakes.sops import Sops, text

    content = text(Sops({"password": "CANARY"}, [IDENTITY.public.line]).document())
    file = ConfigFile("0" * 64, content, os.getuid(), os.getgid(), 0o400, secret="mail/password")
    files.store(file)
    assert files.path(mount(file)).read_bytes() == b"CANARY"
    with pytest.raises(SealRefused, match="secret mail/none: SOPS_PLAIN"):
        files.store(ConfigFile("0" * 64, content, secret="mail/none"))
    with pytest.raises(SealRefused, match="SOPS_FORMAT"):
        files.store(ConfigFile("0" * 64, b"a: [", secret="mail/none"))


def test_a_folder_that_others_may_use_is_taken_from_them_or_refused(memory: Path, files: ServiceFiles) -> None:
    memory.mkdir(mode=0o777)
    memory.chmod(0o777)
    file = sealed(b"CANARY", mode=0o400)
    # Somebody waits for the file, with it open.
    early = memory / f".{file.name}.new"
    early.write_bytes(b"")
    with early.open("rb") as waiting:
        files.store(file)
        assert waiting.read() == b""
    assert stat.S_IMODE(memory.stat().st_mode) == 0o700


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path, memory: Path, files: ServiceFiles) -> None:
    elsewhere = memory.parent / "elsewhere"
    elsewhere.mkdir()
    memory.symlink_to(elsewhere)
    with pytest.raises(SealRefused, match="SEAL_FOLDER"):
        files.store(sealed(b"CANARY"))
    assert list(elsewhere.iterdir()) == []


def test_what_a_power_cut_left_half_done_is_gone_with_the_next_one(memory: Path, files: ServiceFiles) -> None:
    files.store(sealed(b"kept"))
    for left in ("~0123", ".~0123.new"):
        (memory / left).write_bytes(b"CANARY")
    files.store(sealed(b"another"))
    held = sorted(path.read_bytes() for path in memory.iterdir() if path.is_file())
    assert held == [b"another", b"kept"]


def test_a_mount_on_a_mount_hides_what_is_below(monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = "tmpfs /run tmpfs rw 0 0\n/dev/sda /run ext4 rw 0 0\ntmpfs /a\\040b tmpfs rw 0 0\n"
    monkeypatch.setattr(Path, "read_text", lambda _: mounts)
    assert not is_volatile(Path("/run/reconciler"))
    assert is_volatile(Path("/a b/c"))
