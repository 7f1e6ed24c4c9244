"""An Engine that hangs up in the middle of a stream, or falls silent: an error of ours, and no defect."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.agent.docker_engine.client import Client
from reconciler.agent.docker_engine.pulling import pull
from reconciler.agent.engine.pull_progress import Progress
from reconciler.errors import EngineUnavailable, ImageUnavailable
from tests.fakes.engine_socket import Script, engine_socket, streamed

IMAGE = "registry.example/web:1"
PROGRESS = b'{"status":"Downloading","progressDetail":{"current":10,"total":100},"id":"a"}\r\n'
MOMENT = 0.2


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Script]:
    with engine_socket(tmp_path / "engine.sock") as script:
        yield script


@pytest.fixture
def client(script: Script) -> Iterator[Client]:
    client = Client(script.url)
    yield client
    client.api.close()


def pulled(client: Client, silence: float = 60.0) -> list[Progress]:
    told: list[Progress] = []
    with client.errors("pull it"):
        pull(client, IMAGE, "", told.append, silence)
    return told


def test_a_pull_that_comes_to_its_end(script: Script, client: Client) -> None:
    script.answers["/images/create"] = streamed(PROGRESS, b"")
    assert [progress.bytes_here for progress in pulled(client)] == [10]


BROKEN = {
    "between two chunks": streamed(PROGRESS),
    "within a chunk": streamed(PROGRESS, PROGRESS)[:-20],
    "before the first": streamed(),
    "within the length of a chunk": streamed(PROGRESS) + b"5",
}


@pytest.mark.parametrize("where", BROKEN)
def test_a_pull_that_loses_its_engine_is_an_image_that_cannot_be_had_now(
    where: str, script: Script, client: Client
) -> None:
    script.answers["/images/create"] = BROKEN[where]
    with pytest.raises(ImageUnavailable, match=f"cannot pull {IMAGE}: the Engine hung up") as caught:
        pulled(client)
    assert caught.value.transient


@pytest.mark.parametrize(
    "sent", [streamed(PROGRESS), streamed(), b""], ids=["after a part", "after the head", "at once"]
)
def test_a_pull_that_falls_silent_is_given_up(sent: bytes, script: Script, client: Client) -> None:
    script.answers["/images/create"], script.is_silent = sent, True
    with pytest.raises(ImageUnavailable, match=f"cannot pull {IMAGE}: nothing arrived for {MOMENT:g} s") as caught:
        pulled(client, MOMENT)
    assert caught.value.transient


def test_any_other_stream_that_breaks_is_an_engine_that_is_away(script: Script, client: Client) -> None:
    script.answers["/events"] = streamed(b"{}")
    answer = client.api._get(client.api._url("/events"), stream=True)
    with answer, pytest.raises(EngineUnavailable), client.errors("listen to it"):
        list(client.api._stream_helper(answer))
