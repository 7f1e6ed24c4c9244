"""Listens to the Engine, so that what happens to a container is healed at once and not at the next interval."""

import logging
import threading
from collections.abc import Callable, Iterator

from reconciler.errors import ReconcilerError

log = logging.getLogger("reconciler")

# While no Engine answers, the passes tell it; this only waits for it to come back.
RETRY_SECONDS = 5.0


def watch(changes: Callable[[], Iterator[str]], ring: Callable[[], None]) -> threading.Thread:
    """Ring for each change, from a thread that ends with the process. Passes find what happens while nobody listens."""

    def listen() -> None:
        waiting = threading.Event()
        while True:
            try:
                for change in changes():
                    log.debug("event    %s", change)
                    ring()
            except ReconcilerError as error:
                log.debug("events   %s", error)
            waiting.wait(RETRY_SECONDS)
            # What happened meanwhile came with no event.
            ring()

    thread = threading.Thread(target=listen, name="engine-events", daemon=True)
    thread.start()
    return thread
