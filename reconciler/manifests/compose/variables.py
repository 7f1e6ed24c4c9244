"""From a patched Compose document to one without variables: env files, unset entries, `${NAME}`.

In the order of Compose: what `environment` says wins over `env_file`, and later files over earlier ones.
"""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.errors import ManifestError
from reconciler.manifests.dotenv import MAX_BYTES as MAX_ENV_BYTES
from reconciler.manifests.dotenv import Line, read_lines, read_raw_lines
from reconciler.manifests.interpolate import InterpolationError, interpolate, names_in, substitute
from reconciler.model.tree import Tree, files_under, inside
from reconciler.reading import Node, Problems, boolean, check_keys, scalar_text, text, walk

# Compose takes the profiles that are on from a variable of this name, separated by commas.
PROFILES_VARIABLE = "COMPOSE_PROFILES"
# A variable that every device has, so that an app can say who it is.
DEVICE_VARIABLE = "FLEET_DEVICE"
_MAX_ENV_FILES = 20
# The kernel gives a program no longer one (MAX_ARG_STRLEN).
_MAX_VALUE = 128 * 1024


def mentioned(document: Node, app: str, tree: Tree) -> tuple[str, ...]:
    """Every variable that could change what the document says."""
    found = {name for _, node in walk(document) if isinstance(node.value, str) for name in names_in(node.value)}
    for service in _services(document).values():
        environment = service.entries.get("environment")
        # Not in map form yet, where a patch brought a list: then every text may be a name.
        for _, node in walk(environment) if environment else ():
            found |= {key for key, child in node.entries.items() if child.value is None}
            found |= {child.value for child in node.elements if isinstance(child.value, str)}
        if "profiles" in service.entries:
            found.add(PROFILES_VARIABLE)
        if "env_file" in service.entries:
            found |= _mentioned_in_files(app, tree)
    for section in ("configs", "secrets"):
        for _, node in walk(document.entries[section]) if section in document.entries else ():
            named = node.entries.get("environment")
            found |= {scalar_text(named)} if named else set()
            # Each device has a sealed file of its own.
            found |= {DEVICE_VARIABLE} if "external" in node.entries else set()
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class Scope:
    """The variables of a device; and, where it is known, which nodes of the document hold any, by id."""

    variables: Mapping[str, str]
    open_nodes: frozenset[int] | None = None


def resolve(document: Node, app: str, tree: Tree, scope: Scope, problems: Problems) -> Node:
    """The document, which is in its normal form, without variables."""
    said, variables, open_nodes = _services(document), scope.variables, scope.open_nodes
    changed = {
        name: _with_environment(service, _env_files(service, app, tree, variables, problems), variables)
        for name, service in said.items()
    }
    if any(changed[name] is not service for name, service in said.items()):
        services = document.entries["services"]._replace(value=changed)
        document, open_nodes = document._replace(value={**document.entries, "services": services}), None
    return interpolate(document, variables, problems, open_nodes)


def _services(document: Node) -> Mapping[str, Node]:
    services = document.entries.get("services")
    return services.entries if services else {}


def _with_environment(service: Node, below: Mapping[str, Node], variables: Mapping[str, str]) -> Node:
    """An entry without a value takes the variable's, and is left out when there is none (as in Compose)."""
    said = service.entries.get("environment")
    if (said is None or not said.is_mapping) and not below:
        return service
    entries = said.entries if said else {}
    if not below and all(node.value is not None for node in entries.values()):
        return service
    kept = {
        # `$` is doubled because the text is interpolated once more.
        key: node._replace(value=variables[key].replace("$", "$$")) if node.value is None else node
        for key, node in entries.items()
        if node.value is not None or key in variables
    }
    # One that is not set takes away what the files say.
    beneath = {key: node for key, node in below.items() if key not in entries or entries[key].value is not None}
    environment = (said or service)._replace(value={**beneath, **kept})
    return service._replace(value={**service.entries, "environment": environment})


def _env_files(
    service: Node, app: str, tree: Tree, variables: Mapping[str, str], problems: Problems
) -> dict[str, Node]:
    """What the env files of a service say, as entries of `environment` that need no more variables."""
    found: dict[str, Node] = {}
    # Variables of layers and device first, then those of lines before (as in Compose).
    known: dict[str, str] = {}
    names = ChainMap(dict(variables), known)
    longest = max(map(len, variables.values()), default=0)
    node = service.entries.get("env_file")
    if node is None or node.value is None:
        return found
    if node.is_mapping:
        problems.expected(node, "env_file", "text, or a list")
        return found
    elements = node.elements if node.is_list else (node,)
    if len(elements) > _MAX_ENV_FILES:
        problems.add(node.place, f"more than {_MAX_ENV_FILES} env files", "put them together")
        return found
    for element in elements:
        before = len(problems)
        resolved = interpolate(element, variables, problems)
        for line in _lines(resolved, app, tree, problems) if len(problems) == before else ():
            value = _value(line, names, longest, problems)
            if value is not None:
                known[line.name] = value
                longest = max(longest, len(value))
                found[line.name] = Node(value.replace("$", "$$"), line.place, line.place)
    return found


def _value(line: Line, variables: Mapping[str, str], longest: int, problems: Problems) -> str | None:
    """The value of a line; None, where it has none: a name alone that nobody sets vanishes, as in Compose.

    `longest` is how long the longest of the variables is.
    """
    if line.template is None:
        return variables.get(line.name)
    # Before it is made: each line may name the one before twice, and so double it.
    if line.template.count("$") * longest > _MAX_VALUE:
        problems.add(line.place, f"`{line.name}` could grow over {_MAX_VALUE} characters", "shorten it")
        return None
    try:
        return substitute(line.template, variables)
    except InterpolationError as error:
        problems.add(line.place, error.why, error.advice)
        return None


def _lines(node: Node, app: str, tree: Tree, problems: Problems) -> tuple[Line, ...]:
    """The lines of one element of `env_file`."""
    check_keys(node, ("path", "required", "format"), "an `env_file`", problems)
    fields = node.entries or {"path": node}
    if "path" not in fields:
        problems.add(node.place, "an `env_file` without `path`", "name the file")
        return ()
    before = len(problems)
    written = text(fields["path"], "env_file", problems)
    form = text(fields["format"], "format", problems) if "format" in fields else ""
    if form not in ("", "raw"):
        problems.add(fields["format"].place, f"the format {form!r}", "the only one beside the usual is `raw`")
    path = inside(f"apps/{app}", written)
    if len(problems) > before:
        return ()
    if path is None or path not in tree:
        if "required" not in fields or boolean(fields["required"], "required", problems):
            problems.add(node.place, f"there is no file {written!r} in apps/{app}", "add it, or say `required: false`")
        return ()
    try:
        return read_raw_lines(tree[path], path) if form else read_lines(tree[path], path)
    except ManifestError as error:
        problems.extend(error.problems)
        return ()


def _mentioned_in_files(app: str, tree: Tree) -> set[str]:
    """Every name in the files beside the Compose file: which of them is an env file may hang on a variable."""
    found: set[str] = set()
    for path in files_under(tree, f"apps/{app}"):
        if len(tree[path]) <= MAX_ENV_BYTES:
            content = tree[path].decode("utf-8", "replace")
            found |= set(names_in(content)) | {line.strip() for line in content.splitlines() if "=" not in line}
    return found
