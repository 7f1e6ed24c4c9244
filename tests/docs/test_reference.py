"""The reference says what the code does: codes, commands, keys and fields are held against it, both ways."""

import argparse
import ast
import dataclasses
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from doc_pages import DOCS, ROOT, fenced, quoted, rows, section, text_of, words
from one_device import NO_SUCH_KEY, allowed_keys, listed, rendered

from reconciler import errors, terminal
from reconciler.agent.checks import IDS
from reconciler.agent.commands import parsers as device_parsers
from reconciler.agent.service.counts import Counts, Seconds
from reconciler.agent.service.exposition import exposition
from reconciler.agent.settings.config import load_config
from reconciler.errors import ConfigError, ManifestError
from reconciler.fleet import cli as fleet_cli
from reconciler.manifests import FleetFiles
from reconciler.manifests.compose import service as compose_service
from reconciler.model import AppReport, Report, ReportedCondition, Revisions, ServiceReport, Versions
from reconciler.model.codec import from_json
from signing import __main__ as signing_cli

REPORT_SECTIONS = {
    "Report": Report,
    "Revisions": Revisions,
    "Condition": ReportedCondition,
    "App": AppReport,
    "Service": ServiceReport,
    "Versions": Versions,
}


def test_exit_codes_are_those_of_the_code() -> None:
    def kinds(kind: type[errors.ReconcilerError]) -> Iterator[int]:
        yield kind.exit_code
        for below in kind.__subclasses__():
            yield from kinds(below)

    known = {0, terminal.USAGE, terminal.CHANGES, terminal.INTERRUPTED}
    known |= {kind.value for kind in errors.ProblemKind} | set(kinds(errors.ReconcilerError))
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", text_of("reference/exit-codes.md"), re.MULTILINE)}
    assert told == known - {ManifestError.exit_code} | {1}


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(actions[0].choices)


def options(parser: argparse.ArgumentParser) -> set[str]:
    """Of the parser, and of commands below it."""
    own = {option for action in parser._actions for option in action.option_strings}
    nested = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return own.union(*(options(below) for action in nested for below in dict(action.choices).values()))


def arguments(parser: argparse.ArgumentParser) -> set[str]:
    """The positional arguments, as the help names them, in capitals; also of commands below."""
    nested = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction) and a.dest != "command"]
    below = (arguments(one) for action in nested for one in dict(action.choices).values())
    named = [action for action in parser._actions if not action.option_strings and action.dest != "command"]
    return {str(action.metavar or action.dest).upper() for action in named}.union(*below)


PARSERS = {
    "## reconciler": ("reconciler", device_parsers.new_parser()),
    "## fleet": ("fleet", fleet_cli._parser()),
    "## python -m signing": ("python -m signing", signing_cli._parser()),
}


@pytest.mark.parametrize("heading", PARSERS)
def test_the_commands_and_options_told_are_those_of_the_parser(heading: str) -> None:
    program, parser = PARSERS[heading]
    told = section("reference/commands.md", heading)
    below = commands(parser)
    starts = {one.removeprefix(f"{program} ").split()[0] for one in quoted(told) if one.startswith(f"{program} ")}
    assert starts - {"[--version]"} == below.keys()
    known = options(parser)
    others = {"-m", "-Y", "-S"}  # of Python, ssh-keygen and git
    assert {word for word in words(told) if re.fullmatch(r"--?[A-Za-z][a-z-]*", word)} - others == known


@pytest.mark.parametrize("name", commands(fleet_cli._parser()))
def test_each_fleet_command_tells_its_own_options_and_arguments(name: str) -> None:
    parser = commands(fleet_cli._parser())[name]
    told = words(section("reference/commands.md", f"### fleet {name}"))
    assert options(parser) - {"-h", "--help"} <= told
    assert arguments(parser) <= {word.upper() for word in told}
    for action in parser._actions:
        assert set(action.choices or ()) <= told, f"choices of {action.option_strings}"


@pytest.mark.parametrize("name", commands(signing_cli._parser()))
def test_each_signing_command_shows_its_options_and_arguments(name: str) -> None:
    parser = commands(signing_cli._parser())[name]
    usage = next(
        one for one in quoted(text_of("reference/commands.md")) if one.startswith(f"python -m signing {name} ")
    )
    shown = set(re.split(r"[\s\[\]]+", usage))
    assert (options(parser) - {"-h", "--help"}) <= shown
    assert arguments(parser) <= {word.upper() for word in shown}


