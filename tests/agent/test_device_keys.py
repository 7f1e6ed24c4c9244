"""Mode `commits` without roles: the files of keys on the device itself, and what becomes of a key that is revoked."""

import os
from pathlib import Path

import pytest
from roles_stage import ANN, BEN, NOW, SUE, Stage, told

from reconciler.agent.orders.known import Obtained
from signing import Signer, sign_commit

GITHUB = Path(__file__).parents[1] / "signing" / "web_flow" / "key.asc"


class Device:
    """A device with files of its own, that obeys Ann and Ben."""

    def __init__(self, folder: Path) -> None:
        self.stage, self.folder = Stage(folder), folder
        self.write("keys", f"ann {ANN.public.line}\nben {BEN.public.line}\n".encode())
        self.settings: dict[str, object] = {"policy": "device", "allowed_signers": folder / "keys"}

    def write(self, name: str, content: bytes, mode: int = 0o644) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(mode)
        return path

    def commit(self, signer: Signer | None) -> str:
        made = self.stage.commit({"fleet.yaml": f"{self.stage.clock}\n".encode()}, signer)
        self.stage.push(made)
        return made

    def obtain(self) -> Obtained:
        return self.stage.source(**self.settings).obtain(NOW)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def test_a_revoked_key_is_heard_no_more_and_not_for_what_it_said_before(device: Device) -> None:
    device.settings["revoked_keys"] = device.write("revoked", b"")
    first = device.commit(BEN)
    assert told(device.obtain()) == "ben"
    device.write("revoked", f"{BEN.public.line} lost on a train\n".encode())
    lost = device.obtain()
    assert told(lost) == "TRUST_LOST"
    assert lost.trusted is not None
    assert lost.trusted.commit == first, "what runs goes on"
    device.commit(BEN)
    assert told(device.obtain()) == "KEY_REVOKED"


def test_a_new_word_of_somebody_else_mends_it(device: Device) -> None:
    device.settings["revoked_keys"] = device.write("revoked", BEN.public.fingerprint.encode() + b"\n")
    device.commit(ANN)
    assert told(device.obtain()) == "ann"


@pytest.mark.parametrize("setting", ["revoked_keys", "forge_keys", "allowed_signers"])
@pytest.mark.parametrize("state", ["missing", "writable", "a link", "in a folder of all", "of another user"])
def test_files_that_anybody_could_have_written_are_not_believed(setting: str, state: str, device: Device) -> None:
    device.settings[setting] = path = device.folder / "file"
    if state == "writable":
        device.write("file", GITHUB.read_bytes(), 0o666)
    elif state == "a link":
        path.symlink_to(device.folder / "keys")
    elif state == "in a folder of all":
        (device.folder / "open").mkdir()
        device.settings[setting] = device.write("open/file", GITHUB.read_bytes())
        (device.folder / "open").chmod(0o777)
    elif state == "of another user":
        if os.geteuid() != 0:
            pytest.skip("giving a file away needs root")
        os.chown(device.write("file", GITHUB.read_bytes()), 65534, 65534)
    device.commit(ANN)
    assert told(device.obtain()) == "TRUST_CONFIG"


def merge(device: Device) -> str:
    """Of a branch that Ann signed, by a button that signs nothing."""
    stage = device.stage
    device.commit(ANN)
    side = stage.commit({"NOTES.md": b"x\n"}, ANN)
    return stage.merge(stage.main, side)


def test_with_the_forge_s_keys_a_merge_that_it_did_not_sign_is_not_made_again(device: Device) -> None:
    stage = device.stage
    made = merge(device)
    stage.push(made)
    device.settings["forge_keys"] = device.write("forge.asc", GITHUB.read_bytes())
    obtained = device.obtain()
    assert told(obtained) == "UNSIGNED"
    assert obtained.trusted is not None
    assert obtained.trusted.commit == stage.git.run("rev-parse", f"{made}^1").decode().strip()
    del device.settings["forge_keys"]
    assert told(device.obtain()) == "ann"


def test_nor_is_one_that_somebody_signed_who_may_not_change_all_of_it(stage: Stage) -> None:
    """Else whoever has any key at all could merge without the forge."""
    keys = stage.folder / "forge.asc"
    keys.write_bytes(GITHUB.read_bytes())
    stage.push(stage.anchor)
    stage.push(stage.merge(stage.main, stage.commit({"apps/web/compose.yaml": b"two\n"}, ANN), SUE))
    assert told(stage.source(forge_keys=keys).obtain(NOW)) == "PATH_QUORUM"
    assert told(stage.obtain()) == "ann"


def test_a_person_s_own_merge_needs_no_forge(device: Device) -> None:
    stage = device.stage
    device.settings["forge_keys"] = device.write("forge.asc", GITHUB.read_bytes())
    raw = stage.git.run("cat-file", "commit", merge(device))
    signed = stage.git.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=sign_commit(raw, BEN))
    stage.push(signed.decode().strip())
    assert told(device.obtain()) == "ben"
