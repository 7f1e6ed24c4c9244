"""What every Engine keeps, as tests; a bench gives them one Engine and a hand from outside.

test_engine_contract.py runs them against the fake and against a real Docker Engine.
"""

import hashlib
import re
from dataclasses import replace
from typing import Protocol

import pytest

from lab.waiting import wait_until
from reconciler.agent.engine.seam import Engine
from reconciler.errors import EngineError, EngineUnavailable, ImageUnavailable, ServiceFailed
from reconciler.model import (
    App,
    Attachment,
    Condition,
    ConfigFile,
    Container,
    Dependency,
    DesiredState,
    Healthcheck,
    Limits,
    Mount,
    Network,
    ObservedState,
    Port,
    Service,
    Update,
    Volume,
)
from reconciler.model.image import listed_name
from reconciler.planning import (
    AwaitCompleted,
    AwaitHealthy,
    ConnectNetwork,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    DisconnectNetwork,
    PullImage,
    RemoveContainer,
    RemoveImage,
    RemoveNetwork,
    RenameContainer,
    SignalContainer,
    StartContainer,
    StopContainer,
    StoreConfig,
    UnpauseContainer,
    UpdateContainer,
    WriteLive,
    fingerprint,
    kept_limits,
    make_plan,
    network_fingerprint,
)

# Every step says which app it is of, what it is about and why.
WHY = ("app", "app/web", "contract")
WEB, DEFAULT, BACK = "app-web-1", "app_default", "app_back"
SHORTER = ConfigFile(hashlib.sha256(b"none\n").hexdigest(), b"none\n")
LIVE = "app/web/etc%2Fmenu"
MIB = 1024 * 1024
CONFIG = ConfigFile(hashlib.sha256(b"threshold: 3\n").hexdigest(), b"threshold: 3\n")


class Bench(Protocol):
    """An Engine under test, and what somebody with the docker command does to it."""

    engine: Engine
    device: str

    def image(self, behaviour: str) -> str:
        """An image that a registry has: `ok`, `unhealthy`, `exits` or `job`; and `missing`, which it has not."""

    def other(self, device: str) -> Engine:
        """The same Engine, seen by another device's agent."""

    def dead(self) -> Engine:
        """An Engine at an address where nobody listens."""

    def foreign(self, name: str, network: str = "bridge") -> None: ...

    def pause(self, name: str) -> None: ...

    def adjust(self, name: str, memory: int) -> None:
        """docker update --memory, with as much swap again"""

    def kill(self, name: str) -> None: ...

    def reads(self, name: str, path: str) -> bytes:
        """The content of a file in a container."""


def web(bench: Bench, behaviour: str = "ok", **fields: object) -> Service:
    given = {"networks": (Attachment(DEFAULT),), "update": Update(monitor=0.5), "stop_grace_period": 2.0, **fields}
    return Service("web", bench.image(behaviour), WEB, **given)  # type: ignore[arg-type]  # each test gives its own


def look(bench: Bench) -> ObservedState:
    return bench.engine.observe(bench.device)


def seen(bench: Bench, name: str = WEB) -> Container:
    return next(container for container in look(bench).containers if container.name == name)


def make_network(bench: Bench, name: str = DEFAULT) -> None:
    network = Network(name.partition("_")[2], name)
    bench.engine.perform(CreateNetwork(*WHY, network, network_fingerprint(network)))


def create(bench: Bench, service: Service, name: str = WEB) -> Container:
    """Pull and create; what is created is on its first network only."""
    if listed_name(service.image) not in look(bench).images:
        bench.engine.perform(PullImage(*WHY, service.image))
    bench.engine.perform(CreateContainer(*WHY, service, name, fingerprint(service)))
    return seen(bench, name)


def start(bench: Bench, service: Service, name: str = WEB) -> Container:
    created = create(bench, service, name)
    bench.engine.perform(StartContainer(*WHY, created.id))
    return seen(bench, name)


