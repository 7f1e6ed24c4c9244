"""HTTP in front of `git http-backend`: the CGI protocol, streamed both ways."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import urllib.parse
from collections import Counter
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO

from lab.git_doors import Doors

_BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Backend:
    """What the handler of one request needs to know."""

    folder: Path
    env: dict[str, str]
    doors: Doors
    requests: "Counter[str]"


class HttpServer(ThreadingHTTPServer):
    """A thread for each connection, and a way to break all of them."""

    daemon_threads = True
    block_on_close = False  # a connection that is kept alive would hold up the outage

    def __init__(self, address: tuple[str, int], backend: Backend, certificate: Path | None = None) -> None:
        self.backend = backend
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, object]:
        request, address = super().get_request()
        if self._tls is not None:
            # Hands are shaken by the thread of the connection, when it reads.
            request = self._tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        return request, address

    def process_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: object) -> None:
        assert isinstance(request, socket.socket)
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Break the connections which are still open, as a cut cable would."""
        with self._lock:
            still_open = list(self._open)
        for connection in still_open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # git keeps one connection for a whole fetch
    disable_nagle_algorithm = True
    server: HttpServer

    def do_GET(self) -> None:
        backend = self.server.backend
        path, _, query = self.path.partition("?")
        backend.requests[path] += 1
        with tempfile.TemporaryFile() as body:
            # Spooled, not piped: a backend that answers before it has read all cannot block us.
            length = self._receive(body)
            env = backend.doors.enter(self.headers.get("Authorization", ""), backend.env)
            if env is None:
                self._refuse()
                return
            self._run({**env, **self._cgi(path, query, length)}, body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the tests count requests in `GitServer.requests`."""

    def _refuse(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="lab"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _receive(self, body: IO[bytes]) -> int:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body.write(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():  # trailers
                pass
        else:
            left = int(self.headers.get("Content-Length") or 0)
            while left and (block := self.rfile.read(min(left, _BLOCK))):
                body.write(block)
                left -= len(block)
        length = body.tell()
        body.seek(0)
        return length

    def _cgi(self, path: str, query: str, length: int) -> dict[str, str]:
        env = {
            "GIT_PROJECT_ROOT": str(self.server.backend.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GATEWAY_INTERFACE": "CGI/1.1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": urllib.parse.unquote(path),
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "REMOTE_ADDR": self.client_address[0],
        }
        # The backend inflates gzip by itself, and passes the protocol's version on.
        for header, name in (("Content-Encoding", "HTTP_CONTENT_ENCODING"), ("Git-Protocol", "GIT_PROTOCOL")):
            if value := self.headers.get(header):
                env[name] = value
        return env

    def _run(self, env: dict[str, str], body: IO[bytes]) -> None:
        child = subprocess.Popen(
            [_http_backend()], env=env, stdin=body, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert child.stdout is not None
        try:
            self._answer(child.stdout)
        finally:  # also when the client went away in the middle
            child.stdout.close()
            child.kill()
            child.wait()

    def _answer(self, out: IO[bytes]) -> None:
        status, headers = _read_head(out)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if any(name.lower() == "content-length" for name, _ in headers):
            self.end_headers()
            shutil.copyfileobj(out, self.wfile, _BLOCK)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while block := out.read1(_BLOCK):  # type: ignore[attr-defined]  # a pipe's BufferedReader
            self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
        self.wfile.write(b"0\r\n\r\n")


@cache
def _http_backend() -> str:
    """The program itself, as other servers start it: by way of `git` it would be one process more."""
    told = subprocess.run(["git", "--exec-path"], check=True, capture_output=True, text=True).stdout
    return f"{told.strip()}/git-http-backend"


def _read_head(out: IO[bytes]) -> tuple[int, list[tuple[str, str]]]:
    status = 200
    headers: list[tuple[str, str]] = []
    for raw in iter(out.readline, b""):
        line = raw.decode("latin-1").strip()
        if not line:
            return status, headers
        name, _, value = line.partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers.append((name, value.strip()))
    return 500, [("Content-Length", "0")]  # it died before it said anything
