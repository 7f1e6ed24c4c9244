"""`make demo`: one device obeys Git, in front of the reader, on a real Engine, Git server and registry."""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab.demo_story import Scene, tell
from lab.device import ROOT, Device, compile_code
from lab.engine import private_engine, reachable_engine
from lab.git_server import git_server
from lab.images import build
from lab.operator import Operator
from lab.owned import remove_images, remove_owned
from lab.processes import Server, orderly_exit, wait_for_the_end
from lab.registry import registry
from lab.stage import Stage, StepMissedError

DEVICE = "press-0041"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything running; `make demo-stop` ends it")
    parser.add_argument("--pid-file", type=Path, default=ROOT / ".lab" / "demo.pid")
    options = parser.parse_args()
    # Settings that a group may write are believed by no device.
    os.umask(0o022)
    compile_code()
    if _is_running(options.pid_file):
        print(f"a demo is still running (process {options.pid_file.read_text()}): `make demo-stop` ends it")
        return 1
    return _detached(options.pid_file) if options.keep else _play(keep=False)


def _play(keep: bool, told: int | None = None) -> int:
    """Tell the story, and clean up; with `keep`, only when somebody says so."""
    stage = Stage()
    code = 1
    with orderly_exit(), _folder() as folder:
        try:
            with _scene(stage, folder) as scene:
                tell(scene)
                code = 0
                if keep and told is not None:
                    _keep(scene, told)
        except StepMissedError as error:
            stage.failed(str(error))
            _show_log(folder)
        finally:
            stage.say("everything that the demo made is gone again")
    return code


@contextmanager
def _scene(stage: Stage, folder: Path) -> Iterator[Scene]:
    """An Engine, a registry, a Git server, two people and a device; all gone with the block."""
    with ExitStack() as stack:
        stage.chapter("Setting up", "an Engine, a registry, a Git server, keys, images; all on this machine")
        url = _engine(stage, stack, folder)
        images = stack.enter_context(registry(folder / "registry"))
        stage.say(f"registry at {images.host}")
        build(url, images.host)
        build(url, images.host, which=["detector"], version="1.1")
        remove_images(url)  # the device shall pull them, as devices do
        server = stack.enter_context(git_server(folder / "git"))
        remote = server.create("fleet")
        stage.say(f"Git server at {remote}")
        alice = Operator.create(folder / "alice", "Alice", "alice@acme.example")
        mallory = Operator.create(folder / "mallory", "Mallory", "mallory@acme.example")
        alice.clone(remote)
        device = Device.create(folder / DEVICE, DEVICE, remote, url, [alice], interval="2s")
        agent = Server(device.command("run"), folder / "reconciler.log", {**os.environ, "PYTHONPATH": str(ROOT)})
        stack.callback(agent.stop)
        yield Scene(stage, folder, url, images.host, alice, mallory, device, agent)


def _engine(stage: Stage, stack: ExitStack, folder: Path) -> str:
    """The machine's own Engine, of which only what the demo labels is touched; or, where there is none, our own."""
    found = reachable_engine()
    if found is not None:
        stage.say(f"the Engine that is here already: {found}")
        stack.callback(remove_owned, found, DEVICE)
        return found
    started = stack.enter_context(private_engine(folder / "engine"))
    stage.say(f"no Engine is reachable, so one is started for the demo: {started.url}")
    return started.url


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="fleet-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _show_log(folder: Path) -> None:
    log = folder / "reconciler.log"
    if log.exists():
        print("the reconciler's log ends with:\n" + "\n".join(log.read_text().splitlines()[-20:]))


def _keep(scene: Scene, told: int) -> None:
    scene.stage.chapter("Left running", "try next:")
    for line in scene.hints():
        scene.stage.say(line)
    os.write(told, b"\0")
    os.close(told)
    wait_for_the_end()


def _detached(pid_file: Path) -> int:
    """Play in a process of its own, which stays; this one ends with the story."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setsid()
        pid_file.parent.mkdir(exist_ok=True)
        pid_file.write_text(str(os.getpid()))
        try:
            code = _play(keep=True, told=writing)
        except SystemExit:
            code = 0
        pid_file.unlink(missing_ok=True)
        os._exit(code)
    os.close(writing)
    if os.read(reading, 1):
        return 0
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) or 1


def _is_running(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text()), 0)
    except (OSError, ValueError):
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
