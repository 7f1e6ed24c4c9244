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
        wait_until(lambda: runs(story, "two"), PATIENCE, "the new version")


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


def test_a_server_of_reports_that_hangs_holds_up_no_orders_and_can_be_replaced(story: Story) -> None:
    story.app("web", "one")
    story.push("One app")
    story.converge()
    with slow_link(story.server.port, HANGING) as tarpit:
        fleet = story.device.config.read_text().split("url: '")[1].split("'")[0]
        url = fleet.replace(f"127.0.0.1:{story.server.port}", tarpit.host)
        reports = f"  status: {{remote: {{url: '{url}'}}}}\n"
        story.settings("spec:\n", f"spec:\n{reports}")
        with service(story):
            for image in ("two", "one"):
                story.app("web", image)
                story.push("Another version")
                wait_until(lambda wanted=image: runs(story, wanted), PATIENCE, image)
            assert len(story.history()) == 1, "nothing was heard of it"
            story.settings(reports, "")
            wait_until(lambda: story.report().phase == "Healthy" and len(story.history()) > 1, PATIENCE, "the report")


def runs(story: Story, image: str) -> bool:
    seen = story.seen().get(story.container_name("web"))
    return seen is not None and (seen.image, seen.state) == (story.images[image], "running")
