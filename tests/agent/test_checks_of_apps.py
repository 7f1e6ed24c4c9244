"""What checks find in the way of apps: ports, paths, drivers, proxies, clocks."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checks_stage import DEVICE, NOW, CheckStage, found

from reconciler.agent.checks import checked
from reconciler.agent.checks.checked import Timed
from reconciler.agent.checks.ports import listening
from reconciler.agent.docker_engine.probing import Occupant, TakenPort, _host
from reconciler.errors import EngineUnavailable
from reconciler.model import ObservedVolume

# proc(5): a header, then one socket a line. 0A listens, 01 is a connection.
NET = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0100007F:1F91 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 2 1
"""
NET6 = """\
  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A
   1: 0000000000000000FFFF00000100007F:0017 00000000000000000000000000000000:0000 0A
   2: B80D0120000000000000000001000000:0018 00000000000000000000000000000000:0000 0A
   3: 7
"""
HELD = (TakenPort(80, "tcp", "0.0.0.0"), TakenPort(80, "tcp", "::"))  # noqa: S104


@pytest.fixture
def at(tmp_path: Path) -> CheckStage:
    return CheckStage(tmp_path)


def service(**keys: Any) -> Callable[[CheckStage], None]:
    return lambda at: at.runs(web=keys)


def bind(source: str) -> dict[str, Any]:
    return {"type": "bind", "source": source, "target": "/x", "bind": {"create_host_path": False}}


def two_of_one_port(at: CheckStage) -> None:
    at.runs(web={"ports": ["127.0.0.1:80:80"]}, shop={"ports": ["80:8080"]})


def two_addresses(at: CheckStage) -> None:
    at.runs(web={"ports": ["127.0.0.1:80:80"]}, shop={"ports": ["127.0.0.2:80:80", "80:80/udp"]})


def held_by(device: str) -> Callable[[CheckStage], None]:
    def act(at: CheckStage) -> None:
        at.runs(web={"ports": ["80:80"]})
        at.occupants = (Occupant("theirs", device, HELD),)
        # The Engine's own proxy listens for it.
        at.machine("proc/net/tcp", NET.replace("1F90", "0050"))

    return act


def program(at: CheckStage) -> None:
    at.runs(web={"ports": ["8080:80", "8081:81"]})
    at.machine("proc/net/tcp", NET)


def elsewhere(at: CheckStage) -> None:
    program(at)
    at.says(root=None)


def external(at: CheckStage) -> None:
    at.runs({"networks": {"n": {"external": True}}, "volumes": {"v": {"external": True}}}, web={"networks": ["n"]})
    at.observed = replace(at.observed, volumes=(ObservedVolume("v"),))


def driver(**keys: Any) -> Callable[[CheckStage], None]:
    return lambda at: at.runs({"networks": {"n": keys}}, web={"networks": ["n"]})


def through_a_proxy(engine: str, image: str = "registry.acme.example/app") -> Callable[[CheckStage], None]:
    def act(at: CheckStage) -> None:
        at.settings(remote={"url": "https://git.acme.example/fleet.git", "proxy": "http://proxy.acme.example:3128"})
        at.says(proxies=(engine,) if engine else ())
        at.runs(web={"image": image})

    return act


def engine_clock(ahead: float) -> Callable[[CheckStage], None]:
    return lambda at: at.says(time=NOW + ahead)


def no_ipv6(at: CheckStage) -> None:
    at.runs({"networks": {"n": {"enable_ipv6": True}}}, web={"networks": ["n"]})


def with_ipv6(at: CheckStage) -> None:
    no_ipv6(at)
    at.machine("proc/net/if_inet6", "")


def of_another_device(at: CheckStage) -> None:
    at.runs(web={})
    at.occupants = (Occupant("old-web", "press-0"), Occupant("web", DEVICE), Occupant("db", ""))
    at.labelled_networks = {"old": "press-0", "new": DEVICE}


def kept_volume(at: CheckStage) -> None:
    at.runs(web={})
    at.observed = replace(at.observed, volumes=(ObservedVolume("gone_data", "gone"), ObservedVolume("a_data", "a")))


