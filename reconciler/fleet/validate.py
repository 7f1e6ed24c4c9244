"""Every device renders, or a list of problems with file and line. All of them, in one go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.documents import compile_policy
from reconciler.errors import ManifestError, Problem, ProblemKind, ReconcilerError
from reconciler.fleet.secrets import findings
from reconciler.manifests import POLICY_FILE, Device, FleetFiles, check_documents
from reconciler.model.tree import Tree, wheel_path
from reconciler.reading import scalar_text
from signing import PublicKey, SignatureError


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem or a note, and the devices that it concerns; none for one of files that are for all, or for nobody."""

    problem: Problem
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Validation:
    """What was found, in the order of files and lines."""

    devices: int
    apps: int
    findings: tuple[Finding, ...] = ()


def validate(tree: Tree) -> Validation:
    """Check every document of a fleet, and render every device."""
    files = FleetFiles(tree)
    concerned: dict[Problem, list[str]] = {problem: [] for problem in (*check_documents(tree), *_policy(tree))}
    try:
        # Each of these is needed by every device: without them, nothing more can be said.
        _, layers = files.fleet, files.layers
    except ManifestError as error:
        return Validation(0, 0, _findings(concerned | {problem: [] for problem in error.problems}))
    # A layer that is wrong is told, also when it selects no device.
    for problem in (*files.strays(), *(problem for layer in layers for problem in layer.problems)):
        concerned.setdefault(problem, [])
    for problem, device in findings(tree):
        concerned.setdefault(problem, []).extend([device] if device else [])
    apps: set[str] = set()
    for name in sorted(files.device_paths):
        try:
            rendering = files.render(name)
        except ManifestError as error:
            problems = error.problems
        else:
            problems = (*rendering.problems, *_identity(rendering.device), *_wheel(files, name))
            apps |= {app.name for app in rendering.desired.apps}
        for problem in problems:
            concerned.setdefault(problem, []).append(name)
    return Validation(len(files.device_paths), len(apps), _findings(concerned))


def _policy(tree: Tree) -> tuple[Problem, ...]:
    """What would keep `fleet policy propose` from making a policy of the files; its form was looked at before."""
    if POLICY_FILE not in tree:
        return ()
    try:
        # The day says nothing of the rest.
        compile_policy(tree, 1, datetime(2026, 1, 1, tzinfo=UTC))
    except ManifestError as error:
        return error.problems
    except ReconcilerError as error:
        return (Problem(error.where, error.what, error.advice),)
    return ()


def _findings(concerned: Mapping[Problem, Sequence[str]]) -> tuple[Finding, ...]:
    """In the order of files and lines; notes come last, so that the first finding is a problem if there is one."""
    findings = [Finding(problem, tuple(devices)) for problem, devices in concerned.items()]
    return tuple(sorted(findings, key=lambda one: (one.problem.kind is ProblemKind.NOTE, _place(one))))


def _identity(device: Device) -> tuple[Problem, ...]:
    """A key that cannot be read would make every report of the device a forgery."""
    try:
        if device.identity:
            PublicKey.parse(device.identity)
    except SignatureError as error:
        return (
            Problem(str(device.identity_place), f"`identity`: {error}", "write the public half of the device's key"),
        )
    return ()


def _wheel(files: FleetFiles, device: str) -> tuple[Problem, ...]:
    """A version of the reconciler that nobody put there."""
    node = files.wanted(device).reconciler
    path = wheel_path(scalar_text(node)) if node else ""
    if node is None or path in files.tree:
        return ()
    return (Problem(str(node.place), f"there is no `{path}`", "put the wheel there, and say what it is called"),)


def _place(finding: Finding) -> tuple[str, list[int]]:
    file, *position = finding.problem.where.split(":")
    return file, [int(part) for part in position if part.isdigit()]
