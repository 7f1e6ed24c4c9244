"""A real Git server: `git http-backend` behind a small HTTP server, on loopback if nothing else is said."""

import argparse
import os
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.git_doors import Doors
from lab.git_http import Backend, HttpServer
from lab.processes import orderly_exit, wait_for_the_end
from lab.waiting import free_port

# Neither the settings of this machine nor those of its user may change what the server does.
_CLEAN = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",  # the folder may belong to another user than root
    "GIT_CONFIG_VALUE_0": "*",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C.UTF-8",
}
# What every forge allows, and what bare partial clones of the reconciler need.
_SETTINGS = {
    "http.receivepack": "true",
    "uploadpack.allowFilter": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "gc.auto": "0",
}


class GitServer:
    """Bare repositories below one folder, over HTTP."""

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        doors: Doors | None = None,
        *,
        address: str = "127.0.0.1",
        certificate: Path | None = None,
    ) -> None:
        self._address, self._certificate = address, certificate
        self.folder = folder.resolve()
        self.port = port or free_port()
        self.requests: Counter[str] = Counter()
        self._env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(self.folder), **_CLEAN}
        self._backend = Backend(self.folder, self._env, doors or Doors(), self.requests)
        self._http: HttpServer | None = None
        self._thread: threading.Thread | None = None

    def create(self, name: str) -> str:
        """Make an empty bare repository whose branch is `main`; gives its URL."""
        path = self.path(name)
        self._git("init", "--quiet", "--bare", "--initial-branch=main", str(path))
        for key, value in _SETTINGS.items():
            self._git("--git-dir", str(path), "config", key, value)
        return self.url(name)

    def path(self, name: str) -> Path:
        """The bare repository on disk."""
        return self.folder / f"{name}.git"

    def url(self, name: str, host: str = "127.0.0.1") -> str:
        scheme = "https" if self._certificate else "http"
        return f"{scheme}://{host}:{self.port}/{name}.git"

    def start(self) -> None:
        """Serve, on the same port as before. Harmless when serving."""
        if self._http is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._http = HttpServer((self._address, self.port), self._backend, self._certificate)
            self._thread = threading.Thread(
                target=self._http.serve_forever, args=(0.05,), name="git-server", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """An outage: connections break, the port refuses new ones, the repositories stay."""
        http, self._http = self._http, None
        if http is not None and self._thread is not None:
            http.shutdown()
            http.server_close()
            http.hang_up()
            self._thread.join()

    def _git(self, *args: str) -> None:
        subprocess.run(["git", *args], env=self._env, check=True, capture_output=True)


@contextmanager
def git_server(folder: Path, port: int | None = None, doors: Doors | None = None) -> Iterator[GitServer]:
    """A Git server that serves until the block ends; `doors` say who comes in."""
    server = GitServer(folder, port, doors)
    with orderly_exit():
        try:
            server.start()
            yield server
        finally:
            server.stop()


def main() -> None:
    """`python -m lab.git_server FOLDER --port N`: serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="lab.git_server", description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=None)
    parser.add_argument("--create", action="append", default=[], metavar="NAME", help="make a repository")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    before = GitServer(options.folder)
    for name in options.create:  # first: who finds the port open finds the repositories, too
        if not before.path(name).exists():
            before.create(name)
    with git_server(options.folder, options.port) as server:
        print(f"serving {server.folder} on http://127.0.0.1:{server.port}", flush=True)
        try:
            wait_for_the_end()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
