"""The image and its Compose file agree with the unit, the settings and the guide. The image itself: SOAK=1."""

import json
import re
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import reconciler
from reconciler.admission import Admission
from reconciler.agent.checks import IDS
from reconciler.agent.commands.parsers import new_parser
from reconciler.agent.docker_engine.container_body import AGENT
from reconciler.agent.host.device_root import VARIABLE
from reconciler.agent.settings.config import DEFAULT_PATH, Config, load_config
from reconciler.agent.versions.succession import END_SECONDS
from reconciler.manifests import FleetFiles
from reconciler.model import App

ROOT = Path(__file__).parent.parent
COMPOSE = (ROOT / "packaging/compose.yaml").read_text()
DOCKERFILE = re.sub(r"\s*\\\n\s*", " ", re.sub(r"^#.*\n", "", (ROOT / "packaging/Dockerfile").read_text(), flags=re.M))
UNIT = (ROOT / "packaging/reconciler.service").read_text()
GUIDE = (ROOT / "docs/guides/container.md").read_text()
(SERVICE,) = yaml.safe_load(COMPOSE)["services"].values()


def said(instruction: str) -> list[str]:
    """What stands behind an instruction of the Dockerfile, in its order."""
    return re.findall(rf"^{instruction} (.+)$", DOCKERFILE, re.MULTILINE)


def environment() -> Mapping[str, str]:
    return dict(one.split("=", 1) for line in said("ENV") for one in shlex.split(line))


def unit(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT, re.MULTILINE)


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    """Those of a device that says nothing of its folders, in the image."""
    path = tmp_path / "config.yaml"
    path.write_text(
        "{apiVersion: fleet/v1, kind: Agent, metadata: {name: d}, spec: {remote: {url: https://g.example/f}}}"
    )
    return load_config(path, environment())


def test_every_folder_is_mounted_to_where_the_device_has_it(settings: Config) -> None:
    mounts = [volume.split(":") for volume in SERVICE["volumes"]]
    assert mounts[0] == ["/", str(settings.root), "ro,rslave"], "the whole disk, and what is mounted later"
    assert settings.root == Path(environment()[VARIABLE]) != Path("/")
    own = {str(DEFAULT_PATH.parent), str(settings.state), str(settings.secrets.folder.parent)}
    assert {tuple(mount) for mount in mounts[1:]} == {(folder, folder) for folder in own}
    assert environment()["TMPDIR"] == str(settings.state)


def test_it_may_do_what_the_unit_may_do() -> None:
    assert SERVICE["cap_drop"] == ["ALL"]
    assert [f"CAP_{cap}" for cap in SERVICE["cap_add"]] == unit("CapabilityBoundingSet")[0].split()
    assert SERVICE["stop_grace_period"] == f"{unit('TimeoutStopSec')[0]}s"
    assert (SERVICE["read_only"], unit("ProtectSystem")) == (True, ["strict"])
    assert "no-new-privileges:true" in SERVICE["security_opt"]
    assert SERVICE["restart"] == unit("Restart")[0]
    assert SERVICE["ulimits"] == {"core": int(unit("LimitCORE")[0])}
    assert "PYTHONDONTWRITEBYTECODE" in environment() and "PYTHONDONTWRITEBYTECODE=1" in UNIT


def test_the_unit_hides_no_part_of_the_disk() -> None:
    """Links in the paths of binds are followed by the Engine, which sees all of it, after the agent has judged them."""
    hiding = (
        "PrivateTmp",
        "PrivateDevices",
        "ProtectKernelModules",
        "ProtectProc",
        "ProcSubset",
        "TemporaryFileSystem",
    )
    assert [key for key in (*hiding, "InaccessiblePaths", "RootDirectory", "RootImage", "BindPaths") if unit(key)] == []
    assert (unit("ProtectHome"), unit("ProtectSystem")) == (["read-only"], ["strict"])
    assert unit("CapabilityBoundingSet") and unit("SystemCallFilter") == ["@system-service"], "these refuse modules"


def test_a_version_on_trial_ends_before_systemd_ends_all() -> None:
    assert int(unit("TimeoutStopSec")[0]) > END_SECONDS


