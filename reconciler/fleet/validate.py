"""Every device renders, or a list of problems with file and line. All of them, in one go."""

from dataclasses import dataclass

from reconciler.errors import ManifestError, Problem
from reconciler.manifests import Device, FleetFiles, Tree
from signing import PublicKey, SignatureError


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, and the devices that it concerns; none for one that concerns every device."""

    problem: Problem
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Validation:
    """What was found, in the order of files and lines."""

    devices: int
    apps: int
    findings: tuple[Finding, ...] = ()


def validate(tree: Tree) -> Validation:
    """Render every device of a fleet."""
    files = FleetFiles(tree)
    try:
        # Each of these is needed by every device: without them, nothing more can be said.
        names = sorted(files.device_paths)
        _ = files.fleet, files.layers
    except ManifestError as error:
        return Validation(0, 0, tuple(Finding(problem) for problem in error.problems))
    concerned: dict[Problem, list[str]] = {}
    apps: set[str] = set()
    for name in names:
        try:
            rendering = files.render(name)
        except ManifestError as error:
            problems = error.problems
        else:
            problems = (*rendering.problems, *_identity(rendering.device))
            apps |= {app.name for app in rendering.desired.apps}
        for problem in problems:
            concerned.setdefault(problem, []).append(name)
    findings = [Finding(problem, tuple(devices)) for problem, devices in concerned.items()]
    return Validation(len(names), len(apps), tuple(sorted(findings, key=_place)))


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


def _place(finding: Finding) -> tuple[str, list[int]]:
    file, *position = finding.problem.where.split(":")
    return file, [int(part) for part in position if part.isdigit()]
