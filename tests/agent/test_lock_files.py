"""What containers write into the folders in which they lock, of which nothing is believed."""

import os
from pathlib import Path

import pytest

from reconciler.agent.mounts.lock_files import boot_time, held_locks, lock_folder, make_lock_folder
from reconciler.model import Lock

NOON, NOON_TOLD = 1_800_000_000, "2027-01-15T08:00:00Z"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_lock_folder(tmp_path, "shop/web")
    return tmp_path


def lock(folder: Path, content: bytes) -> Path:
    path = lock_folder(folder, "shop/web") / "lock"
    path.write_bytes(content)
    os.utime(path, (NOON, NOON))
    return path


def held(folder: Path, boot: float = 0.0) -> dict[str, Lock]:
    return held_locks(folder, lambda: boot)


def test_every_user_of_a_container_may_lock(folder: Path) -> None:
    assert lock_folder(folder, "shop/web").stat().st_mode & 0o7777 == 0o1777


def test_without_a_file_nothing_is_held(folder: Path) -> None:
    assert held(folder) == {}
    (lock_folder(folder, "shop/web") / "other").touch()
    assert held(folder) == {}


def test_a_lock_says_since_when_and_by_whom(folder: Path) -> None:
    lock(folder, b"take 7\nmore\n")
    assert held(folder) == {"shop/web": Lock("take 7", NOON_TOLD)}


def test_a_lock_of_before_the_boot_is_held_by_nobody(folder: Path) -> None:
    lock(folder, b"take 7")
    assert held(folder, NOON - 1) == {"shop/web": Lock("take 7", NOON_TOLD)}
    assert held(folder, NOON + 1) == {}


@pytest.mark.parametrize(
    ("content", "owner"),
    [
        (b"", ""),
        (b"x" * 10_000, "x" * 100),
        (b"\x1b[2Jgone\x00", "[2Jgone"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_an_owner_is_one_short_line_that_can_be_shown(folder: Path, content: bytes, owner: str) -> None:
    lock(folder, content)
    assert held(folder)["shop/web"].owner == owner


def test_a_link_is_a_lock_and_is_not_followed(folder: Path) -> None:
    secret = folder / "secret"
    secret.write_text("key")
    (lock_folder(folder, "shop/web") / "lock").symlink_to(secret)
    assert held(folder)["shop/web"].owner == ""


def test_a_pipe_or_a_folder_is_a_lock_and_nobody_waits_for_it(folder: Path) -> None:
    path = lock_folder(folder, "shop/web") / "lock"
    os.mkfifo(path)
    assert held(folder)["shop/web"].owner == ""
    path.unlink()
    path.mkdir()
    assert held(folder)["shop/web"].owner == ""


def test_the_machine_knows_when_it_started() -> None:
    assert 0 < boot_time() <= Path("/proc/self").stat().st_mtime + 1
