"""How many calls a client makes to the Engine: it talks to a proxy that counts them."""

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import AF_UNIX, SHUT_WR, socket

_REQUEST = re.compile(rb"^(GET|HEAD|POST|PUT|DELETE) (?:/v[0-9.]+)?(/[^ ?]*)\S* HTTP/1\.1\r$", re.MULTILINE)


class _Proxy(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 128  # Compose opens a connection for each service, all at once

    def __init__(self, at: Path, engine: str) -> None:
        super().__init__(str(at), _Connection)
        self.engine, self.calls = engine, list[str]()


class _Connection(socketserver.BaseRequestHandler):
    server: _Proxy

    def handle(self) -> None:
        with socket(AF_UNIX) as engine:
            engine.connect(self.server.engine)
            back = threading.Thread(target=_copy, args=(engine, self.request), daemon=True)
            back.start()
            while sent := self.request.recv(65536):
                # A client writes the head of a request at once, and no body here looks like one.
                self.server.calls += [b" ".join(found).decode() for found in _REQUEST.findall(sent)]
                engine.sendall(sent)
            engine.shutdown(SHUT_WR)
            back.join()


def _copy(source: socket, to: socket) -> None:
    try:
        while got := source.recv(65536):
            to.sendall(got)
    except OSError:
        pass  # the client has gone


@contextmanager
def counted(folder: Path, url: str) -> Iterator[tuple[str, list[str]]]:
    """The address of a proxy before the Engine, and the calls that came by, which grow meanwhile."""
    at = folder / "counted.sock"
    with _Proxy(at, url.removeprefix("unix://")) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield f"unix://{at}", proxy.calls
        finally:
            proxy.shutdown()
            at.unlink()
