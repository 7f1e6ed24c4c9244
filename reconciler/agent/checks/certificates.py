"""Until when the certificates are good by which Git servers are known: those of the CA here, and the server's own."""

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from reconciler.agent.checks.checked import Checked, Warned, within
from reconciler.errors import ConfigError, PermissionDenied
from reconciler.repository import Remote

PATIENCE_SECONDS = 15.0
# Somebody has to reach the device to change a CA; a server's certificate renews itself a month before its end.
CA_SOON, SERVER_SOON = timedelta(days=30), timedelta(days=14)


def certificates(at: Checked) -> str:
    now = datetime.fromtimestamp(at.now(), UTC)
    found = []
    for remote in dict.fromkeys(one for one in at.remotes if one.url.startswith("https://")):
        if remote.ca_file is not None:
            found.append(_check_ca(remote.ca_file, now))
        # Through a proxy, git alone knows the way; the check `remote` goes it.
        if not remote.proxy:
            found.append(_check_server(remote, now))
    return ", ".join(dict.fromkeys(found)) or "no server is known by one"


def _check_ca(path: Path, now: datetime) -> str:
    """Raises ConfigError when none of the file is good, Warned when one is not, or soon will not be."""
    ends = _ends_of(path)
    over = [end for end in ends if end < now]
    if len(over) == len(ends):
        advice = "put the CA's new certificate there"
        raise ConfigError(f"no certificate in it is good since {max(ends):%Y-%m-%d}", where=str(path), advice=advice)
    if over:
        told = f"{len(over)} of {len(ends)} certificates in it have ended"
        raise Warned(told, where=str(path), advice="remove them")
    if min(ends) < now + CA_SOON:
        told = f"a certificate in it ends on {min(ends):%Y-%m-%d}"
        raise Warned(told, where=str(path), advice="put its successor beside it")
    return f"{path.name} until {min(ends):%Y-%m-%d}"


def _ends_of(path: Path) -> list[datetime]:
    """When each certificate of an authority ends. Raises ConfigError, PermissionDenied."""
    import ssl  # noqa: PLC0415  # heavy, and the service needs none of it

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(path)
    except PermissionError as error:
        raise PermissionDenied("may not be read", where=str(path), advice="run as root, or chown it") from error
    except OSError as error:
        advice = "put a CA's certificate there, as PEM"
        raise ConfigError(f"cannot be used: {error.strerror or error}", where=str(path), advice=advice) from error
    ends = [_moment(str(one["notAfter"])) for one in context.get_ca_certs()]
    if not ends:
        raise ConfigError("has no certificate of an authority", where=str(path), advice="put the CA's there, as PEM")
    return ends


def _check_server(remote: Remote, now: datetime) -> str:
    host = urlsplit(remote.url).hostname or ""
    end = _server_end(remote)
    if end < now + SERVER_SOON:
        told = f"the certificate of {host} ends on {end:%Y-%m-%d}"
        raise Warned(told, advice="renew it on the server: devices refuse it from then on")
    return f"{host} until {end:%Y-%m-%d}"


def _server_end(remote: Remote) -> datetime:
    """Of a handshake, and nothing else. Raises Warned when there is none; whether that matters, `remote` tells."""
    import ssl  # noqa: PLC0415

    parts = urlsplit(remote.url)
    host = parts.hostname or ""

    def shake() -> str:
        context = ssl.create_default_context(cafile=remote.ca_file)
        with (
            socket.create_connection((host, parts.port or 443), PATIENCE_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as sealed,
        ):
            return str((sealed.getpeercert() or {}).get("notAfter"))

    try:
        return _moment(within(PATIENCE_SECONDS, shake))
    except ssl.SSLCertVerificationError as error:
        raise Warned(
            f"{host} is not believed: {error.verify_message}", advice="see `caFile`, and the server"
        ) from error
    except (OSError, ValueError) as error:
        raise Warned(f"{host} shows no certificate: {error}", advice="see the check `remote`") from error


def _moment(written: str) -> datetime:
    import ssl  # noqa: PLC0415

    return datetime.fromtimestamp(ssl.cert_time_to_seconds(written), UTC)
