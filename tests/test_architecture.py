"""The import law: who may know whom (CONTRIBUTING.md). Walks syntax trees, so imports inside of functions count."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent

# Room -> the rooms that it may import. A room may always import itself.
MAY_IMPORT = {
    "signing": set(),
    "reconciler.errors": set(),
    "reconciler.model": {"reconciler.errors"},
    "reconciler.reading": {"reconciler.errors", "reconciler.model"},
    "reconciler.admission": {"reconciler.errors", "reconciler.model"},
    "reconciler.manifests": {
        "reconciler.admission",
        "reconciler.errors",
        "reconciler.model",
        "reconciler.reading",
    },
    "reconciler.planning": {"reconciler.errors", "reconciler.model"},
    "reconciler.repository": {"reconciler.errors", "reconciler.model"},
    "reconciler.terminal": {"reconciler.errors", "reconciler.model"},
    "reconciler.sealing": {"reconciler.errors", "reconciler.manifests", "reconciler.reading"},
    # Both faces must judge releases and policies by the very same look at Git.
    "reconciler.documents": {
        "reconciler.errors",
        "reconciler.manifests",
        "reconciler.model",
        "reconciler.reading",
        "reconciler.repository",
        "signing",
    },
    "reconciler.agent": {
        "reconciler",
        "reconciler.admission",
        "reconciler.documents",
        "reconciler.errors",
        "reconciler.model",
        "reconciler.manifests",
        "reconciler.planning",
        "reconciler.reading",
        "reconciler.repository",
        "reconciler.sealing",
        "reconciler.terminal",
        "signing",
    },
    "reconciler.fleet": {
        "reconciler",
        "reconciler.admission",
        "reconciler.documents",
        "reconciler.errors",
        "reconciler.model",
        "reconciler.manifests",
        "reconciler.planning",
        "reconciler.reading",
        "reconciler.repository",
        "reconciler.sealing",
        "reconciler.terminal",
        "signing",
    },
    "reconciler": set(),
}

# The rooms of the agent, each above those that it may import; what is in none of them is above all.
STOREYS = (
    "state",
    "host",
    "settings",
    "versions",
    "mounts",
    "engine",
    "docker_engine",
    "orders",
    "errands",
    "passes",
    "service",
    "checks",
    "commands",
)

# Dependency -> the doors by which it enters (modules or rooms).
DOORS = {
    "cryptography": ("signing", "reconciler.sealing.sops"),
    "docker": ("reconciler.agent.docker_engine",),
    "requests": ("reconciler.agent.docker_engine",),
    "urllib3": ("reconciler.agent.docker_engine",),
    "git": ("reconciler.repository.desk",),
    "pyrage": ("reconciler.sealing.age",),
    "watchdog": ("reconciler.agent.service.watched_files",),
    "yaml": ("reconciler.reading.parse",),
    "jsonpatch": ("reconciler.manifests.merge",),
    "jsonpointer": ("reconciler.manifests.merge",),
}

# Rooms that decide and never act: no clock, no disk, no network, no process, no log.
PURE = ("reconciler.model", "reconciler.reading", "reconciler.admission", "reconciler.manifests", "reconciler.planning")
IMPURE_MODULES = set("os time random socket subprocess tempfile shutil logging pathlib threading".split())

# What only exists when an extra is installed; a device has none.
OPERATORS_ONLY = {"git"}
IMPORTED_BY_THE_DEVICE = ("reconciler.agent", "reconciler.repository", "reconciler.manifests", "reconciler.planning")


@cache
def modules() -> tuple[tuple[str, Path], ...]:
    paths = [path for top in ("reconciler", "signing") for path in sorted((ROOT / top).rglob("*.py"))]
    names = [path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in paths]
    return tuple(zip((name.removesuffix(".__init__") for name in names), paths, strict=True))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are written in full"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in dict(modules()) else str(node.module)


def room(name: str) -> str:
    return max((known for known in MAY_IMPORT if name == known or name.startswith(f"{known}.")), key=len)


def violations() -> Iterator[str]:
    for module, path in modules():
        home = room(module)
        for imported in imports(path):
            top = imported.partition(".")[0]
            if top in ("reconciler", "signing"):
                if room(imported) not in MAY_IMPORT[home] | {home}:
                    yield f"{module} imports {imported}: {home} may not know {room(imported)}"
            elif top in DOORS:
                if not any(module == door or module.startswith(f"{door}.") for door in DOORS[top]):
                    yield f"{module} imports {imported}: it enters only by {', '.join(DOORS[top])}"
            elif top not in sys.stdlib_module_names:
                yield f"{module} imports {imported}: a dependency without a door"
            elif home in PURE and top in IMPURE_MODULES:
                yield f"{module} imports {imported}: {home} is pure"


def test_every_module_keeps_the_import_law() -> None:
    assert list(violations()) == []


def storey(name: str) -> int:
    """How high a module of the agent is."""
    inner = name.split(".")[2:]
    return STOREYS.index(inner[0]) if inner and inner[0] in STOREYS else len(STOREYS)


def test_the_rooms_of_the_agent_know_only_those_below() -> None:
    ours = [(name, path) for name, path in modules() if room(name) == "reconciler.agent"]
    packages = {path.parent.name for _, path in ours if path.name == "__init__.py"}
    assert packages == {"agent", *STOREYS}
    climbs = [
        f"{name} imports {imported}"
        for name, path in ours
        for imported in imports(path)
        if imported.startswith("reconciler.agent") and storey(imported) > storey(name)
    ]
    assert climbs == []


def test_the_device_runs_without_the_operators_dependencies() -> None:
    """What the agent imports, followed through the tree, holds nothing that only an extra installs."""
    known = dict(modules())
    reached, rest = set(), [name for name in known if room(name) == "reconciler.agent"]
    while rest:
        module = rest.pop()
        if module in reached:
            continue
        reached.add(module)
        # Importing a.b.c runs a and a.b as well.
        rest += [name for name in known if module.startswith(f"{name}.")]
        for imported in imports(known[module]):
            assert imported.partition(".")[0] not in OPERATORS_ONLY, f"{module} imports {imported}"
            rest += [name for name in known if imported == name or imported.startswith(f"{name}.")]
    assert "reconciler.repository.git" in reached


def test_an_agent_that_sits_idle_holds_nothing_that_verifies_renders_or_signs() -> None:
    """An errand does that, and ends (docs/decisions/0017): 40 MiB is the ceiling. Asked of a real import."""
    heavy = ("cryptography", "jsonpatch", "pyrage", "git", "signing")
    heavy += tuple(f"reconciler.{room}" for room in ("manifests", "documents", "sealing"))
    program = "import sys, reconciler.agent.cli, reconciler.agent.service.run; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = loaded.stdout.split()
    assert "reconciler.agent.docker_engine.engine" in modules
    assert [name for name in modules if name.startswith(tuple(f"{one}." for one in heavy)) or name in heavy] == []


def test_files_and_functions_are_small() -> None:
    for name, path in modules():
        text = path.read_text()
        assert text.count("\n") <= 300, f"{name} has over 300 lines: it is two rooms"
        assert ast.get_docstring(ast.parse(text)), f"{name} has no caption"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= 40, f"{name}:{node.lineno} {node.name} has {length} lines"
