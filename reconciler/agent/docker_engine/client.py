"""The SDK's client of one Engine, and its errors as ours.

The SDK's low-level client is used, because its containers.list() inspects each container, ten times dearer than the
one list call that holds all we need.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import docker
import docker.errors
import requests
import urllib3

from reconciler.agent.docker_engine.answers import without_values
from reconciler.errors import EngineError, EngineUnavailable, PermissionDenied, ReconcilerError

# The Engine answers in milliseconds; only a stop takes longer, by the container's own grace period.
TIMEOUT_SECONDS = 60


class Client:
    """One Engine's address, connected to when it is first needed, and again after it went away."""

    def __init__(self, url: str, timeout: float | None = TIMEOUT_SECONDS) -> None:
        self.url, self._timeout = url, timeout
        self._connected: Any = None

    @property
    def api(self) -> Any:
        if self._connected is None:
            api = docker.APIClient(base_url=self.url, version="auto", timeout=self._timeout)
            # On a socket of this machine, no proxy: looking for one in the environment at each call costs as much as
            # the call.
            api.trust_env = not self.url.startswith("unix:")
            self._connected = api
        return self._connected

    @property
    def is_on_this_machine(self) -> bool:
        return self.url.startswith("unix:")

    def another(self) -> "Client":
        """The same Engine by connections of its own, for what takes long."""
        return Client(self.url)

    def patient(self) -> "Client":
        """As `another`, for what may be silent for as long as it likes."""
        return Client(self.url, None)

    @contextmanager
    def errors(self, doing: str, values: Callable[[], Iterable[str]] = tuple) -> Iterator[None]:
        """The SDK's errors as ours, with the Engine's address and its own words, but none of these values.

        They are asked for when there is an error.
        """
        try:
            yield
        except ReconcilerError:
            raise
        except docker.errors.APIError as error:
            told = without_values(str(error.explanation or error).strip(), values())
            # 400 is "bad parameter" (moby, errdefs): the same call fails again, whatever else changes.
            lasting = error.status_code == requests.codes.bad_request
            raise EngineError(f"cannot {doing}: {told}", where=self.url, lasting=lasting) from error
        except (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError) as error:
            # The last is what the SDK's streams raise: they read past requests, which would make it one of its own.
            self._connected = None
            if "PermissionError" in repr(error) or "Permission denied" in str(error):
                advice = "run as root, or as a member of the group docker"
                raise PermissionDenied("may not talk to the Docker Engine", where=self.url, advice=advice) from error
            advice = "start it (systemctl start docker), or set `engine` to where it is"
            raise EngineUnavailable("no Docker Engine answers", where=self.url, advice=advice) from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise EngineError(
                f"cannot {doing}: an answer that is none of the API's: {error!r}", where=self.url
            ) from error
