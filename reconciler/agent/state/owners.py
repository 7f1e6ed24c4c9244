"""Who may write what a device believes: root and the user whom the agent runs as, as sshd asks of its files.

Whoever may write a folder may put another file there, so the folder of a file counts as well; those above it do not.
"""

import os
import stat
from pathlib import Path

from reconciler.errors import PermissionDenied

_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def read_owned(path: Path, *, follows_link: bool = False) -> bytes:
    """The file. Raises OSError, and PermissionDenied when somebody else could have written it."""
    if path.is_symlink():
        if not follows_link:
            raise PermissionDenied("is a link", where=str(path), advice="put the file itself there")
        _check_owner(path, path.lstat())
    # A pipe is not waited for; nor is a link followed that was laid a moment ago.
    flags = os.O_NONBLOCK | (0 if follows_link else os.O_NOFOLLOW)
    with open(path, "rb", opener=lambda name, mode: os.open(name, mode | flags)) as file:
        # Of what is open, and not of what lies there by now.
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise PermissionDenied("is no regular file", where=str(path), advice="put one there")
        _check_owner(path, found)
        _check_mode(path, found)
        for folder in sorted({path.absolute().parent, path.resolve().parent}):
            _check_folder_of_file(folder)
        return file.read()


def check_folder(folder: Path) -> None:
    """One in which everything is believed that lies there. Raises OSError, PermissionDenied."""
    found = folder.stat()
    _check_owner(folder, found)
    _check_mode(folder, found)


def _check_folder_of_file(folder: Path) -> None:
    """In a sticky one, such as /tmp, nobody replaces files of others; the file itself was looked at."""
    found = folder.stat()
    _check_owner(folder, found)
    if not found.st_mode & stat.S_ISVTX:
        _check_mode(folder, found)


def _check_owner(path: Path, found: os.stat_result) -> None:
    if found.st_uid not in (0, os.geteuid()):
        told = f"belongs to user {found.st_uid}, who is neither root nor the user of the agent"
        raise PermissionDenied(told, where=str(path), advice=f"say `chown root: {path}`")


def _check_mode(path: Path, found: os.stat_result) -> None:
    if found.st_mode & _BY_OTHERS:
        told = f"others than its owner, user {found.st_uid}, may write it"
        raise PermissionDenied(told, where=str(path), advice=f"say `chmod go-w {path}`")