class EngineContract:
    """The tests. The fixture `bench` comes from the class that runs them."""

    def test_a_created_container_is_seen_with_all_that_plans_need(self, bench: Bench) -> None:
        make_network(bench)
        service = web(bench)
        found = create(bench, service)
        assert found == Container(
            id=found.id,
            name=WEB,
            app="app",
            service="web",
            fingerprint=fingerprint(service),
            image=service.image,
            image_id=look(bench).images[listed_name(service.image)],
            state="created",
            networks=frozenset({DEFAULT}),
        )

    def test_a_started_container_runs_and_becomes_healthy(self, bench: Bench) -> None:
        make_network(bench)
        service = web(bench)
        found = start(bench, service)
        assert (found.state, found.health, found.exit_code) == ("running", "starting", None)
        bench.engine.perform(AwaitHealthy(*WHY, found.id, service))
        assert seen(bench) == replace(found, health="healthy")

    def test_starting_what_runs_changes_nothing(self, bench: Bench) -> None:
        make_network(bench)
        found = start(bench, web(bench))
        bench.engine.perform(StartContainer(*WHY, found.id))
        assert seen(bench).state == "running"

    def test_limits_and_restart_policy_change_in_place(self, bench: Bench) -> None:
        make_network(bench)
        found = start(bench, web(bench, limits=Limits(memory=64 * MIB, pids=100)))
        assert found.limits == kept_limits(Limits(memory=64 * MIB, pids=100))
        wanted = web(bench, limits=Limits(cpus=0.5, memory=32 * MIB, cpu_shares=512), restart="always")
        bench.engine.perform(UpdateContainer(*WHY, found.id, wanted))
        after = seen(bench)
        assert (after.id, after.state) == (found.id, "running")
        assert after.limits == kept_limits(wanted.limits)
        assert (after.restart, after.restart_attempts) == ("always", 0)

    def test_limits_of_a_stopped_container_change_as_well(self, bench: Bench) -> None:
        make_network(bench)
        wanted = web(bench, limits=Limits(memory=64 * MIB), restart="on-failure", restart_attempts=3)
        bench.engine.perform(UpdateContainer(*WHY, create(bench, web(bench)).id, wanted))
        after = seen(bench)
        assert (after.limits.memory, after.restart, after.restart_attempts) == (64 * MIB, "on-failure", 3)

    def test_what_docker_update_did_is_seen_and_undone(self, bench: Bench) -> None:
        make_network(bench)
        service = web(bench, limits=Limits(memory=64 * MIB))
        found = start(bench, service)
        bench.adjust(WEB, 32 * MIB)
        fresh = bench.other(bench.device)
        drifted = next(c for c in fresh.observe(bench.device).containers if c.name == WEB)
        assert drifted.limits == kept_limits(Limits(memory=32 * MIB))
        fresh.perform(UpdateContainer(*WHY, found.id, service))
        assert seen(bench).limits == kept_limits(service.limits)

    def test_a_file_changes_under_its_container_and_a_signal_tells_of_it(self, bench: Bench) -> None:
        make_network(bench)
        mount = Mount("config", "/etc/menu", CONFIG.name, read_only=True, live=LIVE)
        bench.engine.perform(WriteLive(*WHY, LIVE, CONFIG, is_told=True))
        found = start(bench, web(bench, mounts=(mount,), update=Update(monitor=0.5, reload="SIGCONT")))
        assert bench.reads(WEB, "/etc/menu") == CONFIG.content
        assert look(bench).live == {LIVE: CONFIG.name}
        bench.engine.perform(WriteLive(*WHY, LIVE, SHORTER, is_told=False))
        assert bench.reads(WEB, "/etc/menu") == SHORTER.content
        assert look(bench).live == {}, "it is not told of it yet"
        bench.engine.perform(SignalContainer(*WHY, found.id, "SIGCONT", ((LIVE, SHORTER.name),)))
        assert look(bench).live == {LIVE: SHORTER.name}
        assert (seen(bench).id, seen(bench).state) == (found.id, "running")

    def test_what_does_not_run_cannot_be_told(self, bench: Bench) -> None:
        make_network(bench)
        found = create(bench, web(bench))
        with pytest.raises(EngineError, match="is not running"):
            bench.engine.perform(SignalContainer(*WHY, found.id, "SIGHUP", ()))

    def test_one_that_was_well_must_stay_so(self, bench: Bench) -> None:
        make_network(bench)
        service = web(bench, "unhealthy")
        found = start(bench, service)
        with pytest.raises(ServiceFailed, match="is unhealthy"):
            bench.engine.perform(AwaitHealthy(*WHY, found.id, service, was_well=True))

    def test_an_image_is_removed_unless_a_container_needs_it(self, bench: Bench) -> None:
        make_network(bench)
        service = web(bench, "job")
        found = create(bench, service)
        bench.engine.perform(RemoveImage(*WHY, service.image))
        assert listed_name(service.image) in look(bench).images
        bench.engine.perform(RemoveContainer(*WHY, found.id))
        bench.engine.perform(RemoveImage(*WHY, service.image))
        assert listed_name(service.image) not in look(bench).images
        bench.engine.perform(RemoveImage(*WHY, service.image))

    def test_a_stopped_container_has_exited_and_is_removed(self, bench: Bench) -> None:
        make_network(bench)
        found = start(bench, web(bench))
        with pytest.raises(EngineError):
            bench.engine.perform(RemoveContainer(*WHY, found.id))
        bench.engine.perform(StopContainer(*WHY, found.id))
        stopped = seen(bench)
        assert (stopped.state, stopped.health, stopped.exit_code) == ("exited", "", 0)
        assert stopped.networks == {DEFAULT}
        bench.engine.perform(StopContainer(*WHY, found.id))
        bench.engine.perform(RemoveContainer(*WHY, found.id))
        assert not look(bench).containers

    def test_a_container_tells_since_when_it_runs(self, bench: Bench) -> None:
        make_network(bench)
        created = create(bench, web(bench))
        assert (created.started_at, created.restarts, created.out_of_memory) == ("", 0, False)
        bench.engine.perform(StartContainer(*WHY, created.id))
        running = seen(bench)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", running.started_at)
        assert (running.restarts, running.out_of_memory) == (0, False)
        bench.kill(WEB)
        assert (seen(bench).started_at, seen(bench).out_of_memory) == (running.started_at, False)

    def test_what_the_engine_starts_again_is_counted(self, bench: Bench) -> None:
        make_network(bench)
        found = start(bench, web(bench, "exits", restart="always"))
        # Nobody listens to its events here, and one look after the other may find it in the same state.
        fresh = bench.other(bench.device)
        wait_until(lambda: fresh.observe(bench.device).containers[0].restarts > 0, 10, "the Engine to start it again")
        bench.engine.perform(StopContainer(*WHY, found.id))
        bench.engine.perform(RemoveContainer(*WHY, found.id))

    def test_a_killed_container_shows_its_signal(self, bench: Bench) -> None:
        make_network(bench)
        start(bench, web(bench))
        bench.kill(WEB)
        assert (seen(bench).state, seen(bench).exit_code) == ("exited", 137)

    def test_a_paused_container_is_seen_and_runs_again(self, bench: Bench) -> None:
        make_network(bench)
        found = start(bench, web(bench))
        bench.pause(WEB)
        assert (seen(bench).state, seen(bench).health) == ("paused", "")
        for refused in (StartContainer, RemoveContainer):
            with pytest.raises(EngineError):
                bench.engine.perform(refused(*WHY, found.id))
        bench.engine.perform(UnpauseContainer(*WHY, found.id))
        assert seen(bench).state == "running"
        with pytest.raises(EngineError):
            bench.engine.perform(UnpauseContainer(*WHY, found.id))

    def test_a_paused_container_can_be_stopped(self, bench: Bench) -> None:
        make_network(bench)
        found = start(bench, web(bench))
        bench.pause(WEB)
        bench.engine.perform(StopContainer(*WHY, found.id))
        bench.engine.perform(RemoveContainer(*WHY, found.id))
        assert not look(bench).containers

    def test_a_renamed_container_stays_the_same_one(self, bench: Bench) -> None:
        make_network(bench)
        found = start(bench, web(bench))
        bench.engine.perform(RenameContainer(*WHY, found.id, f"{WEB}.previous"))
        assert seen(bench, f"{WEB}.previous").id == found.id
        create(bench, web(bench), WEB)
        with pytest.raises(EngineError):
            bench.engine.perform(RenameContainer(*WHY, found.id, WEB))

    def test_containers_are_found_by_name_too(self, bench: Bench) -> None:
        make_network(bench)
        create(bench, web(bench), f"{WEB}.next")
        bench.engine.perform(RenameContainer(*WHY, f"{WEB}.next", WEB))
        bench.engine.perform(StartContainer(*WHY, WEB))
        assert seen(bench).state == "running"

    def test_a_container_joins_and_leaves_networks(self, bench: Bench) -> None:
        make_network(bench)
        make_network(bench, BACK)
        service = web(bench, networks=(Attachment(DEFAULT), Attachment(BACK)))
        found = start(bench, service)
        assert found.networks == {DEFAULT}
        bench.engine.perform(ConnectNetwork(*WHY, found.id, service, service.networks[1]))
        assert seen(bench).networks == {DEFAULT, BACK}
        bench.engine.perform(DisconnectNetwork(*WHY, found.id, DEFAULT))
        bench.engine.perform(DisconnectNetwork(*WHY, found.id, BACK))
        assert seen(bench).networks == set()
        with pytest.raises(EngineError):
            bench.engine.perform(DisconnectNetwork(*WHY, found.id, BACK))
        with pytest.raises(EngineError):
            bench.engine.perform(ConnectNetwork(*WHY, found.id, service, Attachment("app_nowhere")))

    def test_a_stopped_container_joins_and_leaves_networks(self, bench: Bench) -> None:
        make_network(bench)
        make_network(bench, BACK)
        service = web(bench, networks=(Attachment(DEFAULT), Attachment(BACK)))
        found = create(bench, service)
        bench.engine.perform(ConnectNetwork(*WHY, found.id, service, service.networks[1]))
        assert seen(bench).networks == {DEFAULT, BACK}
        bench.engine.perform(DisconnectNetwork(*WHY, found.id, DEFAULT))
        bench.engine.perform(StartContainer(*WHY, found.id))
        assert (seen(bench).state, seen(bench).networks) == ("running", {BACK})

    def test_a_paused_container_leaves_and_joins_networks(self, bench: Bench) -> None:
        make_network(bench)
        service = web(bench)
        found = start(bench, service)
        bench.pause(WEB)
        bench.engine.perform(DisconnectNetwork(*WHY, found.id, DEFAULT))
        bench.engine.perform(ConnectNetwork(*WHY, found.id, service, service.networks[0]))
        bench.engine.perform(UnpauseContainer(*WHY, found.id))
        assert (seen(bench).state, seen(bench).networks) == ("running", {DEFAULT})

    def test_a_container_without_networks_is_on_the_one_called_none(self, bench: Bench) -> None:
        found = start(bench, web(bench, networks=(), network_mode="none"))
        assert (found.state, found.networks) == ("running", {"none"})

    def test_a_network_with_a_running_container_stays(self, bench: Bench) -> None:
        make_network(bench)
        with pytest.raises(EngineError):
            make_network(bench)
        found = start(bench, web(bench))
        network = next(network for network in look(bench).networks if network.name == DEFAULT)
        with pytest.raises(EngineError):
            bench.engine.perform(RemoveNetwork(*WHY, network.id))
        bench.engine.perform(StopContainer(*WHY, found.id))
        bench.engine.perform(RemoveNetwork(*WHY, network.id))
        assert DEFAULT not in {network.name for network in look(bench).networks}
        assert seen(bench).networks == {DEFAULT}
        with pytest.raises(EngineError):
            bench.engine.perform(StartContainer(*WHY, found.id))

    def test_a_network_made_anew_must_be_joined_anew(self, bench: Bench) -> None:
        """The container shows the network's name, and means the old one's id."""
        make_network(bench)
        service = web(bench)
        found = start(bench, service)
        bench.engine.perform(StopContainer(*WHY, found.id))
        network = next(network for network in look(bench).networks if network.name == DEFAULT)
        bench.engine.perform(RemoveNetwork(*WHY, network.id))
        make_network(bench)
        assert seen(bench).networks == {DEFAULT}
        with pytest.raises(EngineError):
            bench.engine.perform(StartContainer(*WHY, found.id))
        bench.engine.perform(DisconnectNetwork(*WHY, found.id, DEFAULT))
        bench.engine.perform(ConnectNetwork(*WHY, found.id, service, service.networks[0]))
        bench.engine.perform(StartContainer(*WHY, found.id))
        assert (seen(bench).state, seen(bench).networks) == ("running", {DEFAULT})

    def test_a_stopped_container_can_leave_a_network_that_is_gone(self, bench: Bench) -> None:
        make_network(bench)
        found = start(bench, web(bench))
        bench.engine.perform(StopContainer(*WHY, found.id))
        network = next(network for network in look(bench).networks if network.name == DEFAULT)
        bench.engine.perform(RemoveNetwork(*WHY, network.id))
        bench.engine.perform(DisconnectNetwork(*WHY, found.id, DEFAULT))
        assert seen(bench).networks == set()

    def test_a_created_container_can_leave_a_network_that_is_gone(self, bench: Bench) -> None:
        make_network(bench)
        make_network(bench, BACK)
        service = web(bench)
        found = create(bench, service)
        bench.engine.perform(ConnectNetwork(*WHY, found.id, service, Attachment(BACK)))
        network = next(network for network in look(bench).networks if network.name == BACK)
        bench.engine.perform(RemoveNetwork(*WHY, network.id))
        assert seen(bench).networks == {DEFAULT, BACK}
        bench.engine.perform(DisconnectNetwork(*WHY, found.id, BACK))
        bench.engine.perform(StartContainer(*WHY, found.id))
        assert (seen(bench).state, seen(bench).networks) == ("running", {DEFAULT})

    def test_two_running_containers_cannot_publish_one_port(self, bench: Bench) -> None:
        make_network(bench)
        service = web(bench, ports=(Port(8080, published="48083", host_ip="127.0.0.1"),))
        start(bench, service)
        found = create(bench, service, f"{WEB}.next")
        with pytest.raises(EngineError):
            bench.engine.perform(StartContainer(*WHY, found.id))
        bench.engine.perform(StopContainer(*WHY, WEB))
        bench.engine.perform(StartContainer(*WHY, found.id))
        assert seen(bench, f"{WEB}.next").state == "running"

    def test_networks_and_volumes_are_seen_with_their_owner(self, bench: Bench) -> None:
        make_network(bench)
        bench.engine.perform(CreateVolume(*WHY, Volume("data", "app_data")))
        bench.engine.perform(CreateVolume(*WHY, Volume("data", "app_data")))
        mine, theirs = look(bench), bench.other("another").observe("another")
        network = next(network for network in mine.networks if network.name == DEFAULT)
        assert (network.app, network.fingerprint) == ("app", network_fingerprint(Network("default", DEFAULT)))
        assert ("app_data", "app") in {(volume.name, volume.app) for volume in mine.volumes}
        assert ("app_data", "") in {(volume.name, volume.app) for volume in theirs.volumes}
        assert next(n for n in theirs.networks if n.name == DEFAULT).app == ""
        assert {"bridge", "host", "none"} <= {n.name for n in mine.networks if not n.app}

    def test_a_volume_outlives_its_container(self, bench: Bench) -> None:
        make_network(bench)
        bench.engine.perform(CreateVolume(*WHY, Volume("data", "app_data")))
        found = create(bench, web(bench, mounts=(Mount("volume", "/data", "app_data"),)))
        bench.engine.perform(RemoveContainer(*WHY, found.id))
        assert "app_data" in {volume.name for volume in look(bench).volumes}

    def test_a_config_is_stored_and_read_in_the_container(self, bench: Bench) -> None:
        make_network(bench)
        service = web(bench, mounts=(Mount("config", "/etc/app.yaml", CONFIG.digest, read_only=True),))
        with pytest.raises(EngineError):
            create(bench, service)
        assert CONFIG.digest not in look(bench).configs
        bench.engine.perform(StoreConfig(*WHY, CONFIG))
        assert CONFIG.digest in look(bench).configs
        start(bench, service)
        assert bench.reads(WEB, "/etc/app.yaml") == CONFIG.content

    def test_an_image_is_pulled_by_its_digest(self, bench: Bench) -> None:
        image = bench.image("ok")
        bench.engine.perform(PullImage(*WHY, image))
        bench.engine.perform(PullImage(*WHY, image))
        assert listed_name(image) in look(bench).images

    def test_an_image_that_cannot_be_pulled_says_so(self, bench: Bench) -> None:
        with pytest.raises(ImageUnavailable) as caught:
            bench.engine.perform(PullImage(*WHY, bench.image("missing")))
        assert caught.value.transient
        assert bench.image("missing") in str(caught.value)

    def test_a_container_of_an_unknown_image_is_refused(self, bench: Bench) -> None:
        make_network(bench)
        with pytest.raises(EngineError):
            bench.engine.perform(CreateContainer(*WHY, web(bench, "missing"), WEB, "1"))
        assert not look(bench).containers

    def test_a_failing_check_fails_the_wait(self, bench: Bench) -> None:
        make_network(bench)
        service = web(bench, "unhealthy")
        found = start(bench, service)
        bench.engine.perform(AwaitHealthy(*WHY, found.id, service, required=False))
        with pytest.raises(ServiceFailed, match="is unhealthy"):
            bench.engine.perform(AwaitHealthy(*WHY, found.id, service))
        assert seen(bench).health == "unhealthy"

    def test_a_container_that_exits_fails_the_wait(self, bench: Bench) -> None:
        make_network(bench)
        service = web(bench, "exits")
        found = start(bench, service)
        with pytest.raises(ServiceFailed, match="exited with 3"):
            bench.engine.perform(AwaitHealthy(*WHY, found.id, service))
        assert (seen(bench).state, seen(bench).exit_code) == ("exited", 3)
        with pytest.raises(ServiceFailed, match="exited with 3"):
            bench.engine.perform(AwaitCompleted(*WHY, found.id, service))

    def test_a_job_that_ends_with_0_is_well(self, bench: Bench) -> None:
        make_network(bench)
        service = web(bench, "job")
        found = start(bench, service)
        bench.engine.perform(AwaitCompleted(*WHY, found.id, service))
        bench.engine.perform(AwaitHealthy(*WHY, found.id, service))
        assert (seen(bench).state, seen(bench).exit_code) == ("exited", 0)

    def test_a_service_that_ends_with_0_is_not_well_when_it_must_go_on(self, bench: Bench) -> None:
        make_network(bench)
        service = web(bench, "job", restart="always")
        found = start(bench, service)
        with pytest.raises(ServiceFailed, match="exits and is started again"):
            bench.engine.perform(AwaitHealthy(*WHY, found.id, service))

    def test_a_name_that_somebody_else_has_is_a_conflict(self, bench: Bench) -> None:
        make_network(bench)
        bench.foreign(WEB)
        with pytest.raises(EngineError, match=f"the name {WEB} is taken"):
            create(bench, web(bench))
        assert not look(bench).containers

    def test_containers_of_others_are_not_seen(self, bench: Bench) -> None:
        make_network(bench)
        bench.foreign("foreign", DEFAULT)
        create(bench, web(bench))
        assert [container.name for container in look(bench).containers] == [WEB]
        assert not bench.other("another").observe("another").containers

    def test_what_is_not_there_is_refused(self, bench: Bench) -> None:
        for step in (StartContainer, StopContainer, RemoveContainer, UnpauseContainer):
            with pytest.raises(EngineError):
                bench.engine.perform(step(*WHY, "nobody"))
        with pytest.raises(EngineError):
            bench.engine.perform(RenameContainer(*WHY, "nobody", "somebody"))

    def test_nothing_answers_without_an_engine(self, bench: Bench) -> None:
        dead = bench.dead()
        for call in (dead.version, lambda: dead.observe(bench.device)):
            with pytest.raises(EngineUnavailable):
                call()
        with pytest.raises(EngineUnavailable):
            dead.perform(PullImage(*WHY, bench.image("ok")))

    def test_the_version_is_a_number(self, bench: Bench) -> None:
        assert bench.engine.version().partition(".")[0].isdigit()

    def test_after_a_plan_nothing_is_left_to_do(self, bench: Bench) -> None:
        """Two services, the second waits for the first; two networks, a volume and a config."""
        desired = DesiredState(bench.device, (two_services(bench),))
        plan = make_plan(desired, look(bench))
        for step in plan:
            bench.engine.perform(step)
        assert str(make_plan(desired, look(bench))) == "nothing to do"
        found = {c.service: (c.state, c.health, c.networks) for c in look(bench).containers}
        assert found == {
            "db": ("running", "healthy", {BACK}),
            "web": ("running", "healthy", {DEFAULT, BACK}),
        }


def two_services(bench: Bench) -> App:
    check = Healthcheck(("CMD", "true"), interval=0.5, timeout=2.0, retries=2)
    data = Mount("volume", "/data", "app_data")
    db = Service(
        "db",
        bench.image("ok"),
        "app-db-1",
        networks=(Attachment(BACK),),
        mounts=(data,),
        healthcheck=check,
        restart="unless-stopped",
    )
    service = web(
        bench,
        networks=(Attachment(DEFAULT), Attachment(BACK, aliases=("front",))),
        mounts=(Mount("config", "/etc/app.yaml", CONFIG.digest, read_only=True),),
        depends_on=(Dependency("db", Condition.HEALTHY),),
        restart="unless-stopped",
    )
    networks = (Network("back", BACK), Network("default", DEFAULT))
    return App("app", (db, service), networks, (Volume("data", "app_data"),), (CONFIG,))
