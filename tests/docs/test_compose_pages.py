"""The pages on Compose files and on admission say what the code does: every key, mode, capability and code."""

import re

import pytest
import yaml
from doc_pages import DOCS, ROOT, fenced, quoted, rows, section, text_of
from one_device import NO_SUCH_KEY, allowed_keys, encoded, rendered

from reconciler.admission import CAPABILITIES, EVERYTHING
from reconciler.admission.needs import _HARMLESS_CAPS, Admission, Need, needs
from reconciler.manifests import FleetFiles
from reconciler.manifests.compose import app as compose
from reconciler.manifests.compose import joins, resources
from reconciler.manifests.compose import service as compose_service

# A patch cannot bring these, so the reader of a patched document refuses them; the files of an app may have them.
DONE_BEFORE_PATCHES = {"include", "extends"}
# Where the long forms stand, by the heading that tells their keys, and by what stands there before each key.
FORMS = [
    ("### Ports", "", "ports: [HERE]"),
    ("### Mounts", "", "volumes: [HERE]"),
    ("### Mounts", "volume.", "volumes: [{type: volume, target: /t, volume: HERE}]"),
    ("### Mounts", "bind.", "volumes: [{type: bind, source: /s, target: /t, bind: HERE}]"),
    ("### Mounts", "tmpfs.", "volumes: [{type: tmpfs, target: /t, tmpfs: HERE}]"),
    ("### Networks of a service", "", "networks: {default: HERE}"),
    ("### Health check", "", "healthcheck: HERE"),
    ("### Dependencies", "", "depends_on: {t: HERE}"),
    ("### Configs and secrets of a service", "", "configs: [HERE]"),
    ("### Configs and secrets of a service", "", "secrets: [HERE]"),
    ("### Env files", "", "env_file: [HERE]"),
    ("### Devices", "", "devices: [HERE]"),
    ("### Requests for devices", "", "gpus: [HERE]"),
    ("### Requests for devices", "", "deploy: {resources: {reservations: {devices: [HERE]}}}"),
    ("### Ulimits", "", "ulimits: {nofile: HERE}"),
    ("### Logging", "", "logging: HERE"),
    ("## Deploy", "deploy.", "deploy: HERE"),
    ("## Deploy", "deploy.resources.", "deploy: {resources: HERE}"),
    ("## Deploy", "deploy.resources.limits.", "deploy: {resources: {limits: HERE}}"),
    ("## Deploy", "deploy.resources.reservations.", "deploy: {resources: {reservations: HERE}}"),
    ("## Deploy", "deploy.restart_policy.", "deploy: {restart_policy: HERE}"),
    ("## Deploy", "deploy.update_config.", "deploy: {update_config: HERE}"),
    ("## Several files", "extends.", "extends: HERE"),
]
SECTIONS = [
    ("## The file", "", "HERE"),
    ("## Networks", "", "networks: {a: HERE}"),
    ("## Networks", "ipam.", "networks: {a: {ipam: HERE}}"),
    ("## Networks", "ipam.config.", "networks: {a: {ipam: {config: [HERE]}}}"),
    ("## Volumes", "", "volumes: {a: HERE}"),
    ("## Configs", "", "configs: {a: HERE}"),
    ("## Secrets", "", "secrets: {a: HERE}"),
    ("## Several files", "include.", "include: [HERE]"),
]


def compose_words(*headings: str) -> dict[str, str]:
    found = [
        (row[0].strip("`"), row[1]) for heading in headings for row in rows(section("reference/compose.md", heading))
    ]
    assert len(found) == len(dict(found)), "a key stands twice"
    assert {word for _, word in found} <= {"supported", "in part", "refused"}
    return dict(found)


def test_every_key_of_a_service_has_the_right_word() -> None:
    told = compose_words("## Services")
    refused = compose_service._REFUSED.keys() - DONE_BEFORE_PATCHES
    done = {*compose_service._SIMPLE, *resources.LIMITS, *compose_service._OTHER, "extends"}
    assert told.keys() == done | refused
    assert {key for key, word in told.items() if word == "refused"} == refused


@pytest.mark.parametrize(("heading", "before", "around"), FORMS)
def test_every_key_of_a_long_form_is_told(heading: str, before: str, around: str) -> None:
    inner = f"image: i, {around}".replace("HERE", f"{{{NO_SUCH_KEY}: 1}}")
    allowed = allowed_keys({"apps/a/compose.yaml": f"{{services: {{s: {{{inner}}}, t: {{image: i}}}}}}"})
    assert told_behind(heading, before) == allowed


