"""A real HTTP proxy on loopback, which asks for a password if it is told one: what stands between plants and servers.

It passes on plain HTTP only (RFC 9112, 3.2.2: the absolute form of a request's target).
"""

import base64
import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP_BY_HOP = {"connection", "proxy-connection", "proxy-authorization", "keep-alive", "transfer-encoding"}
_NOT_PASSED_ON = {*_HOP_BY_HOP, "content-length"}


class HttpProxy(ThreadingHTTPServer):
    """Counts what it passes on, and what it refuses."""

    def __init__(self, credentials: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        # Of what was passed on, the bytes of all bodies, and of headers as nearly as they can be told.
        self.passed, self.refused, self.bytes = 0, 0, 0
        self.expected = f"Basic {base64.b64encode(credentials.encode()).decode()}" if credentials else ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: HttpProxy
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._pass_on(b"")

    def do_POST(self) -> None:
        self._pass_on(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().strip(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _pass_on(self, body: bytes) -> None:
        if self.server.expected and self.headers.get("Proxy-Authorization") != self.server.expected:
            self.server.refused += 1
            self._answer(407, [("Proxy-Authenticate", 'Basic realm="plant"')], b"")
            return
        target = urlsplit(self.path)
        connection = http.client.HTTPConnection(target.hostname or "", target.port)
        headers = {key: value for key, value in self.headers.items() if key.lower() not in _NOT_PASSED_ON}
        path = f"{target.path}?{target.query}" if target.query else target.path
        connection.request(self.command, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        self.server.passed += 1
        self.server.bytes += len(str(self.headers)) + len(body) + len(str(answer.headers)) + len(content)
        self._answer(
            answer.status, [pair for pair in answer.getheaders() if pair[0].lower() not in _NOT_PASSED_ON], content
        )

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def http_proxy(credentials: str = "") -> Iterator[HttpProxy]:
    """Serve until the block ends; `credentials` are `USER:PASSWORD`."""
    proxy = HttpProxy(credentials)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), name="http-proxy", daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
