"""Compose and env files that were written to hurt: good YAML, and each a problem of its app, or rendered soon."""

import re

import pytest
from render_cases import STANDARD, tree_of

from reconciler.manifests import FleetFiles, Rendering

COMPOSE = "apps/shop/compose.yaml"
SECRET = "secrets: {s: {environment: FLEET_DEVICE}}\n"
WEB = "services: {web: {image: web}}\n"


def services(count: int, fields: str) -> str:
    """So many services; `{next}` is the number of the one behind, and that of the last is 0."""
    lines = (f"  s{n}: {{{{image: a, {fields}}}}}\n".format(next=(n + 1) % count) for n in range(count))
    return "services:\n" + "".join(lines)


def one(line: str) -> str:
    return f"services:\n  web:\n    image: web\n    {line}\n"


def chain(count: int) -> str:
    """Each service extends the one before."""
    return "services:\n  s0: {image: a}\n" + "".join(f"  s{n}: {{extends: s{n - 1}}}\n" for n in range(1, count))


def many(count: int, element: str) -> str:
    return ", ".join(element.format(n) for n in range(count))


# Name -> the files of the app `shop`, and how the first problem begins.
REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "10,000 services that extend each other": (
        {COMPOSE: chain(10_000)},
        "apps/shop/compose.yaml:10001:10: more than 50000 YAML events; split the file",
    ),
    "51 files of one app": (
        {COMPOSE: f"include: [{many(50, 'f{}.yaml')}]\n{WEB}"}
        | {f"apps/shop/f{n}.yaml": f"services: {{s{n}: {{image: a}}}}" for n in range(50)},
        "apps/shop: more than 50 Compose files; join some",
    ),
    "files that extend each other without end": (
        {COMPOSE: "services: {web: {image: web, extends: {file: f0.yaml, service: web}}}"}
        | {
            f"apps/shop/f{n}.yaml": f"services: {{web: {{extends: {{file: f{n + 1}.yaml, service: web}}}}}}"
            for n in range(60)
        },
        "apps/shop/f19.yaml:1:27: ",
    ),
    "a circle of includes": (
        {COMPOSE: "include: [a.yaml, a.yaml, a.yaml]", "apps/shop/a.yaml": "include: [compose.yaml, a.yaml, a.yaml]"},
        "apps/shop/a.yaml:1:11: the files compose.yaml -> a.yaml -> compose.yaml include each other",
    ),
    "a circle of 3,000 links": (
        {COMPOSE: services(3_000, "links: [s{next}]")},
        f"{COMPOSE}:2:25: the services s0 -> s1",
    ),
    "21 env files": ({COMPOSE: one(f"env_file: [{many(21, 'e')}]")}, f"{COMPOSE}:4:15: more than 20 env files"),
    "an env file that is too big": (
        {COMPOSE: one("env_file: a.env"), "apps/shop/a.env": "A=1\n" * 100_000},
        "apps/shop/a.env:1:1: more than 65536 bytes; split the file",
    ),
    "an env file of open references": (
        {COMPOSE: one("env_file: a.env"), "apps/shop/a.env": "A=" + "${A:-" * 10_000},
        "apps/shop/a.env:1:1: `${` without `}`",
    ),
    "an env file of backslashes in an open quote": (
        {COMPOSE: one("env_file: a.env"), "apps/shop/a.env": 'A="' + "\\a" * 30_000},
        'apps/shop/a.env:1:1: a quote " that does not end; close it',
    ),
    "a range of ports that is upside down": (
        {COMPOSE: one("ports: ['65535-1:65535-1']")},
        f"{COMPOSE}:4:13: `ports` has the range",
    ),
    "a range of exposed ports that is too long": (
        {COMPOSE: one("expose: [1-99999]")},
        f"{COMPOSE}:4:13: `expose` has '1-99999'",
    ),
    "a published range of another length": (
        {COMPOSE: one("ports: ['1-65535:1-65534']")},
        f"{COMPOSE}:4:13: `ports` has the range",
    ),
    "10,000 volumes at one place": (
        {COMPOSE: one(f"volumes: [{many(10_000, '/a')}]")},
        f"{COMPOSE}:2:3: the service `web` mounts two things at /a",
    ),
    "10,000 volumes that nobody declares": (
        {COMPOSE: one(f"volumes: [{many(10_000, 'v{0}:/v{0}')}]")},
        f"{COMPOSE}:4:15: the volume 'v0' is not declared",
    ),
    "1,000 profiles that do not end": (
        {COMPOSE: one("profiles: [" + ", ".join(['"${A:-"'] * 1_000) + "]")},
        f"{COMPOSE}:4:16: `${{` without `}}`",
    ),
    "a profile named by what turns them on": (
        {COMPOSE: one("profiles: ['${COMPOSE_PROFILES}']")},
        f"{COMPOSE}:4:16: the variable `COMPOSE_PROFILES` is not set",
    ),
    "a path that climbs 100,000 folders": (
        {COMPOSE: one("env_file: " + "../" * 100_000 + "etc/passwd")},
        f"{COMPOSE}:4:15: there is no file",
    ),
    "an include that climbs 100,000 folders": (
        {COMPOSE: WEB + "include: [a/a.yaml]", "apps/shop/a/a.yaml": "include: [" + "../" * 100_000 + "fleet.yaml]"},
        "apps/shop/a/a.yaml:1:11: there is no file",
    ),
    "a device of 100,000 colons": (
        {COMPOSE: one("devices: ['" + ":" * 100_000 + "']")},
        f"{COMPOSE}:4:15: `devices[0]`",
    ),
    "a mount of 100,000 options": (
        {COMPOSE: one("volumes: ['/a:/b:" + "," * 100_000 + "']")},
        f"{COMPOSE}:4:15: the mount option ''",
    ),
    "a permission of many digits": (
        {COMPOSE: one(f"secrets: [{{source: s, mode: '{'0' * 5_000}'}}]") + SECRET},
        f"{COMPOSE}:4:33: `mode` must be a whole number",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_a_problem_of_its_app(name: str) -> None:
    files, first = REFUSED[name]
    rendering = rendered(files)
    assert rendering.desired.apps == ()
    assert rendering.desired.untouched == {"shop"}
    assert str(rendering.problems[0]).startswith(first)
    assert all(re.match(r"apps/shop[/.a-z0-9]*(:\d+:\d+)?: ", str(problem)) for problem in rendering.problems)


# Name -> the files of the app `shop`, which are strange, and not wrong.
HARMLESS: dict[str, dict[str, str]] = {
    "all ports": {COMPOSE: one("expose: [1-65535]\n    ports: ['1-65535:1-65535']")},
    "3,000 services that wait for one": {COMPOSE: services(3_000, "links: [z]") + "  z: {image: z}\n"},
    "20,000 links to one": {COMPOSE: one(f"links: [{many(20_000, 'z:a{}')}]") + "  z: {image: z}\n"},
    "10,000 volumes": {COMPOSE: one(f"volumes: [{many(10_000, '/v{}')}]")},
    "10,000 paths of the device": {COMPOSE: one(f"volumes: [{many(10_000, '/v{0}:/v{0}')}]")},
    "10,000 devices": {COMPOSE: one(f"devices: [{many(10_000, '/dev/d{}')}]")},
    "10,000 requests for GPUs": {COMPOSE: one("gpus: [" + ", ".join(["{}"] * 10_000) + "]")},
    "49 files in a row": {COMPOSE: f"include: [{many(49, 'f{}.yaml')}]\n{WEB}"}
    | {f"apps/shop/f{n}.yaml": f"services: {{s{n}: {{image: a}}}}" for n in range(49)},
    "a file that is included 1,000 times": {
        COMPOSE: f"include: [{many(1_000, 'a.yaml')}]\n{WEB}",
        "apps/shop/a.yaml": "services: {a: {image: a}}",
    },
    "profiles that no variable can turn on": {
        COMPOSE: "services: {web: {image: web}, b: {image: b, profiles: ['', ' ', ',', 'a,b', '*,', \"\\e[31m\"]}}",
    },
    "20 env files of 2,000 lines": {COMPOSE: one(f"env_file: [{many(20, 'e{}.env')}]")}
    | {f"apps/shop/e{n}.env": "".join(f"A{m}=1\n" for m in range(2_000)) for n in range(20)},
}


@pytest.mark.parametrize("name", HARMLESS)
def test_it_is_rendered(name: str) -> None:
    rendering = rendered(HARMLESS[name])
    assert rendering.problems == ()
    assert [app.name for app in rendering.desired.apps] == ["shop"]


def rendered(files: dict[str, str]) -> Rendering:
    return FleetFiles(tree_of({**STANDARD, **files})).render("press")
