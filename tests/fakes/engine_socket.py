"""An Engine's socket that answers what a test has written down: also half an answer, and silence after it."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

VERSION = {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": "20.10"}


def whole(answer: object) -> bytes:
    """An answer with its length."""
    body = json.dumps(answer).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def streamed(*parts: bytes) -> bytes:
    """An answer in chunks, without the one that ends it."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts)


@dataclass
class Script:
    """By the end of a path, its answer. After it the Engine hangs up; when it `is_silent`, at the end of the test."""

    url: str
    answers: dict[str, bytes] = field(default_factory=lambda: {"/version": whole(VERSION)})
    is_silent: bool = False
    over: threading.Event = field(default_factory=threading.Event)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    script: Script


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        path = self.rfile.readline().decode().split()[1].partition("?")[0]
        length = 0
        while line := self.rfile.readline().strip():
            name, _, value = line.decode().partition(":")
            length = int(value) if name.lower() == "content-length" else length
        self.rfile.read(length)
        answer = next(answer for end, answer in self.server.script.answers.items() if path.endswith(end))
        self.wfile.write(answer)
        if self.server.script.is_silent:
            self.server.script.over.wait()


@contextmanager
def engine_socket(path: Path) -> Iterator[Script]:
    """Listen until the block ends."""
    script = Script(f"unix://{path}")
    with _Server(str(path), _Handler) as server:
        server.script = script
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="engine-socket", daemon=True)
        thread.start()
        try:
            yield script
        finally:
            script.over.set()
            server.shutdown()
            thread.join()
