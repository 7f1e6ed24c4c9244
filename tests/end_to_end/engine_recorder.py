"""A Unix socket in front of the Engine's, which notes every request that goes through it."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedIOBase
from pathlib import Path

_BLOCK = 64 * 1024
_LOOKS = ("GET", "HEAD")


class Recorder:
    """`calls` are the requests so far, as `POST /v1.41/containers/create?name=web`."""

    def __init__(self, path: Path, engine: Path) -> None:
        self.path, self.engine = path, engine
        self.calls: list[str] = []

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    @property
    def writes(self) -> list[str]:
        """The requests that may have changed something."""
        return [call for call in self.calls if call.split()[0] not in _LOOKS]


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    recorder: Recorder

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is what these tests are about."""


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(str(self.server.recorder.engine))
            answers = threading.Thread(target=_pump, args=(engine, self.connection), daemon=True)
            answers.start()
            try:
                with suppress(OSError):
                    while self._forward(engine):
                        pass
            finally:
                with suppress(OSError):
                    engine.shutdown(socket.SHUT_RDWR)
                answers.join()

    def _forward(self, engine: socket.socket) -> bool:
        """Pass one request on; false when the client has gone."""
        head = _head(self.rfile)
        if not head:
            return False
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if "chunked" in headers.get("transfer-encoding", ""):
            raise NotImplementedError("the reconciler uploads nothing of unknown length")
        # Noted before it is passed on: what the Engine did can never be missing here.
        self.server.recorder.calls.append(f"{method} {target}")
        engine.sendall(head + self.rfile.read(int(headers.get("content-length", 0))))
        return True


def _head(stream: BufferedIOBase) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return b""
        head += line
    return head


def _pump(engine: socket.socket, client: socket.socket) -> None:
    with suppress(OSError):
        while block := engine.recv(_BLOCK):
            client.sendall(block)
    with suppress(OSError):  # the Engine hung up: so do we
        client.shutdown(socket.SHUT_RDWR)


@contextmanager
def recorder(path: Path, engine: Path) -> Iterator[Recorder]:
    """Record until the block ends."""
    recording = Recorder(path, engine)
    with _Server(str(path), _Handler) as server:
        server.recorder = recording
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="recorder", daemon=True)
        thread.start()
        try:
            yield recording
        finally:
            server.shutdown()
            thread.join()
