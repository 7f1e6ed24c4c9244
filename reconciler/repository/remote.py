"""Where the fleet repository is, and how a device may reach it."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from reconciler.errors import ConfigError, PermissionDenied

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


# Up to the last `@` of an address: one that is refused may have its password anywhere.
_CREDENTIALS = re.compile(r"^([a-z0-9+.-]*://)?.*@", re.DOTALL | re.IGNORECASE)

# These files are named in the command line of ssh, which reads quotes and `%` in its own way.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./@+=,-]+")
_PROXY = re.compile(r"(https?|socks5h?)://(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9][A-Za-z0-9.-]*)(:[0-9]{1,5})?/?")
_SSH = (
    "-F/dev/null",
    "-oBatchMode=yes",
    "-oStrictHostKeyChecking=yes",
    "-oGlobalKnownHostsFile=/dev/null",
    "-oUpdateHostKeys=no",
    "-oIdentitiesOnly=yes",
    "-oIdentityAgent=none",
    "-oPreferredAuthentications=publickey",
    "-oProxyCommand=none",
    "-oClearAllForwardings=yes",
    "-oPermitLocalCommand=no",
    "-oConnectTimeout=20",
    # A connection that went dead is found out within a minute.
    "-oServerAliveInterval=15",
    "-oServerAliveCountMax=3",
)


@dataclass(frozen=True, slots=True)
class Remote:
    """A checked address. `token_file` holds a password for HTTP, read anew for every call: it may be rotated.

    `proxy` is between, for HTTP; `proxy_file` holds `USER:PASSWORD` for it, read anew as well.
    Over SSH, `key_file` is the private key by which the device is known, and `known_hosts` the keys of hosts that it
    believes, in OpenSSH's format; no other host is ever spoken to.
    """

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None
    key_file: Path | None = None
    known_hosts: Path | None = None
    proxy: str = ""
    proxy_file: Path | None = None

    @classmethod
    def parse(
        cls,
        url: str,
        token_file: Path | None = None,
        ca_file: Path | None = None,
        key_file: Path | None = None,
        known_hosts: Path | None = None,
        proxy: str = "",
        proxy_file: Path | None = None,
    ) -> "Remote":
        """Raises ConfigError for an address that a device must not use."""
        advice = "write https://HOST/PATH or ssh://git@HOST/PATH"
        shown = repr(_CREDENTIALS.sub(r"\1***@", url))
        try:
            parts = urlsplit(url)
            _ = parts.port  # is none, or a number that a port can have
        except ValueError as error:
            # The library quotes what it could not read.
            why = f": {error}" if "@" not in url else " is none that can be read"
            raise ConfigError(f"URL_INVALID: the remote {shown}{why}", advice=advice) from None
        if (
            not url.startswith(("https://", "http://", "ssh://"))
            or not parts.hostname
            or parts.hostname.startswith("-")
            or not url.isascii()
            or not url.isprintable()
            or " " in url
        ):
            raise ConfigError(f"URL_SCHEME: the remote {shown} is no address that this version can use", advice=advice)
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ConfigError(f"URL_SCHEME: the remote {shown} is not encrypted", advice=advice)
        if parts.password is not None or ("@" in parts.netloc and parts.scheme != "ssh"):
            raise ConfigError("URL_CREDENTIALS: the remote holds a user or password", advice="use `tokenFile`")
        if parts.scheme == "ssh":
            _check_ssh(parts.username or "", key_file, known_hosts)
        _check_proxy(proxy, proxy_file, parts.scheme)
        return cls(url, token_file, ca_file, key_file, known_hosts, proxy, proxy_file)

    @property
    def host(self) -> str:
        """The name of the machine that answers, whoever asks and for what."""
        return urlsplit(self.url).hostname or ""

    def options(self) -> dict[str, str]:
        """git's options for this remote. Raises PermissionDenied or ConfigError for an unreadable token or key."""
        scheme = urlsplit(self.url).scheme
        options = {f"protocol.{scheme}.allow": "always"}
        if scheme == "ssh":
            for path in (self.key_file, self.known_hosts):
                _check_readable(path)
            files = (f"-oUserKnownHostsFile={self.known_hosts}", f"-oIdentityFile={self.key_file}")
            return {**options, "core.sshCommand": " ".join(("ssh", *_SSH, *files)), "ssh.variant": "ssh"}
        if self.ca_file is not None:
            options["http.sslCAInfo"] = str(self.ca_file)
        if self.proxy:
            options["http.proxy"] = _with_credentials(self.proxy, self.proxy_file)
        if self.token_file is not None:
            pair = base64.b64encode(b"reconciler:" + _read_token(self.token_file)).decode()
            options[f"http.{self.url}.extraHeader"] = f"Authorization: Basic {pair}"
        return options


def is_ssh(url: str) -> bool:
    """Does this address mean SSH?"""
    return url.startswith("ssh://")


def _check_ssh(user: str, key_file: Path | None, known_hosts: Path | None) -> None:
    if user.startswith("-") or not re.fullmatch(r"[A-Za-z0-9._-]*", user):
        raise ConfigError(f"URL_INVALID: {user!r} is no user", advice="write ssh://git@HOST/PATH")
    for name, path in (("keyFile", key_file), ("knownHostsFile", known_hosts)):
        if path is None:
            raise ConfigError(f"a remote over SSH needs `{name}`", advice="see docs/reference/settings.md")
        if not _PLAIN_PATH.fullmatch(str(path)):
            told = f"`{name}` {str(path)!r} has characters that ssh could read as something else"
            raise ConfigError(told, advice="use letters, digits and _./@+=,-")


def _check_proxy(proxy: str, proxy_file: Path | None, scheme: str) -> None:
    """Raises ConfigError for what is no proxy, or has its password in the settings."""
    advice = "write http://HOST:PORT, https://HOST:PORT or socks5h://HOST:PORT"
    if not proxy:
        if proxy_file is not None:
            raise ConfigError("`proxyCredentialsFile` without `proxy`", advice=advice)
        return
    if scheme == "ssh":
        raise ConfigError("a remote over SSH goes by no `proxy`", advice="use https://, or leave it out")
    match = _PROXY.fullmatch(proxy)
    if match is None:
        if "@" in proxy:
            raise ConfigError("URL_CREDENTIALS: `proxy` holds a user or password", advice="use `proxyCredentialsFile`")
        raise ConfigError(f"URL_INVALID: `proxy` {proxy!r} is none", advice=advice)


def _with_credentials(proxy: str, file: Path | None) -> str:
    """As git wants it, with user and password as an address has them (RFC 3986, 3.2.1)."""
    if file is None:
        return proxy
    user, colon, password = _read_token(file).decode("utf-8", "replace").partition(":")
    if not colon or not user:
        raise ConfigError("no credentials of a proxy", where=str(file), advice="write USER:PASSWORD, in one line")
    scheme, _, rest = proxy.partition("://")
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"


def _check_readable(path: Path | None) -> None:
    """What ssh cannot read, it does not name."""
    try:
        if path is not None:
            path.open("rb").close()
    except PermissionError as error:
        raise PermissionDenied("may not be read", where=str(path), advice="run as root, or chown it") from error
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from error


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
