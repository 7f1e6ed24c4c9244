"""One pull, from the first byte to the last: POST /images/create, with its progress as it comes."""

from collections.abc import Iterable, Mapping
from typing import Any

import docker.auth
import docker.errors
import requests
import urllib3

from reconciler.agent.docker_engine.client import Client
from reconciler.agent.engine.pull_progress import Layers, Tell
from reconciler.errors import ImageUnavailable

# Between two words of progress; unpacking a layer of a gigabyte on an SD card is silent for a minute or two.
SILENCE_SECONDS = 300


def pull(client: Client, image: str, platform: str, tell: Tell, silence: float = SILENCE_SECONDS) -> None:
    """Make an image local. What `tell` raises ends the pull, and the Engine gives it up.

    Raises ImageUnavailable, and EngineUnavailable. The SDK's own pull has no deadline: a registry that falls silent
    would hold up the device for ever.
    """
    api = client.api
    registry, _ = docker.auth.resolve_repository_name(image)
    header = docker.auth.get_config_header(api, registry)
    given = {"fromImage": image, "platform": platform}
    try:
        answer = api._post(
            api._url("/images/create"),
            params={key: value for key, value in given.items() if value},
            headers={"X-Registry-Auth": header} if header else {},
            stream=True,
            timeout=silence,
        )
        with answer:
            api._raise_for_status(answer)
            _follow(image, api._stream_helper(answer, decode=True), tell)
    except docker.errors.APIError as error:
        raise _not_pulled(image, str(error.explanation)) from error
    except (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError) as error:
        raise _not_pulled(image, f"nothing arrived for {silence:g} s") from error
    except urllib3.exceptions.HTTPError as error:
        raise _not_pulled(image, "the Engine hung up in the middle of it") from error


def _follow(image: str, lines: Iterable[Mapping[str, Any]], tell: Tell) -> None:
    layers = Layers()
    for line in lines:
        if "error" in line:
            raise _not_pulled(image, str(line["error"]))
        layers.add(line)
        tell(layers.progress)


def _not_pulled(image: str, why: str) -> ImageUnavailable:
    return ImageUnavailable(
        f"cannot pull {image}: {why[:300]}", advice="nothing was stopped; the next pass tries again"
    )