CASES: dict[str, list[tuple[Callable[[CheckStage], None], str, str]]] = {
    "ports": [
        (two_of_one_port, "failed", "80/tcp of a/shop: a/web asks for it, too"),
        (two_addresses, "ok", "3 are ours or free"),
        (service(ports=["80", "8000-8010:80"]), "ok", "0 are ours or free"),
        (held_by(""), "failed", "80/tcp of a/web: the container theirs has it"),
        (held_by("press-0"), "failed", "the container theirs has it"),
        (held_by(DEVICE), "ok", "1 are ours or free"),
        (program, "failed", "8080/tcp of a/web: a program has it; publish"),
        (elsewhere, "ok", "2 are ours or free"),
    ],
    "paths": [
        (service(volumes=["/nowhere:/x:ro"]), "ok", "0 are there"),
        (
            service(volumes=[bind("/nowhere")]),
            "failed",
            "not on this machine: /nowhere of a/web",
        ),
        (service(volumes=[bind("/etc")]), "ok", "1 are there"),
        (service(devices=["/dev/nowhere0:/dev/video0"]), "failed", "/dev/nowhere0 of a/web"),
        (service(devices=["/dev/null:/dev/video0"]), "ok", "1 are there"),
    ],
    "externals": [(external, "failed", "external, and not there: network n;"), (service(), "ok", "0 are there")],
    "drivers": [
        (service(runtime="nvidia"), "failed", "the Engine has no runtime nvidia"),
        (service(runtime="io.containerd.runc.v2"), "ok", ""),
        (service(logging={"driver": "splunk"}), "warning", "splunk for logs"),
        (driver(driver="macvlan"), "warning", "macvlan for networks"),
        (driver(driver="bridge"), "ok", ""),
    ],
    "logs": [
        (service(), "ok", "the logs of 1 services have an end"),
        (service(logging={"driver": "json-file"}), "warning", "logs without an end: a/web"),
        (service(logging={"options": {"labels": "x"}}), "warning", "a/web"),
        (service(logging={"driver": "local"}), "ok", ""),
        (service(logging={"driver": "json-file", "options": {"max-size": "1m"}}), "ok", ""),
    ],
    "proxy": [
        (through_a_proxy(""), "warning", "it may not reach registry.acme.example"),
        (through_a_proxy("proxy.acme.example:3128"), "ok", "the Engine by proxy.acme.example:3128"),
        (through_a_proxy("", "127.0.0.1:5000/app"), "ok", "the Engine by none"),
        (service(), "ok", "git by none, the Engine by none"),
    ],
    "engine-clock": [
        (engine_clock(9), "ok", "as this one"),
        (engine_clock(-9), "ok", "as this one"),
        (engine_clock(60), "warning", "60 s ahead of this one"),
        (engine_clock(-60), "warning", "60 s behind this one"),
    ],
    "ipv6": [
        (service(), "ok", "no app asks for it"),
        (no_ipv6, "failed", "the kernel has no IPv6, and apps ask for it: network a_n"),
        (with_ipv6, "ok", "asked for by network a_n"),
        (service(ports=["[::1]:80:80"]), "failed", "port of a/web"),
    ],
    "leftovers": [
        (of_another_device, "warning", "not of this device: old-web of press-0, network old of press-0;"),
        (kept_volume, "ok", "volumes of apps that are gone: gone_data"),
        (service(), "ok", "nothing is left over"),
    ],
}


@pytest.mark.parametrize(
    ("name", "case"), [(name, case) for name, cases in CASES.items() for case in range(len(cases))]
)
def test_each_check_finds_what_is_in_the_way(name: str, case: int, at: CheckStage) -> None:
    act, verdict, told = CASES[name][case]
    at.runs(web={})
    act(at)
    given = found(at, name)
    assert given[0] == verdict, given
    assert told in given[1]


def test_ports_that_listen_are_read_as_the_kernel_writes_them(tmp_path: Path) -> None:
    (tmp_path / "tcp").write_text(NET)
    (tmp_path / "tcp6").write_text(NET6)
    (tmp_path / "udp").write_text(NET.replace(" 0A ", " 07 "))
    assert list(listening(tmp_path)) == [
        TakenPort(8080, "tcp", "127.0.0.1"),
        TakenPort(22, "tcp", "::"),
        TakenPort(23, "tcp", "127.0.0.1"),
        TakenPort(24, "tcp", "2001:db8::1"),
        TakenPort(8080, "udp", "127.0.0.1"),
    ]


def test_an_engine_that_is_away_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Away:
        def __init__(self, url: str) -> None:
            self.url = url

        def facts(self) -> None:
            asked.append(self.url)
            raise EngineUnavailable("no Docker Engine answers")

        occupants = networks = facts

    monkeypatch.setattr(checked, "Probe", Away)
    stage = CheckStage(tmp_path)
    stage.runs(web={"ports": ["80:80"]})
    for name in ("engine", "observed", "occupants", "labelled_networks"):
        del stage.__dict__[name]
    assert found(stage, "engine")[0] == "failed"
    waiting = ("engine-room", "engine-clock", "drivers", "images", "ports", "names", "leftovers")
    assert {found(stage, name) for name in waiting} == {("skipped", "the Engine does not answer")}
    assert len(asked) == 1


def test_a_manifest_that_does_not_render_is_told_once(at: CheckStage) -> None:
    at.rendered = EngineUnavailable("as if")
    assert found(at, "rendering")[0] == "failed"
    assert {found(at, name)[0] for name in ("secrets", "logs", "images", "names", "ports", "paths")} == {"skipped"}


@pytest.mark.parametrize(
    ("told", "ahead"), [(100.0, 0), (99.2, 0), (103.9, 0), (110.0, 7.0), (90.0, -10.0), (float("inf"), float("inf"))]
)
def test_a_clock_is_off_by_what_its_way_does_not_explain(told: float, ahead: float) -> None:
    assert Timed("", 100.0, 103.0).ahead(told) == ahead


@pytest.mark.parametrize(
    ("proxy", "host"),
    [
        ("http://user:hush@proxy.example:3128", "proxy.example:3128"),
        ("proxy.example:3128", "proxy.example:3128"),
        ("http://xxxxx:xxxxx@proxy.example/", "proxy.example"),
        ("http://[::1", ""),
        ("http://proxy.example:99999", ""),
    ],
)
def test_of_a_proxy_nothing_is_told_but_where_it_is(proxy: str, host: str) -> None:
    assert _host(proxy) == host


def test_the_disk_of_the_images_is_that_of_the_device(at: CheckStage) -> None:
    """In a container, the device's own folders are elsewhere."""
    at.settings(images={"keepFree": "1000000g"})
    at.config = replace(at.config, root=at.folder / "host")
    at.says(root=Path("/var/lib/docker"))
    assert found(at, "engine-room") == ("skipped", f"its disk cannot be looked at: {at.folder}/host/var/lib/docker")
    (at.folder / "host/var/lib/docker").mkdir(parents=True)
    verdict, told = found(at, "engine-room")
    assert (verdict, "no room on the disk" in told) == ("failed", True)
