"""Files that change under a container, and what the container was told of, over power cuts and other hands."""

import hashlib
from pathlib import Path

import pytest

from reconciler.agent.mounts.live_files import live_path, note_told, told_files, write_live
from reconciler.errors import StateError
from reconciler.model import ConfigFile

LIVE = "shop/web/etc%2Fmenu"


def config(content: bytes, **fields: int) -> ConfigFile:
    return ConfigFile(hashlib.sha256(content).hexdigest(), content, **fields)


def written(folder: Path, file: ConfigFile) -> None:
    write_live(folder, LIVE, file)
    note_told(folder, LIVE, file.name)


def test_new_content_keeps_the_file_itself(tmp_path: Path) -> None:
    written(tmp_path, config(b"a long menu"))
    inode = live_path(tmp_path, LIVE).stat().st_ino
    written(tmp_path, config(b"short"))
    assert live_path(tmp_path, LIVE).stat().st_ino == inode
    assert live_path(tmp_path, LIVE).read_bytes() == b"short"
    assert told_files(tmp_path) == {LIVE: config(b"short").name}


def test_what_was_written_and_not_told_of_is_not_known(tmp_path: Path) -> None:
    written(tmp_path, config(b"red"))
    write_live(tmp_path, LIVE, config(b"blue"))
    assert told_files(tmp_path) == {}


def test_what_somebody_else_wrote_is_not_known(tmp_path: Path) -> None:
    written(tmp_path, config(b"red"))
    path = live_path(tmp_path, LIVE)
    path.chmod(0o644)
    path.write_bytes(b"mine")
    assert told_files(tmp_path) == {}
    written(tmp_path, config(b"red"))
    assert path.read_bytes() == b"red"


def test_owner_and_mode_are_kept(tmp_path: Path) -> None:
    file = config(b"red", mode=0o440)
    written(tmp_path, file)
    assert live_path(tmp_path, LIVE).stat().st_mode & 0o777 == 0o440
    assert told_files(tmp_path) == {LIVE: file.name}
    live_path(tmp_path, LIVE).chmod(0o444)
    assert told_files(tmp_path) == {}


def test_a_link_in_its_place_is_not_written_through(tmp_path: Path) -> None:
    target = tmp_path / "target"
    live_path(tmp_path, LIVE).parent.mkdir(parents=True)
    live_path(tmp_path, LIVE).symlink_to(target)
    with pytest.raises(StateError):
        write_live(tmp_path, LIVE, config(b"red"))
    assert not target.exists()
