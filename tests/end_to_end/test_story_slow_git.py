"""A Git server that takes connections and says nothing, for longer than anybody wants to wait."""

from collections.abc import Iterator

import pytest
from service import PATIENCE, service
from story import Story, look

from lab.slow_link import SlowLink, slow_link
from lab.waiting import wait_until

pytestmark = pytest.mark.docker
# Less than git itself takes for a stall, so that it hangs on.
HANGING = 1.0


@pytest.fixture
def link(story: Story) -> Iterator[SlowLink]:
    """The way to the Git server, at its best until a test says so."""
    with slow_link(story.server.port, None) as made:
        story.settings(f"127.0.0.1:{story.server.port}", made.host)
        story.settings("interval: 2s", "interval: 1s")
        yield made


def heals(story: Story) -> None:
    before = look(story.container("web"))

    def is_healed() -> bool:
        now = look(story.container("web"))
        return now.state == "running" and now.started_at != before.started_at and story.health("web") == "healthy"

    story.container("web").kill()
    wait_until(is_healed, PATIENCE, "healing")
    assert look(story.container("web")).id == before.id


def test_while_the_server_hangs_a_device_heals_and_reports_it_later(story: Story, link: SlowLink) -> None:
    story.app("web", "one")
    story.push("One app")
    with service(story):
        wait_until(lambda: story.report().phase == "Healthy", PATIENCE, "the first report")
        link.rate = HANGING
        for _ in range(3):
            heals(story)
        link.rate = None
        wait_until(lambda: story.reported_step("start", "had exited with 137"), PATIENCE, "the report of it")
        story.app("web", "two")
        story.push("Another version")
        web = story.container_name("web")
        wait_until(
            lambda: (seen := story.seen().get(web)) is not None and seen.image == story.images["two"],
            PATIENCE,
            "the new version",
        )


def test_at_boot_a_device_does_at_once_what_it_trusted_before(story: Story, link: SlowLink) -> None:
    story.app("web", "one")
    story.push("One app")
    with service(story):
        pass
    story.container("web").kill()
    link.rate = HANGING
    with service(story):
        wait_until(lambda: story.container("web").status == "running", PATIENCE, "what was trusted before")
        link.rate = None
