"""A link to a server of this machine on which bytes come as slowly as one likes: a proxy of TCP on loopback."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_CHUNK = 4096


class SlowLink:
    """Passes on what a server at `port` says, at most `rate` bytes a second for all connections; None is no limit."""

    def __init__(self, port: int, rate: float | None) -> None:
        self.rate = rate
        self._server = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._next = 0.0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._listening.getsockname()[1]}"

    def serve(self) -> None:
        """Until it is closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                for source, target, is_slow in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pass_on, args=(source, target, is_slow), daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_slow: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                if is_slow:
                    self._wait_for_turn(len(data))
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _wait_for_turn(self, count: int) -> None:
        if self.rate is None:
            return
        with self._lock:
            now = time.monotonic()
            self._next = max(now, self._next) + count / self.rate
            wait = self._next - now
        # In small pieces, so that a link that gets better is used at once.
        while wait > 0 and self.rate is not None:
            time.sleep(min(wait, 0.1))
            wait -= 0.1


@contextmanager
def slow_link(port: int, rate: float | None) -> Iterator[SlowLink]:
    """The link, until the block ends."""
    link = SlowLink(port, rate)
    threading.Thread(target=link.serve, daemon=True).start()
    try:
        yield link
    finally:
        link.close()
