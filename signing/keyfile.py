"""Key files on disk: read only what nobody else can read, never overwrite."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from signing.errors import SignatureError, UnableToCheck
from signing.keys import PublicKey
from signing.signer import Signer

_MAX_FILE = 64 * 1024


def load_signer(path: Path, passphrase: bytes | None = None) -> Signer:
    """Reads a private key file. Raises SignatureError KEY_MODE when others could have read or swapped it."""
    try:
        # Without O_NONBLOCK a FIFO in the key's place would stop the program for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise SignatureError("KEY_MODE", f"`{path}` is a symbolic link; name the key file itself") from error
        raise UnableToCheck("FILE", f"cannot open `{path}`: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SignatureError("KEY_MODE", f"`{path}` is not a regular file")
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise SignatureError("KEY_MODE", f"`{path}` is open to other users; run `chmod 600 {path}`")
        return Signer.load(os.read(descriptor, _MAX_FILE), passphrase)
    finally:
        os.close(descriptor)


def write_new_key(path: Path, comment: str = "") -> PublicKey:
    """Makes an ed25519 key: `path` (0600) and `path`.pub (0644). Raises FILE_EXISTS when either is there."""
    if not comment.isprintable():
        raise SignatureError("KEY_PARSE", "the comment must be one line of printable text")
    signer = Signer.generate()
    public = PublicKey(signer.public.type, signer.public.blob, comment)
    # Private first: a private key without its .pub is mended by `show`, the other way round nothing helps.
    write_file(path, signer.private_bytes(), mode=0o600)
    try:
        write_file(path.with_name(path.name + ".pub"), f"{public.line} {comment}".rstrip().encode() + b"\n", mode=0o644)
    except SignatureError:
        path.unlink()
        raise
    return public


def write_file(path: Path, content: bytes, *, mode: int, replace: bool = False) -> None:
    """Puts a whole file in place or none. Raises FILE_EXISTS when it is there and may not be replaced."""
    beside = path.with_name(f".{path.name}.{token_hex(8)}")
    try:
        _write_through(beside, content, mode)
        if replace:
            beside.replace(path)
        else:
            # A link fails where a file is; a rename would overwrite it.
            os.link(beside, path, follow_symlinks=False)
        _sync_folder(path.parent)
    except FileExistsError as error:
        raise SignatureError("FILE_EXISTS", f"`{path}` exists and is not overwritten; move it away first") from error
    except OSError as error:
        raise UnableToCheck("FILE", f"cannot write `{path}`: {error.strerror}") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _write_through(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
