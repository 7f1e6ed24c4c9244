"""The local door to an agent at work: a Unix socket in its state folder, for whoever may write there.

One request and one answer a connection, each a line of JSON. `{"do": "sync", "seconds": 60}` is answered when a pass
has ended that began after it.
"""

import contextlib
import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from reconciler.agent.passes.reconcile import Result
from reconciler.errors import ReconcilerError, StateError

log = logging.getLogger("reconciler")

NAME = "control.sock"
MAX_LINE = 1024 * 1024
MOST_SECONDS = 3600.0
# Each waits in a thread of its own.
MOST_AT_ONCE = 8
_REQUEST_SECONDS = 5.0
Sync = Callable[[float], Result | None]


def serve_control(folder: Path, sync: Sync) -> Callable[[], None]:
    """Answer on the socket until what is returned is called. Without it, the agent works all the same."""
    try:
        door = _bound(folder)
    except OSError as error:
        log.error("no local socket %s: %s", folder / NAME, error.strerror)
        return lambda: None
    slots = threading.BoundedSemaphore(MOST_AT_ONCE)

    def accept() -> None:
        with contextlib.suppress(OSError):  # closed: the agent ends
            while True:
                asking, _ = door.accept()
                if not slots.acquire(blocking=False):
                    asking.close()
                    continue
                threading.Thread(target=answer, args=(asking,), name="control", daemon=True).start()

    def answer(asking: socket.socket) -> None:
        try:
            with asking:
                _answer(asking, sync)
        finally:
            slots.release()

    threading.Thread(target=accept, name="control", daemon=True).start()

    def stop() -> None:
        with contextlib.suppress(OSError):
            door.shutdown(socket.SHUT_RDWR)
        door.close()
        (folder / NAME).unlink(missing_ok=True)

    return stop


def ask_for_pass(folder: Path, seconds: float) -> dict[str, Any]:
    """Have the agent that works on this state make a pass now: its answer. Raises StateError."""
    advice = "start the service; or make a pass with `reconciler once`"
    try:
        with socket.socket(socket.AF_UNIX) as asking, _near(folder) as near:
            asking.settimeout(seconds + _REQUEST_SECONDS)
            asking.connect(f"{near}/{NAME}")
            asking.sendall(json.dumps({"do": "sync", "seconds": seconds}).encode() + b"\n")
            told = json.loads(_line(asking))
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise StateError("no reconciler is at work on this state", where=str(folder), advice=advice) from error
    except PermissionError as error:
        raise StateError("the agent's socket may not be used", where=str(folder), advice="run as root") from error
    except (OSError, ValueError) as error:
        raise StateError(f"the agent does not answer: {error}", where=str(folder), advice="see its log") from error
    if not isinstance(told, dict) or "errors" not in told:
        raise StateError("the agent answers something else", where=str(folder), advice="restart the service")
    return told


def _bound(folder: Path) -> socket.socket:
    """A socket in the folder, which only its owner may use. The lock on the state keeps a second one out."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / NAME).unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX)
    with _near(folder) as near:
        before = os.umask(0o177)
        try:
            door.bind(f"{near}/{NAME}")
        finally:
            os.umask(before)
    door.listen(MOST_AT_ONCE)
    return door


@contextlib.contextmanager
def _near(folder: Path) -> Iterator[str]:
    """A short name of the folder: the name of a socket has 107 bytes at most (unix(7))."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _answer(asking: socket.socket, sync: Sync) -> None:
    try:
        asking.settimeout(_REQUEST_SECONDS)
        asked = json.loads(_line(asking))
        if not isinstance(asked, dict) or asked.get("do") != "sync":
            raise ValueError("nothing that is known; say `sync`")
        seconds = asked.get("seconds", 60)
        if not isinstance(seconds, int | float) or not 0 < seconds <= MOST_SECONDS:
            raise ValueError(f"`seconds` must be up to {MOST_SECONDS:g}")
        told = _told(sync(float(seconds)), float(seconds))
    except (ValueError, RecursionError) as error:
        told = {"steps": [], "errors": [{"told": f"the request is not understood: {error}", "code": 2}]}
    except OSError:
        return
    with contextlib.suppress(OSError):  # it went away
        asking.sendall(json.dumps(told).encode() + b"\n")


def _told(result: Result | None, seconds: float) -> dict[str, Any]:
    if result is None:
        late = StateError(f"no pass has ended within {seconds:g} s", advice="it goes on; see `reconciler status`")
        return {"steps": [], "errors": [_error(late)]}
    report = result.report
    return {
        "phase": report.phase,
        "trusted": report.revisions.trusted,
        "steps": list(result.steps),
        "errors": [_error(one) for one in result.errors],
    }


def _error(error: ReconcilerError) -> dict[str, Any]:
    return {"told": str(error), "code": error.exit_code}


def _line(asking: socket.socket) -> bytes:
    """One line, or what came before the end. Raises OSError when it takes too long, ValueError for too much."""
    found = b""
    while not found.endswith(b"\n"):
        part = asking.recv(65536)
        if not part:
            break
        found += part
        if len(found) > MAX_LINE:
            raise ValueError("a line without an end")
    return found
