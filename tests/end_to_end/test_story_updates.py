"""What services ask of their updates: a signal instead of a new container, a lock, a pull after the old one is gone."""

from typing import Any

import pytest
from docker.models.containers import Container
from story import Story, look

pytestmark = pytest.mark.docker
# Copies its configuration when it is told to, and ends at a word that it does not know.
_TOLD = """\
copy() { if grep -q bad /etc/menu; then exit 7; fi; cp /etc/menu /www/menu; }
trap copy HUP
trap 'exit 0' TERM
httpd -f -p 8080 -h /www &
copy
while true; do wait; done
"""


def menu(story: Story, content: str) -> None:
    more: dict[str, Any] = {"configs": {"menu": {"content": content}}}
    story.app(
        "web",
        more=more,
        command=["sh", "-c", _TOLD.replace("$", "$$")],
        configs=[{"source": "menu", "target": "/etc/menu"}],
        deploy={"update_config": {"monitor": "1s"}},
        **{"x-reload": "SIGHUP"},
    )


def shown(story: Story) -> str:
    return str(story.container("web").exec_run(["cat", "/www/menu"]).output.decode())


def test_new_configuration_comes_by_a_signal_and_goes_back_by_one(story: Story) -> None:
    menu(story, "soup")
    story.push("The first menu")
    story.converge()
    before = story.seen()
    assert shown(story) == "soup"

    menu(story, "stew")
    story.push("Another menu")
    story.converge()
    assert shown(story) == "stew"
    assert story.seen() == before, "the same container runs on"
    assert story.report().step("signal", "/etc/menu changed")
    assert story.converge().stdout == "nothing to do\n"

    menu(story, "bad")
    story.push("A menu that the program cannot work with")
    done = story.once()
    assert done.returncode == 22, done.stderr
    assert story.report().app("web")["phase"] == "RolledBack"
    web = story.seen()[story.container_name("web")]
    assert (web.id, web.state) == (before[web.name].id, "running")
    assert shown(story) == "stew"


def test_an_update_waits_for_the_lock_that_the_container_holds(story: Story) -> None:
    story.app("web", "one", **{"x-update-lock": "/run/update"})
    story.push("An app that locks")
    story.converge()
    before = story.seen()
    held = story.container("web").exec_run(["sh", "-c", "set -C; echo take 7 > /run/update/lock"], user="1000")
    assert held.exit_code == 0, held.output

    story.app("web", "two", **{"x-update-lock": "/run/update"})
    story.push("Another version")
    done = story.once()
    assert done.returncode == 23
    assert "its update lock is held since 20" in done.stderr
    assert "by take 7" in done.stderr
    assert story.seen() == before
    told = story.report()
    assert (told.phase, told.app("web")["phase"], told.condition("Stalled").status) == ("Locked", "Locked", "False")

    assert story.container("web").exec_run(["rm", "/run/update/lock"]).exit_code == 0
    story.converge()
    assert story.seen()[story.container_name("web")].image == story.images["two"]


def test_on_a_small_disk_the_old_image_goes_before_the_new_one_comes(story: Story) -> None:
    images = story.client.api
    one, two = (f"{story.images[name].partition('@')[0]}:small-{story.tag}-{name}" for name in ("one", "two"))
    for name, image in (("one", one), ("two", two)):
        images.tag(story.images[name], *image.rsplit(":", 1))
        list(images.push(image, stream=True, decode=True))
    images.remove_image(two)
    story.app("web", one, **{"x-pull": "after-remove"})
    story.push("An app of a small device")
    story.converge()

    story.app("web", two, **{"x-pull": "after-remove"})
    story.push("Another version")
    verbs = [line.split()[0] for line in story.converge().stdout.splitlines()]
    assert verbs == ["rename", "stop", "remove", "remove", "pull", "create", "rename", "start", "wait"]
    assert not images.images(one)
    assert story.seen()[story.container_name("web")].image == two
    story.clean()
    images.remove_image(two)


def compose_made(story: Story, app: str, service: str) -> Container:
    """What `docker compose up` made of a project of the app's name."""
    labels = {"com.docker.compose.project": story.app_name(app), "com.docker.compose.service": service}
    return story.others_container(story.container_name(app, service), "one", labels)


def test_containers_that_compose_made_are_taken_over_by_a_word_and_given_back_if_that_fails(story: Story) -> None:
    theirs, other = compose_made(story, "web", "serve"), compose_made(story, "web", "other")
    before = look(theirs), look(other)
    story.app("web", "two")
    story.push("An app of the project's name")
    assert story.once().returncode == 20
    assert (look(theirs), look(other)) == before

    story.app("web", "sick", {"x-adopt": True})
    story.push("Take over, with a version that is not well")
    done = story.once()
    assert done.returncode == 22
    assert "was given back to Docker Compose" in done.stderr
    after = look(theirs)
    assert (after.id, after.name, after.state, look(other)) == (before[0].id, before[0].name, "running", before[1])
    assert story.report().app("web")["phase"] == "RolledBack"

    story.app("web", "two", {"x-adopt": True})
    story.push("Take over")
    story.converge()
    assert story.seen()[story.container_name("web")].image == story.images["two"]
    assert look(other) == before[1], "a service that Git does not name"
    assert story.converge().stdout == "nothing to do\n"
