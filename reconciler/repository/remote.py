"""Where the fleet repository is, and how a device may reach it."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from reconciler.errors import ConfigError, PermissionDenied

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


@dataclass(frozen=True, slots=True)
class Remote:
    """A checked address. `token_file` holds a password for HTTP, read anew for every call: it may be rotated."""

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None

    @classmethod
    def parse(cls, url: str, token_file: Path | None = None, ca_file: Path | None = None) -> "Remote":
        """Raises ConfigError for an address that a device must not use."""
        advice = "write https://HOST/PATH"
        try:
            parts = urlsplit(url)
            _ = parts.port  # is none, or a number that a port can have
        except ValueError as error:
            raise ConfigError(f"URL_INVALID: the remote {url!r}: {error}", advice=advice) from error
        if (
            not url.startswith(("https://", "http://"))
            or not parts.hostname
            or not url.isascii()
            or not url.isprintable()
            or " " in url
        ):
            raise ConfigError(f"URL_SCHEME: the remote {url!r} is no address that this version can use", advice=advice)
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ConfigError(f"URL_SCHEME: the remote {url!r} is not encrypted", advice=advice)
        if "@" in parts.netloc:
            raise ConfigError("URL_CREDENTIALS: the remote holds a user or password", advice="use `tokenFile`")
        return cls(url, token_file, ca_file)

    def options(self) -> dict[str, str]:
        """git's options for this remote. Raises PermissionDenied or ConfigError for an unreadable token."""
        options = {f"protocol.{urlsplit(self.url).scheme}.allow": "always"}
        if self.ca_file is not None:
            options["http.sslCAInfo"] = str(self.ca_file)
        if self.token_file is not None:
            pair = base64.b64encode(b"reconciler:" + _read_token(self.token_file)).decode()
            options[f"http.{self.url}.extraHeader"] = f"Authorization: Basic {pair}"
        return options


def check_branch(name: str) -> str:
    """A branch name that is safe in a refspec. Raises ConfigError."""
    if not _BRANCH.fullmatch(name) or ".." in name or name.endswith(".lock"):
        raise ConfigError(f"{name!r} is no branch name", advice="use letters, digits, '.', '_', '-' and '/'")
    return name


def _read_token(path: Path) -> bytes:
    try:
        return path.read_bytes().strip()
    except PermissionError as error:
        raise PermissionDenied(
            "the token may not be read", where=str(path), advice="run as root, or chown it"
        ) from error
    except OSError as error:
        raise ConfigError(f"the token cannot be read: {error.strerror}", where=str(path)) from error