@pytest.mark.parametrize(("heading", "before", "around"), SECTIONS)
def test_every_key_of_the_file_is_told(heading: str, before: str, around: str) -> None:
    allowed = allowed_keys({"apps/a/compose.yaml": around.replace("HERE", f"{{{NO_SUCH_KEY}: 1}}")})
    assert told_behind(heading, before) == allowed


def told_behind(heading: str, before: str) -> set[str]:
    """The keys of a table that begin so, and have no dot behind it."""
    keys = {key.removeprefix(before) for key in compose_words(heading) if key.startswith(before)}
    return {key for key in keys if "." not in key}


def test_what_is_refused_below_a_service_has_the_right_word() -> None:
    told = compose_words("## Deploy")
    refused = {f"deploy.{key}" for key in resources._ELSEWHERE}
    refused |= {f"deploy.resources.reservations.{key}" for key in resources._NOT_RESERVED}
    refused |= {f"deploy.restart_policy.{key}" for key in ("delay", "window")}
    assert {key for key, word in told.items() if word == "refused"} == refused
    assert compose_words("## The file")["models"] == "refused"
    assert compose._REFUSED.keys() == {"models", "include"}


def test_every_mode_of_a_namespace_is_told() -> None:
    told = {row[0].strip("`"): quoted(row[2]) for row in rows(section("reference/compose.md", "## Services"))}
    for key, modes in joins._MODES.items():
        assert {*modes, *(["service:NAME"] if key in joins._MAY_JOIN else [])} <= told[key], key


def test_everything_that_compose_reads_and_we_refuse_is_told() -> None:
    told = quoted(section("reference/compose.md", "## Where it differs from docker compose"))
    names = {name for one in told for name in re.findall(r"\w+", one)}
    cases = sorted((ROOT / "tests/cases/compose").glob("refused-*/refused.yaml"))
    assert len(cases) >= 12
    for case in cases:
        for message in yaml.safe_load(case.read_text()):
            what = message.partition(";")[0]
            refused = {key.partition("[")[0].rpartition(".")[2] for key in quoted(what)}
            refused |= set(re.findall(r"external|!\w+|bind", what))
            assert {word.strip("!") for word in refused} & names, message


def test_every_capability_and_its_code_are_told() -> None:
    table = {row[0].strip("`"): row[1].strip("`") for row in rows(section("concepts/admission.md", "## Capabilities"))}
    assert table == {capability: Need(capability, "", "").code for capability in CAPABILITIES}
    assert {EVERYTHING, *_HARMLESS_CAPS} <= quoted(text_of("concepts/admission.md"))


def test_every_capability_is_told_beside_the_key_that_asks_for_it() -> None:
    assert set(re.findall(r"[Aa]sks? for `([a-z-]+)", text_of("reference/compose.md"))) == CAPABILITIES.keys()


@pytest.mark.parametrize(
    "way",
    [
        "services: {s: {image: i, group_add: ['999']}}",
        "services: {s: {image: i, ports: ['22:22']}}",
        "{services: {s: {image: i, volumes: ['v:/v']}}, volumes: {v: {name: other_data}}}",
    ],
)
def test_what_admission_does_not_look_at_is_told(way: str) -> None:
    """When it does, the line under "What it does not protect from" has to go."""
    rendering = rendered({"apps/a/compose.yaml": way})
    assert rendering.problems == ()
    assert [need for app in rendering.desired.apps for need in needs(app)] == []


def test_a_refusal_reads_as_it_is_told() -> None:
    tree = {
        "layers/base/l.yaml": "{apiVersion: fleet/v1, kind: Layer, metadata: {name: l}, spec: {apps: [vision]}}",
        "apps/vision/compose.yaml": "services: {camera: {image: i, volumes: ['/srv/vision:/data']}}",
    }
    files = FleetFiles(encoded(tree))
    (problem,) = files.admit(files.render("d"), Admission()).problems
    (example,) = [block for block in fenced(DOCS / "concepts/admission.md", "text") if "ADMISSION" in block]
    assert str(problem).split(" ", 1)[1] == " ".join(example.split()).split(" ", 1)[1]