def test_every_check_is_told_in_the_order_in_which_they_are_made() -> None:
    told = [row[0].strip("`") for row in rows(section("reference/commands.md", "### Checks"))]
    assert told == list(IDS)


def test_every_metric_is_told_with_its_labels_and_type() -> None:
    app = AppReport("a", "Healthy", services=(ServiceReport("s"),))
    condition = ReportedCondition("Ready", "True", "Healthy", "", "2026-06-01T00:00:00Z")
    report = Report("d", "Healthy", "2026-06-01T00:00:00Z", apps=(app,), conditions=(condition,), disk_free_bytes=1)
    counts = Counts(steps={"pull": 1}, refusals={"UNSIGNED": 1}, services={("a", "s"): Seconds()})
    text = exposition(report, counts)
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    samples = re.findall(r"^(\w+)(\{.*\})? ", text, re.MULTILINE)
    shown = {name: re.sub(r'="[^"]*"', "", labels) for name, labels in samples}
    page = text_of("reference/metrics.md")
    told = {row[0].strip("`"): row[1] for row in rows(page) if row[0].startswith("`reconciler_")}
    assert told == {f"{name}{shown[name]}": kind for name, kind in kinds.items()}
    assert {name.partition("{")[0] for name in quoted(page) if name.startswith("reconciler_")} == kinds.keys()


def test_every_field_of_the_report_is_told_with_its_default() -> None:
    for heading, kind in REPORT_SECTIONS.items():
        told = {row[0].strip("`"): row for row in rows(section("reference/report.md", f"## {heading}"))}
        assert told.keys() == {field.name for field in dataclasses.fields(kind)}, heading
        at = 1 if kind is Revisions else 2
        for field in dataclasses.fields(kind):
            has_default = {field.default, field.default_factory} != {dataclasses.MISSING}
            assert bool(told[field.name][at]) == has_default, f"{heading}.{field.name}: default"
    assert f"`{ServiceReport('x').state}`" in section("reference/report.md", "## Service")


def test_the_example_report_is_one() -> None:
    (example,) = fenced(DOCS / "reference/report.md", "json")
    assert from_json(Report, example.encode()).phase == "Healthy"


@pytest.mark.parametrize(
    ("heading", "path"),
    [("## Fleet", "fleet.yaml"), ("## Layer", "layers/base/l.yaml"), ("## Device", "devices/d.yaml")],
)
def test_every_key_of_our_documents_is_told(heading: str, path: str) -> None:
    kind, name = heading.removeprefix("## "), path[-6]
    head = f"apiVersion: fleet/v1, kind: {kind}, metadata: {{name: {name if kind != 'Fleet' else 'f'}}}"
    known = allowed_keys({path: f"{{{head}, spec: {{tiers: [base], {NO_SUCH_KEY}: 1}}}}"})
    text = text_of("reference/manifest.md")
    refused = quoted(next(line for line in text.split("\n") if line.startswith("The `spec` keys"))) - {"spec"}
    told = {key.split(".")[1] for key in quoted(section("reference/manifest.md", heading)) if key[:5] == "spec."}
    assert told == known - refused
    assert refused <= known


def test_every_key_of_a_patch_and_a_selector_is_told() -> None:
    head = "apiVersion: fleet/v1, kind: Layer, metadata: {name: l}"
    layer = f"{{{head}, spec: {{%s}}}}"
    patches = {row[0].strip("`") for row in rows(section("reference/manifest.md", "## Patches"))}
    path = "layers/base/l.yaml"
    assert allowed_keys({path: layer % f"patches: [{{{NO_SUCH_KEY}: 1}}]"}) - {"target"} <= patches
    targets = allowed_keys({path: layer % f"patches: [{{target: {{{NO_SUCH_KEY}: 1}}}}]"})
    assert {f"target.{key}" for key in targets} <= patches
    selector = quoted(section("reference/manifest.md", "## Layer"))
    keys = allowed_keys({path: layer % f"selector: {{{NO_SUCH_KEY}: 1}}"})
    assert {f"spec.selector.{key}" for key in keys} <= selector
    assert allowed_keys({path: layer % f"selector: {{matchExpressions: [{{{NO_SUCH_KEY}: 1}}]}}"}) <= selector


