"""Files that are looked at once they change, and not at the next poll: the settings, what they name, and `nudge`.

The one door to watchdog. Without it (no inotify left, a folder that is not there) the next poll sees the same.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from watchdog.events import (
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from reconciler.agent.settings.config import Config
from reconciler.agent.settings.key_files import next_key
from reconciler.repository import Remote

log = logging.getLogger("reconciler")

NUDGE = "nudge"
# Not those of reading: looking at a file must not lead to looking at it again.
_KINDS: list[type[FileSystemEvent]] = [
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
# How long its threads wait before they look whether they shall end; they end with the process.
_TIMEOUT_SECONDS = 3600.0


def watched_files(settings: Path, config: Config) -> frozenset[Path]:
    """The settings, what they name and what is read anew, and the file that anybody may touch who wants a pass."""
    trust, key = config.trust, config.identity
    named = [settings, config.state / NUDGE, key, next_key(key), *config.secrets.keys]
    named += [path for path in (trust.allowed_signers, trust.revoked_keys, trust.forge_keys) if path is not None]
    for remote in (config.remote, config.status.remote, *config.mirrors):
        named += _files_of(remote)
    return frozenset(path.absolute() for path in named)


def watch_files(paths: Iterable[Path], ring: Callable[[str], None]) -> Callable[[], None]:
    """Ring with its path whenever one of them changes, comes or goes, until what is returned is called."""
    paths = frozenset(paths)
    observer = Observer(timeout=_TIMEOUT_SECONDS)
    handler = _Ringing(paths, ring)
    try:
        # Folders, because files are replaced by others of their name.
        for folder in sorted({path.parent for path in paths if path.parent.is_dir()}):
            observer.schedule(handler, str(folder), event_filter=_KINDS)
        observer.start()
    except OSError as error:
        log.warning("files are not watched, the next poll sees what changed: %s", error.strerror)
        return lambda: None
    return observer.stop


class _Ringing(FileSystemEventHandler):
    def __init__(self, paths: frozenset[Path], ring: Callable[[str], None]) -> None:
        self._paths, self._ring = {str(path) for path in paths}, ring

    def on_any_event(self, event: FileSystemEvent) -> None:
        for path in {str(event.src_path), str(event.dest_path)} & self._paths:
            self._ring(path)


def _files_of(remote: Remote) -> Iterator[Path]:
    for path in (remote.token_file, remote.ca_file, remote.key_file, remote.known_hosts, remote.proxy_file):
        if path is not None:
            yield path