def test_the_version_is_told_once() -> None:
    (version,) = [line.partition("=")[2] for line in said("ARG") if line.startswith("VERSION=")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert version == reconciler.__version__ == project["version"]
    assert SERVICE["image"] == f"git-edge-reconciler:{version}"
    assert SERVICE["image"] in GUIDE


def test_it_runs_commands_that_there_are() -> None:
    (entry,), (default,) = (json.loads(said(word)[0]) for word in ("ENTRYPOINT", "CMD"))
    (probe,) = re.findall(r"CMD (\[.*\])", said("HEALTHCHECK")[0])
    assert json.loads(probe)[0] == entry == "reconciler"
    assert new_parser().parse_args([default]).command == "run"
    assert new_parser().parse_args(json.loads(probe)[1:]).only == ["service"]
    assert "service" in IDS
    assert said("STOPSIGNAL") == ["SIGTERM"]
    assert said("VOLUME") == []


def test_the_image_is_known_by_its_label() -> None:
    labels = dict(one.split("=", 1) for one in shlex.split(said("LABEL")[0]))
    assert labels[AGENT] == "reconciler"
    title = {f"org.opencontainers.image.{name}" for name in ("title", "description", "licenses", "version", "revision")}
    assert labels.keys() == {AGENT} | title


def test_what_is_copied_is_all_that_the_context_has() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {word.rstrip("*") for line in said("COPY") if "--from" not in line for word in line.split()[:-1]}
    assert copied == allowed
    assert {name for name in allowed if not (ROOT / name).exists()} <= {"dist"}


def as_app(text: str) -> App:
    files = {
        "fleet.yaml": "{apiVersion: fleet/v1, kind: Fleet, metadata: {name: f}, spec: {tiers: [base]}}",
        "layers/base/l.yaml": "{apiVersion: fleet/v1, kind: Layer, metadata: {name: l}, spec: {apps: [a]}}",
        "devices/d.yaml": "{apiVersion: fleet/v1, kind: Device, metadata: {name: d}}",
        "apps/a/compose.yaml": text,
    }
    fleet = FleetFiles({path: content.encode() for path, content in files.items()})
    everything = Admission(frozenset({"everything"}))
    rendered = fleet.admit(fleet.render("d"), everything)
    assert rendered.problems == ()
    (app,) = rendered.desired.apps
    return app


def test_it_is_a_compose_file_that_we_ourselves_would_run() -> None:
    (service,) = as_app(COMPOSE).services
    assert (service.container_name, service.network_mode, service.init) == ("reconciler", "host", True)
    (disk,) = [mount for mount in service.mounts if mount.target == "/host"]
    assert (disk.source, disk.read_only, disk.propagation) == ("/", True, "rslave")


def test_the_guide_starts_it_by_docker_run_as_the_file_does() -> None:
    (command,) = re.findall(r"^docker run (.+?[^\\])$", GUIDE, re.MULTILINE | re.DOTALL)
    words = shlex.split(command.replace("\\\n", " "))
    assert words.pop() == SERVICE["image"]
    flags = {"--detach"}
    for flag in ("init", "read_only"):
        flags.add(f"--{flag.replace('_', '-')}")
        assert SERVICE[flag] is True
    pairs = {
        f"--name={SERVICE['container_name']}",
        f"--restart={SERVICE['restart']}",
        f"--network={SERVICE['network_mode']}",
        f"--userns={SERVICE['userns_mode']}",
        f"--stop-timeout={SERVICE['stop_grace_period'].removesuffix('s')}",
        f"--ulimit=core={SERVICE['ulimits']['core']}",
        f"--log-driver={SERVICE['logging']['driver']}",
        *(f"--log-opt={key}={value}" for key, value in SERVICE["logging"]["options"].items()),
        *(f"--cap-{what}={cap}" for what in ("add", "drop") for cap in SERVICE[f"cap_{what}"]),
        *(f"--security-opt={one}" for one in SERVICE["security_opt"]),
        *(f"--volume={one}" for one in SERVICE["volumes"]),
    }
    assert set(words) == flags | pairs
    told = "image container_name restart init network_mode userns_mode stop_grace_period volumes read_only".split()
    assert SERVICE.keys() == {*told, "cap_drop", "cap_add", "security_opt", "ulimits", "logging"}


def test_the_guide_names_no_path_that_is_not_there() -> None:
    known: dict[str, Any] = {"/etc/reconciler", "/var/lib/reconciler", "/run/reconciler", "/host"}  # type: ignore[assignment]
    named = set(re.findall(r"(?<![\w.])/(?:etc|var/lib|run)/reconciler|/host\b", GUIDE))
    assert named == known
