"""The wheel: all of the program, nothing else, and a device that runs from it with the device's own packages."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.fakes.wheels import make_wheel

ROOT = Path(__file__).parent.parent
# What only operators install; hidden, as where it is missing.
WITHOUT_GIT = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name == "git":
            raise ModuleNotFoundError("No module named 'git'", name="git")
sys.meta_path.insert(0, Hidden())
sys.argv = {argv!r}
from {module} import main
sys.exit(main())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_wheel(tmp_path_factory.mktemp("wheel"))


def run(wheel: Path, module: str, *argv: str) -> "subprocess.CompletedProcess[str]":
    """A command out of the wheel, which Python can read as it is."""
    code = WITHOUT_GIT.format(argv=["command", *argv], module=module)
    env = {"PYTHONPATH": str(wheel), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-P", "-c", code]
    return subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, check=False)


def test_it_holds_the_program_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    written = {
        path.relative_to(ROOT).as_posix() for top in ("reconciler", "signing") for path in (ROOT / top).rglob("*.py")
    }
    assert names == written


def test_a_device_needs_nothing_of_the_operators(wheel: Path) -> None:
    done = run(wheel, "reconciler.agent.cli", "check", "--config", "/nonexistent")
    assert "Traceback" not in done.stderr
    assert "/nonexistent" in done.stdout + done.stderr
    assert run(wheel, "signing.__main__", "--help").returncode == 0


def test_without_the_operators_part_it_is_said_what_to_install(wheel: Path) -> None:
    done = run(wheel, "reconciler.fleet.entry", "--version")
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'git-edge-reconciler[fleet]'" in done.stderr
