"""A signed commit becomes running containers; a changed one changes them, and only what it says."""

import pytest
from story import Story

from lab.engine import Engine
from lab.images import build_probe
from lab.registry import Registry

pytestmark = pytest.mark.docker


def test_a_signed_commit_becomes_running_containers(story: Story, lab_engine: Engine, lab_registry: Registry) -> None:
    image = build_probe(lab_engine.url, lab_registry.host, f"probe-{story.tag}", "ok")
    for name in (image, f"{lab_registry.host}/probe-{story.tag}:1"):
        story.client.images.remove(name)  # it is in the registry alone, as it is for a device
    story.app("web", image)
    story.app("worker", "one")
    commit = story.push("Two apps")

    done = story.once()

    assert done.returncode == 0, done.stderr
    assert f"{image} is not on the device" in done.stdout
    assert {name: seen.state for name, seen in story.seen().items()} == {
        story.container_name("web"): "running",
        story.container_name("worker"): "running",
    }
    assert story.container("web").attrs["Config"]["Image"] == image
    assert story.health("web") == story.health("worker") == "healthy"
    labels = story.container("web").labels
    assert labels["com.docker.compose.project"] == labels["fleet.app"] == story.app_name("web")

    told = story.report()
    assert told.phase == "Healthy"
    for revision in ("seen", "trusted", "attempted", "applied", "healthy"):
        assert told.revision(revision) == commit, revision
    assert told.condition("Trusted").status == told.condition("Ready").status == "True"
    assert told.steps == done.stdout.splitlines()
    service = told.app("web")["services"][0]
    assert (service["state"], service["health"], service["image"]) == ("running", "healthy", image)
    assert service["image_id"] == story.container("web").attrs["Image"]


def test_a_second_pass_has_nothing_to_do_and_only_looks(story: Story) -> None:
    story.app("web", volumes=["data:/data"], more={"volumes": {"data": {}}})
    story.push("One app")
    story.converge()
    assert story.recorder.writes, "the recorder sees the first deployment, so it would see another"
    before, reports = story.seen(), story.history()
    story.recorder.calls.clear()

    done = story.converge()

    assert done.stdout == "nothing to do\n"
    assert story.recorder.calls, "it looked"
    assert story.recorder.writes == []
    assert story.seen() == before
    assert story.history() == reports


def test_a_new_version_replaces_the_container_and_leaves_the_other_app_alone(story: Story) -> None:
    story.app("web", "one")
    story.app("other", "one")
    story.push("The first version")
    story.converge()
    before = story.seen()

    story.app("web", "two")
    commit = story.push("The second version")
    story.converge()

    after = story.seen()
    assert after.keys() == before.keys()
    web, other = story.container_name("web"), story.container_name("other")
    assert after[web].id != before[web].id
    assert after[web].image == story.images["two"]
    assert after[other] == before[other]
    assert story.report().revision("healthy") == commit
    assert story.report().condition("Drifted").status == "False", "a change of Git is no drift"


def test_a_service_waits_for_what_it_depends_on(story: Story) -> None:
    story.app("web", depends_on={"base": {"condition": "service_healthy"}})
    text = (story.ann.work / "apps" / story.app_name("web") / "compose.yaml").read_text()
    story.compose("web", text.replace('"services": {', f'"services": {{"base": {{"image": "{story.images["one"]}"}},'))
    story.push("Two services")
    story.converge()
    base, serve = story.container("web", "base"), story.container("web")
    first_good = base.attrs["State"]["Health"]["Log"][0]["End"]
    assert serve.attrs["State"]["StartedAt"] > first_good


def test_an_app_removed_from_git_is_gone_but_keeps_its_volume(story: Story) -> None:
    story.app("web", volumes=["data:/data"], more={"volumes": {"data": {}}})
    story.app("other")
    story.push("Two apps")
    story.converge()
    story.container("web").exec_run(["sh", "-c", "echo precious >/data/file"])
    other = story.seen()[story.container_name("other")]

    story.drop("web")
    story.push("One app")
    story.converge()

    assert story.seen() == {story.container_name("other"): other}
    mine = {"label": f"fleet.device={story.device.name}"}
    assert [network.name for network in story.client.networks.list(filters=mine)] == [
        f"{story.app_name('other')}_default"
    ]
    volume = f"{story.app_name('web')}_data"
    assert [volume.name for volume in story.client.volumes.list(filters=mine)] == [volume]
    assert story.report().step("remove", story.app_name("web"), "no longer wanted")

    story.app("web", volumes=["data:/data"], more={"volumes": {"data": {}}})
    story.push("And back")
    story.converge()
    assert story.container("web").exec_run(["cat", "/data/file"]).output == b"precious\n"


def test_no_app_at_all_is_refused_unless_git_says_so(story: Story) -> None:
    story.app("web")
    story.push("One app")
    story.converge()
    before = story.seen()

    story.drop("web")
    story.push("A mistake")
    refused = story.once()
    assert refused.returncode == 1
    assert "allowEmpty" in refused.stderr
    assert story.seen() == before

    story.enlist(story.device, allowEmpty=True)
    story.push("It is meant")
    story.converge()
    assert story.seen() == {}


def test_a_changed_config_file_reaches_the_container(story: Story) -> None:
    configs = {"configs": {"words": {"file": "./words.txt"}}}
    mounts = [{"source": "words", "target": "/www/words"}]
    words = f"apps/{story.app_name('web')}/words.txt"
    story.app("web", configs=mounts, more=configs)
    story.write(words, "first\n")
    story.push("The first words")
    story.converge()
    before = story.seen()
    assert story.container("web").exec_run(["cat", "/www/words"]).output == b"first\n"

    story.write(words, "second\n")
    story.push("Other words")
    story.converge()

    after = story.seen()
    web = story.container_name("web")
    assert after[web].id != before[web].id
    assert story.container("web").exec_run(["cat", "/www/words"]).output == b"second\n"
