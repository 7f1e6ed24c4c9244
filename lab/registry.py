"""A real image registry on loopback: Debian's `docker-registry`."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.processes import Server, orderly_exit
from lab.waiting import free_port, wait_until


class Registry:
    """The registry and its switch. Engines trust 127.0.0.0/8 without TLS."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._server = Server(["docker-registry", "serve", str(folder / "registry.yml")], folder / "registry.log")

    @property
    def host(self) -> str:
        """What an image's name starts with: `127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self._server.log

    @property
    def pid(self) -> int | None:
        return self._server.pid

    def start(self) -> None:
        """Serve, on the same port and with the same images as before. Harmless when serving."""
        if self._server.is_running():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        # JSON is YAML; and nobody has to quote a path.
        (self.folder / "registry.yml").write_text(json.dumps(self._settings(), indent=2))
        self._server.start()
        try:
            wait_until(self._answers, 60, "the registry")
        except BaseException:
            self._server.stop()
            raise

    def stop(self) -> None:
        """An outage: the port refuses connections, the images stay."""
        self._server.stop()

    def _settings(self) -> dict[str, object]:
        return {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.folder.resolve() / "images")},
                "delete": {"enabled": True},
            },
            "http": {"addr": self.host},
        }

    def _answers(self) -> bool:
        self._server.check_running()
        try:
            with urllib.request.urlopen(f"http://{self.host}/v2/", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False


@contextmanager
def registry(folder: Path, port: int | None = None) -> Iterator[Registry]:
    """A registry that serves until the block ends; its images lie in `folder`."""
    server = Registry(folder, port)
    with orderly_exit():
        try:
            server.start()
            yield server
        finally:
            server.stop()
