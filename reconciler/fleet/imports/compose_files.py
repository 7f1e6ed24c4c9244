"""`fleet import compose`: each Compose file becomes an app as it stands, with a layer that brings it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from reconciler.fleet.imports.account import Account
from reconciler.fleet.imports.beside import Beside
from reconciler.fleet.imports.env_file import read_env
from reconciler.fleet.imports.judge import NewApp
from reconciler.fleet.imports.made import Made, Making
from reconciler.fleet.imports.names import chosen_app, layer_of
from reconciler.fleet.imports.new_files import yaml_file
from reconciler.fleet.imports.secret_values import secret_part
from reconciler.fleet.imports.source_files import read_source
from reconciler.reading import MAX_BYTES, Node, parse, walk


def import_compose(paths: Sequence[Path], app: str | None, env_file: Path | None, tier: str, account: Account) -> Made:
    """The files that these Compose files become. Raises ReconcilerError for what cannot be read."""
    making = Making()
    for path in paths:
        content = read_source(path, MAX_BYTES)
        document = parse(content, str(path))
        env_path = env_file or path.parent / ".env"
        variables: Mapping[str, str] = {}
        if env_file or env_path.is_file():
            variables = read_env(read_source(env_path, MAX_BYTES), str(env_path), account)
        name = chosen_app(app, _own_name(document), path.resolve().parent.name)
        target, layer = f"apps/{name}/compose.yaml", f"layers/{tier}/{layer_of(name)}.yaml"
        making.copy(target, content, str(path))
        account.carried(f"the app `{name}`", str(path), f"copied to {target}")
        _tell_secrets(document, target, account)
        for copied, body in Beside(name, account).collect(document, path).items():
            making.copy(copied, body, str(path))
        spec = {"apps": [name]} | ({"variables": dict(variables)} if variables else {})
        own = {"apiVersion": "fleet/v1", "kind": "Layer", "metadata": {"name": layer_of(name)}, "spec": spec}
        making.add(layer, yaml_file(layer, "Every device: write a `selector:` to choose some.", own), str(path))
        making.apps.append(NewApp(name, layer))
    return making.finished()


def _own_name(document: Node) -> str:
    name = document.entries.get("name")
    return name.value if name is not None and isinstance(name.value, str) else ""


def _tell_secrets(document: Node, target: str, account: Account) -> None:
    """Secrets that stand in the Compose file itself: the copy has them too, and must not be committed so."""
    before = ""
    for pointer, node in walk(document):
        if not isinstance(node.value, str):
            continue
        name = pointer.rpartition("/")[2]
        secret = secret_part(name, node.value, before)
        before = node.value if name.isdigit() else ""
        if secret:
            account.secrets.note(secret)
            told = node.value.partition("=")[0] if name.isdigit() and secret != node.value else pointer
            reason = "it looks like a secret, and all who have the repository read it: write ${NAME} before you commit"
            account.unsafe(f"`{told}`", f"{target}:{node.place.line}:{node.place.column}", reason)
