"""`reconciler run`, as a service that a story starts and ends."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from story import Story

from lab.device import ROOT
from lab.waiting import wait_until

PATIENCE = 60


@contextmanager
def service(story: Story, end: signal.Signals = signal.SIGTERM) -> Iterator["subprocess.Popen[bytes]"]:
    """The service, after its first pass; ended by a signal, by SIGTERM in order."""
    log = story.folder / "run.log"
    with log.open("wb") as out:
        process = subprocess.Popen(story.device.command("run"), cwd=ROOT, stdin=subprocess.DEVNULL, stderr=out)
    try:
        wait_until(lambda: "pass " in log.read_text(), PATIENCE, "the first pass")
        wait_until(lambda: story.history() != [], PATIENCE, "a report")
        yield process
        process.send_signal(end)
        assert process.wait(PATIENCE) == (0 if end is signal.SIGTERM else -end), log.read_text()
        assert "Traceback" not in log.read_text()
    except BaseException:
        # What the device said tells more than what the test waited for.
        print(log.read_text())
        raise
    finally:
        process.kill()
        process.wait()
