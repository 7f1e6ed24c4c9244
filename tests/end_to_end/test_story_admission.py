"""What reaches out of a container needs a word on the device itself; a change in Git alone opens nothing."""

import pytest
from story import Story

pytestmark = pytest.mark.docker


def allow(story: Story, *grants: str) -> None:
    """The device's owner writes the list anew."""
    lines = [line for line in story.device.config.read_text().splitlines() if "admission" not in line]
    listed = ", ".join(f'"{grant}"' for grant in grants)
    story.device.config.write_text("\n".join([*lines, f"  admission: {{allow: [{listed}]}}", ""]))


def test_what_is_not_allowed_is_refused_and_what_runs_goes_on(story: Story) -> None:
    story.app("web")
    story.app("other")
    story.push("Two apps")
    story.converge()
    before = story.seen()
    story.app("web", volumes=["/etc:/host/etc:ro"])
    story.app("other", environment={"CHANGED": "yes"})
    story.push("Read the device's own files")
    done = story.once()
    assert done.returncode == 11, done.stderr
    assert "ADMISSION_BIND" in done.stderr
    assert "`bind:/etc`" in done.stderr
    after = story.seen()
    name = story.container_name("web")
    assert after[name] == before[name], "the refused app is left alone"
    assert after[story.container_name("other")] != before[story.container_name("other")], "the others go on"
    story.container("web").stop(timeout=0)
    assert story.once().returncode == 11
    assert story.seen()[name].state == "running", "and its last good state is healed"


def test_what_is_allowed_runs_and_ends_with_the_word(story: Story) -> None:
    story.app("web", volumes=["/etc/hostname:/host/name:ro"], cap_add=["SYS_TIME"])
    story.push("Needs two things")
    allow(story, "bind:/etc")
    assert "`cap:SYS_TIME`" in story.once().stderr
    assert not story.seen()
    allow(story, "bind:/etc", "cap:SYS_TIME")
    story.converge()
    binds = story.container("web").attrs["HostConfig"]["Binds"]
    assert binds == ["/etc/hostname:/host/name:ro"]
    running = story.seen()
    allow(story, "cap:SYS_TIME")
    assert story.once().returncode == 11
    assert story.seen() == running, "it is not stopped"
    story.container("web").remove(force=True)
    assert story.once().returncode == 11
    assert not story.seen(), "and it is not made again"


def test_services_that_share_a_network_stay_together(story: Story) -> None:
    side = {"network_mode": "service:serve", "entrypoint": ["sleep", "1000"], "healthcheck": {"disable": True}}
    services = {"serve": {"restart": "unless-stopped"}, "side": side}
    body = {name: {"image": story.images["one"], **service} for name, service in services.items()}
    story.app("web", more={"services": body})
    story.push("Two in one network")
    story.converge()
    serve, other = story.container("web"), story.container("web", "side")
    assert other.attrs["HostConfig"]["NetworkMode"] == f"container:{serve.id}"
    serve.remove(force=True)
    story.converge()
    anew = story.container("web")
    assert anew.id != serve.id
    assert story.container("web", "side").attrs["HostConfig"]["NetworkMode"] == f"container:{anew.id}"
    assert "nothing to do" in story.once().stdout