@pytest.mark.parametrize("part", ["spec", "spec.remote", "spec.trust", "spec.status", "spec.secrets", "metadata"])
def test_every_key_of_the_settings_is_told(part: str, tmp_path: Path) -> None:
    inner = f"{{{NO_SUCH_KEY}: 1}}"
    for key in reversed(part.split(".")):
        inner = f"{{{key}: {inner}}}"
    path = tmp_path / "config.yaml"
    path.write_text(inner)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    told = {row[0].strip("`") for row in rows(text_of("reference/settings.md"))}
    inside = {key.removeprefix(f"{part}.").split(".")[0] for key in told if key.startswith(f"{part}.")}
    assert inside == listed(str(caught.value))


def test_the_defaults_of_the_settings_are_those_told(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    url = "https://git.acme.example/fleet.git"
    head = "apiVersion: fleet/v1, kind: Agent, metadata: {name: d}"
    path.write_text(f"{{{head}, spec: {{remote: {{url: '{url}'}}}}}}")
    plain = load_config(path)
    told = {row[0].strip("`"): row[2].strip("`") for row in rows(text_of("reference/settings.md")) if len(row) == 4}
    path.write_text(
        f"{{{head}, spec: {{remote: {{url: '{url}', branch: {told['spec.remote.branch']}}}, "
        f"trust: {{mode: {told['spec.trust.mode']}, allowedSigners: {told['spec.trust.allowedSigners']}}}, "
        f"status: {{branch: {told['spec.status.branch']}, heartbeat: {told['spec.status.heartbeat']}}}, "
        f"identity: {told['spec.identity']}, interval: {told['spec.interval']}, "
        f"engine: '{told['spec.engine']}', state: {told['spec.state']}}}}}"
    )
    assert load_config(path) == plain


def raised_codes() -> set[str]:
    """Every reason code in the sources: the first text of an error that has one, and of what is handed to it."""
    files = [
        *(ROOT / "signing").glob("*.py"),
        ROOT / "reconciler/repository/objects.py",
        ROOT / "reconciler/agent/orders/source.py",
    ]
    strings = {
        argument.value
        for file in files
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call) and not ast.unparse(call.func).startswith("re.")
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
    return {text for text in strings if re.fullmatch(r"[A-Z]+(_[A-Z]+)*", text) and len(text) > 3} - {"SIGNATURE"}


def test_every_reason_code_of_trust_is_told() -> None:
    codes = raised_codes()
    assert {"UNSIGNED", "FORK_OR_REWIND", "PATH_CHARS", "SIG_FORMAT"} <= codes
    assert codes <= quoted(text_of("concepts/trust.md"))


def test_every_type_reason_and_phase_is_told() -> None:
    told = quoted(text_of("reference/conditions.md"))
    for name in ("passes/reporting", "orders/source"):
        tree = ast.parse((ROOT / f"reconciler/agent/{name}.py").read_text())
        texts = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        assert {text for text in texts if re.fullmatch(r"[A-Z][a-z]+[A-Za-z]*", text)} <= told, name


def test_the_index_promises_nothing_that_is_refused_today() -> None:
    """What the index calls missing is refused: when it comes, the line has to go."""
    told = section("index.md", "## Not in this version")
    later = {key for key, why in compose_service._REFUSED.items() if why == compose_service._LATER}
    (row,) = [line for line in told.split("\n") if "`blkio_config`" in line]
    assert quoted(row) == later
    for refused in ("scale: 2", "deploy: {replicas: 2}"):
        assert rendered({"apps/a/compose.yaml": f"services: {{s: {{image: i, {refused}}}}}"}).problems, refused
    device = textwrap.dedent("""\
        {apiVersion: fleet/v1, kind: Device, metadata: {name: d}, spec: {suspend: {until: x}}}""")
    with pytest.raises(ManifestError, match="`suspend` is not supported"):
        FleetFiles({"devices/d.yaml": device.encode()}).device("d")
