"""The last lines of a container: no more than asked for, and nothing of what the container was given."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.agent.docker_engine.last_lines import last_lines, lines_or_nothing
from reconciler.errors import StateError

CANARY = "CANARY5f1c"


class Written:
    """An Engine with one container: what an inspect tells of it, and what it wrote, in parts."""

    def __init__(self, *parts: str, mounts: tuple[Path, ...] = (), **config: Any) -> None:
        self.api, self.parts, self.tail = self, [part.encode() for part in parts], 0
        binds = [{"Type": "bind", "Source": str(path)} for path in mounts]
        given = {"Env": [], **config}
        mounts_told = [*binds, {"Type": "tmpfs", "Source": ""}]
        self.found = {"Id": "ab", "Created": "2100-01-01T00:00:00Z", "Config": given, "Mounts": mounts_told}

    def inspect_container(self, container: str) -> dict[str, Any]:
        return self.found

    def logs(self, container: str, tail: int, **_: object) -> Iterator[bytes]:
        self.tail = tail
        return iter(self.parts)

    @contextlib.contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        yield


def told(written: Written, folder: Path = Path("/none"), most: int = 20, most_bytes: int = 2048) -> tuple[str, ...]:
    return last_lines(written, "ab", (folder,), most, most_bytes)  # type: ignore[arg-type]  # stands for a Client


def test_the_newest_lines_are_told() -> None:
    written = Written("one\ntw", "o\r\n\nthree\n")
    assert told(written) == ("one", "two", "three")
    assert told(written, most=2) == ("two", "three")
    assert written.tail == 3


def test_they_are_no_longer_than_asked_for_and_the_newest_count() -> None:
    assert told(Written("x" * 50 + "\n" + "y" * 50 + "\n"), most_bytes=60) == ("y" * 50,)
    assert told(Written("ö" * 50 + "\n"), most_bytes=11) == ("ö" * 5,)


def test_what_is_too_long_to_be_read_loses_the_line_that_is_not_whole() -> None:
    assert told(Written("x" * 70_000, f"{CANARY[3:]}\nlast\n"), most_bytes=10**6) == ("last",)
    # The Engine keeps a long line in parts, and the tail may begin with the second half of a value.
    assert told(Written(f"{CANARY[3:]}{'x' * 20_000}\nlast\n"), most_bytes=10**6) == ("last",)


GIVEN: dict[str, dict[str, Any]] = {
    "a variable": {"Env": [f"PASSWORD={CANARY}"]},
    "a URL in a variable": {"Env": [f"DATABASE=postgres://ann:{CANARY}@db.acme.example:5432/shop?sslmode=off"]},
    "a connection string": {"Env": [f"DATABASE=Server=db;Password={CANARY};Timeout=3"]},
    "a password that is escaped in its URL": {"Env": ["DATABASE=https://ann:CANARY%35f1c@db"]},
    "a word of the command": {"Cmd": ["serve", "--password", CANARY]},
    "an option of the command": {"Cmd": ["serve", f"--password={CANARY}"]},
    "a script": {"Entrypoint": ["sh", "-c", f"echo {CANARY}; exec serve"]},
    "a health check": {"Healthcheck": {"Test": ["CMD-SHELL", f"curl -u ann:{CANARY} localhost"]}},
}


@pytest.mark.parametrize("name", GIVEN)
def test_what_a_container_was_given_is_blotted_out(name: str) -> None:
    lines = told(Written(f"cannot log in with {CANARY}, {CANARY}\n", **GIVEN[name]))
    assert lines and CANARY not in lines[0]
    assert lines[0].endswith("with ..., ...")


FILES = {
    "a secret": CANARY,
    "YAML": f"database:\n  password: {CANARY}\n",
    "JSON": f'{{"password":"{CANARY}"}}',
    "INI": f"[database]\npassword={CANARY}\n",
    "a list of users": f"ann:{CANARY}:1000\n",
    "a password with marks": f"password={CANARY}@x/y:z\n",
}


@pytest.mark.parametrize("name", FILES)
def test_what_its_files_hold_is_blotted_out(name: str, tmp_path: Path) -> None:
    path = tmp_path / "live/app/web/file"
    path.parent.mkdir(parents=True)
    path.write_text(FILES[name])
    (tmp_path / "locks").mkdir()
    lines = told(Written(f"refused: {CANARY}\n", mounts=(path, tmp_path / "locks")), tmp_path)
    assert lines == ("refused: ...",)


def test_of_a_value_of_many_lines_none_is_told(tmp_path: Path) -> None:
    key = "-----BEGIN KEY-----\nMIIBOgIBAAJBAK\nj34GkxFhD9 5f1c\n-----END KEY-----\n"
    (tmp_path / "key").write_text(key)
    lines = told(Written("j34GkxFhD9 5f1c\n-----END KEY-----\nbye\n", mounts=(tmp_path / "key",)), tmp_path)
    assert lines == ("...", "...", "bye")


def test_where_it_is_not_known_what_was_given_nothing_is_told(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(bytes(1024 * 1024 + 1))
    for path in (tmp_path / "gone", big):
        written = Written("a line\n", mounts=(path,))
        with pytest.raises(StateError, match="what the container was given"):
            told(written, tmp_path)
        assert lines_or_nothing(written, "ab", (tmp_path,), 20, 2048) == ()  # type: ignore[arg-type]  # as above
    # What somebody else keeps on the device is not the container's secret.
    assert told(Written("a line\n", mounts=(tmp_path / "gone",)), tmp_path / "configs") == ("a line",)


def test_where_a_file_changed_under_the_container_nothing_is_told(tmp_path: Path) -> None:
    """It may have written what was there before, which nobody knows any more."""
    path = tmp_path / "live/app/web/file"
    path.parent.mkdir(parents=True)
    path.write_text("another secret")
    os.utime(path, (4_200_000_000, 4_200_000_000))
    with pytest.raises(StateError, match="has changed under it"):
        told(Written(f"refused: {CANARY}\n", mounts=(path,)), tmp_path)
    # Under the name of its content, what is written anew is the same, such as after a power cut.
    path = path.rename(tmp_path / "0123")
    assert told(Written("a line\n", mounts=(path,)), tmp_path) == ("a line",)


def test_nothing_is_read_unless_somebody_asks() -> None:
    written = Written("a line\n")
    assert lines_or_nothing(written, "ab", (), 0, 2048) == ()  # type: ignore[arg-type]  # as above
    assert written.tail == 0
