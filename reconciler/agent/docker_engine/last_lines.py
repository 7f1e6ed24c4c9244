"""The last lines that a container wrote, without what it was given: no value of its environment, no word of its
command, and none of its configs and secrets.

What a program makes of a value (its base64, half of it) nobody recognises. So nothing is read unless somebody asks.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

from reconciler.agent.docker_engine import answers
from reconciler.agent.docker_engine.client import Client
from reconciler.agent.mounts.live_files import live_path
from reconciler.errors import ReconcilerError, StateError

# What is read to find them; a line without an end must not fill the memory.
_MOST_READ = 64 * 1024
# A file that is bigger is not searched for; then nothing is told.
_MOST_GIVEN = 1024 * 1024
# The Engine keeps a longer line in parts, and counts each of them as a line of the tail.
_PART = 16 * 1024
# What separates values, and what separates the words of one: in YAML, JSON, INI, URLs and connection strings.
_SPACE, _BETWEEN = re.compile(r"[\s\"'`\\]+"), re.compile(r"[\s\"'`\\,;:=@&?/|<>()\[\]{}]+")


def last_lines(
    client: Client, container: str, folders: Collection[Path], most: int, most_bytes: int
) -> tuple[str, ...]:
    """The newest lines, at most so many and so long together. `folders` hold configs and secrets.

    Raises as a Client does, and StateError when it is not known what must not be told.
    """
    with client.errors(f"read the log of {container}"):
        found = client.api.inspect_container(container)
        hidden = frozenset(_hidden(_given(found, folders)))
        written = _whole(client.api.logs(found["Id"], stream=True, follow=False, tail=most + 1), most)
    told = answers.without_values(written.decode("utf-8", "replace"), hidden)
    lines = [line.rstrip() for line in re.split(r"\r?\n", told) if line.strip()]
    return _newest(lines[-most:], most_bytes)


def _whole(parts: Iterable[bytes], most: int) -> bytes:
    """The newest lines that are whole: one that lost its begin may begin with half of a value."""
    text, is_cut = b"", False
    for part in parts:
        text, is_cut = (text + part)[-_MOST_READ:], is_cut or len(text) + len(part) > _MOST_READ
    first, _, others = text.partition(b"\n")
    return others if is_cut or len(first) >= _PART or text.rstrip(b"\n").count(b"\n") >= most else text


def _newest(lines: list[str], most_bytes: int) -> tuple[str, ...]:
    kept: list[str] = []
    for line in reversed(lines):
        size = len(line.encode())
        if size > most_bytes:
            return tuple(kept or [line.encode()[:most_bytes].decode("utf-8", "ignore")])
        most_bytes -= size
        kept.insert(0, line)
    return tuple(kept)


def _given(found: answers.Answer, folders: Collection[Path]) -> Iterator[str]:
    """All that the container was given which may be nobody's business. Raises StateError."""
    config = found["Config"]
    yield from (pair.partition("=")[2] for pair in config.get("Env") or ())
    for key in ("Entrypoint", "Cmd"):
        yield from config.get(key) or ()
    yield from (config.get("Healthcheck") or {}).get("Test") or ()
    for mount in found["Mounts"]:
        source = Path(mount.get("Source") or "/")
        if mount["Type"] != "bind" or not any(source.is_relative_to(folder) for folder in folders):
            continue
        content = _content(source)
        is_live = any(source.is_relative_to(live_path(folder, "")) for folder in folders)
        if is_live and source.stat().st_mtime > answers.moment(found["Created"]):
            # The log may hold what the file held before, and nobody knows that any more.
            raise StateError("what the container was given has changed under it", where=str(source))
        yield content


def _content(path: Path) -> str:
    try:
        # The folder of an update lock is no file, and holds what the container wrote itself.
        if path.is_dir():
            return ""
        with path.open("rb") as file:
            content = file.read(_MOST_GIVEN + 1)
    except OSError as error:
        raise StateError(f"what the container was given cannot be read: {error.strerror}", where=str(path)) from error
    if len(content) > _MOST_GIVEN:
        raise StateError("what the container was given is too big to be searched for", where=str(path))
    return content.decode("utf-8", "replace")


def _hidden(given: Iterable[str]) -> Iterator[str]:
    """Each as a whole, by its lines, for it may be told in part; and by its words, for it may be a URL or a file."""
    for text in given:
        yield text
        yield from (line.strip() for line in text.splitlines())
        for value in _SPACE.split(text):
            # `password=p@ss/word` and `password: p@ss/word`.
            yield from (value, *(value.partition(mark)[2] for mark in "=:"))
            words = _BETWEEN.split(value)
            yield from (*words, *(unquote(word) for word in words if "%" in word))


def lines_or_nothing(
    client: Client, container: str, folders: Collection[Path], most: int, most_bytes: int
) -> tuple[str, ...]:
    """As `last_lines`; or none, where they cannot be had or may hold what must not be told."""
    try:
        return last_lines(client, container, folders, most, most_bytes) if most else ()
    except ReconcilerError:
        return ()
