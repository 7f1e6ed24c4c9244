"""The files that services mount: configs and secrets on the disk, and in memory what was sealed.

Which of both, the name says: a sealed one begins with a mark (model/desired.py), and so does its place, if it has one.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from reconciler.agent.mounts.config_files import discard_files, name_of, store_file, stored_files
from reconciler.agent.mounts.live_files import live_path, note_told, told_files, write_live
from reconciler.agent.mounts.vault import Vault
from reconciler.agent.state.files import write_atomically
from reconciler.model import SEALED, ConfigFile, Mount

# Beside a sealed name, what the unsealed file deserves to be called: by that it is known to be whole.
_NOTES = "notes"


class ServiceFiles:
    """`disk` is a folder; the vault has another one."""

    def __init__(self, disk: Path, vault: Vault) -> None:
        self.disk, self._vault = disk, vault

    @property
    def folders(self) -> tuple[Path, Path]:
        """Where files lie under their names."""
        return self.disk, self._vault.folder

    def path(self, mount: Mount) -> Path:
        """Where the file lies that this mount binds."""
        return live_path(self._root(mount.live), mount.live) if mount.live else self._root(mount.source) / mount.source

    def store(self, file: ConfigFile) -> None:
        """Write it under its name. Raises PermissionDenied, StateError or SealRefused."""
        if not file.secret:
            store_file(self.disk, file)
            return
        opened, folder = self._vault.open(file), self._vault.folder
        self._sweep()
        note = folder / _NOTES / file.name
        note.unlink(missing_ok=True)
        path = folder / file.name
        write_atomically(path, opened.content, opened.mode, (opened.uid, opened.gid))
        write_atomically(note, name_of(path, "-").encode())

    def stored(self) -> frozenset[str]:
        """The names of the files that are what their names say."""
        return stored_files(self.disk) | frozenset(self._unsealed())

    def discard(self, names: Iterable[str]) -> None:
        """Remove these; what cannot be removed is tried again."""
        names = frozenset(names)
        sealed = {name for name in names if name.startswith(SEALED)}
        discard_files(self.disk, names - sealed)
        discard_files(self._vault.folder, sealed)
        discard_files(self._vault.folder / _NOTES, sealed)
        self._sweep()

    def write_live(self, live: str, file: ConfigFile) -> None:
        """Write new content into a file that a container has mounted. Raises as `store` does."""
        write_live(self._root(live), live, self._vault.open(file) if file.secret else file)

    def note_told(self, live: str, name: str) -> None:
        """The container was told of this content, by the name of its ConfigFile."""
        note_told(self._root(live), live, name)

    def told(self) -> dict[str, str]:
        """What containers were told of, by place."""
        return told_files(self.disk) | told_files(self._vault.folder)

    def _unsealed(self) -> Iterable[str]:
        notes = self._vault.folder / _NOTES
        for note in notes.glob(f"{SEALED}*") if notes.is_dir() else ():
            with contextlib.suppress(OSError, UnicodeDecodeError):
                known = note.read_text()
                if known and name_of(self._vault.folder / note.name, known) == known:
                    yield note.name

    def _sweep(self) -> None:
        """What a power cut left in memory, whole or half, and no note tells of."""
        folder, known = self._vault.folder, frozenset(self._unsealed())
        for path in (*folder.glob(f"{SEALED}*"), *folder.glob(f".{SEALED}*")):
            if path.name not in known and not path.is_dir():
                discard_files(folder, [path.name])

    def _root(self, name: str) -> Path:
        return self._vault.folder if name.startswith(SEALED) else self.disk
