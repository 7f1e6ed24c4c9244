"""fleet secret: seal values for the devices that use them, in files of the fleet repository."""

import argparse
import contextlib
import getpass
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from reconciler.errors import ConfigError, ReconcilerError, SealRefused
from reconciler.fleet.secrets import OPERATORS, RECIPIENTS, Secret, secrets_of
from reconciler.fleet.text import count, table
from reconciler.manifests import MAX_CONFIG_BYTES, is_secret_name, path_of
from reconciler.model.tree import Tree
from reconciler.repository.desk import Desk
from reconciler.sealing import Keys, seal, unseal
from reconciler.terminal import Parser, complain

# The armour of age makes a third more of it.
_MOST_BYTES = MAX_CONFIG_BYTES // 2
_DESCRIPTION = """\
A secret is sealed for each device that uses it, with the device's own key: secrets/NAME/DEVICE.age. An app uses it as
an external secret, `secrets: {NAME: {external: true}}`. Who is named in secrets/operators (public keys, one a line) can
seal it for new devices later, without knowing it.

  fleet secret set NAME    seal a value, new or changed; it is asked for, or read from a pipe or a file
  fleet secret seal        seal for devices that were added or have another key, with the key of an operator
  fleet secret list        who uses which secret, and who cannot unseal it
"""


def set_value(options: argparse.Namespace) -> int:
    """Seal a value for every device that uses it."""
    desk = Desk(options.folder)
    tree, name = desk.worktree(), _checked(options.name)
    secret = secrets_of(tree, [name])[name]
    if not secret.users:
        advice = f"let an app have `secrets: {{{name}: {{external: true}}}}`, and a layer that app"
        raise ReconcilerError(f"no device uses the secret `{name}`", advice=advice)
    heirs = secret.heirs()
    recipients = _recipients(secret, heirs, heirs)
    value = _value(options.file, name)
    operators, kept = _operators(tree), path_of(name, OPERATORS)
    # First: a value that is only half written can be sealed for the others out of this one.
    files = {kept: seal(value, operators)} if operators else {}
    files |= {path_of(name, device): seal(value, [key]) for device, key in recipients.items()}
    # Nobody keeps what is not the value any more.
    gone = secret.stray() if operators else (*secret.stray(), kept)
    _write(desk.folder, files, gone)
    print(f"{name}: sealed for {count(len(recipients), 'device')}{_kept(operators)}")
    _warn(secret)
    print("next: commit it, as any change; what the old value opened is yours to close")
    return 0


def seal_again(options: argparse.Namespace) -> int:
    """Seal for the devices that use a secret and cannot unseal it; remove what no device uses."""
    desk = Desk(options.folder)
    tree = desk.worktree()
    keys = Keys.parse(_read(options.key)) if options.key else None
    found, errors = secrets_of(tree, tuple(map(_checked, options.names))), list[ReconcilerError]()
    for name in options.names or found:
        secret = found[name]
        if not (secret.users or secret.paths):
            errors.append(ReconcilerError(f"there is no secret `{name}`", advice="see `fleet secret list`"))
            continue
        try:
            _seal_missing(desk.folder, tree, secret, keys)
        except ReconcilerError as error:
            errors.append(error)
    return complain("fleet", errors)


def _seal_missing(folder: Path, tree: Tree, secret: Secret, keys: Keys | None) -> None:
    files: dict[str, bytes] = {}
    if secret.missing:
        recipients = _recipients(secret, secret.missing, secret.users)
        value = _opened(tree, secret, keys)
        files = {path_of(secret.name, device): seal(value, [key]) for device, key in recipients.items()}
    _write(folder, files, secret.stray())
    gone = count(len(secret.stray()), "file")
    print(f"{secret.name}: sealed for {', '.join(secret.missing) or 'nobody new'}; {gone} removed")
    _warn(secret)


def _warn(secret: Secret) -> None:
    if secret.unsure:
        some = ", ".join(list(secret.unsure)[:5])
        print(f"not known of {some}, which do not render whole: see `fleet validate`; their files stay")


def show_list(options: argparse.Namespace) -> int:
    """Print every secret, who uses it, and who cannot unseal it."""
    tree = Desk(options.folder).worktree()
    found = list(secrets_of(tree).values())
    if options.output == "json":
        print(json.dumps([{"name": s.name, "devices": sorted(s.users), "missing": s.missing} for s in found], indent=2))
    elif not found:
        print("no app uses a sealed secret")
    else:
        rows = [(s.name, str(len(s.users)), ", ".join(s.missing) or "-", str(len(s.stray()))) for s in found]
        print(table(("SECRET", "DEVICES", "NOT SEALED FOR", "NOT USED"), rows))
    return 0


def _checked(name: str) -> str:
    if not is_secret_name(name):
        raise ReconcilerError(f"{name!r} is no name of a secret", advice="use letters, digits, '.', '_' and '-'")
    return name


def _recipients(secret: Secret, devices: Iterable[str], keys: Mapping[str, str]) -> dict[str, str]:
    """The keys of these devices. Raises ReconcilerError for those without."""
    found = {device: keys[device] for device in devices}
    lacking = sorted(device for device, key in found.items() if not key)
    if unread := [device for device in lacking if device in secret.unsure]:
        what = f"the files of {', '.join(unread[:10])} do not read, and would keep the old value of `{secret.name}`"
        raise ReconcilerError(what, advice="mend what `fleet validate` tells")
    if lacking:
        advice = "write the public half of the device's key as `identity` into its file"
        raise ReconcilerError(f"no key to seal `{secret.name}` for: {', '.join(lacking[:10])}", advice=advice)
    return found


def _operators(tree: Tree) -> list[str]:
    """The recipients that secrets/operators names."""
    lines = (line.strip() for line in tree.get(RECIPIENTS, b"").decode("utf-8", "replace").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _kept(operators: list[str]) -> str:
    if operators:
        return f" and {count(len(operators), 'operator')}"
    return f"; nobody else can seal it for new devices: name public keys in {RECIPIENTS} if somebody shall"


def _value(file: Path | None, name: str) -> bytes:
    """Every byte counts, a line end too."""
    if file is not None:
        value = _read(file)
    elif sys.stdin.isatty():
        value = getpass.getpass(f"{name}: ").encode()
    else:
        value = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if not value:
        raise ReconcilerError("an empty value", advice="type it, pipe it in, or use --file")
    if len(value) > _MOST_BYTES:
        raise ReconcilerError(f"over {_MOST_BYTES} bytes", advice="a secret is a key or a password; put data elsewhere")
    return value


def _opened(tree: Tree, secret: Secret, keys: Keys | None) -> bytes:
    path = path_of(secret.name, OPERATORS)
    if path not in tree:
        what = f"nobody but its devices can unseal `{secret.name}`"
        raise ReconcilerError(what, advice=f"`fleet secret set {secret.name}` seals it anew, of who knows it")
    if keys is None:
        raise ConfigError("no key to unseal with", advice="name yours with `--key`")
    try:
        return unseal(tree[path], keys)
    except SealRefused as error:
        error.where = path
        raise


def _read(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from error


def _write(folder: Path, files: Mapping[str, bytes], gone: Iterable[str]) -> None:
    """All beside first, so that a full disk leaves what was there."""
    beside = {folder / path: folder / f"{path}.new" for path in files}
    try:
        for (path, content), new in zip(files.items(), beside.values(), strict=True):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            new.write_bytes(content)
        for target, new in beside.items():
            new.replace(target)
        for path in gone:
            (folder / path).unlink(missing_ok=True)
    except OSError as error:
        for new in beside.values():
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
        raise ConfigError(f"cannot be written: {error.strerror}", where=str(error.filename or folder)) from error


def configure(commands: "argparse._SubParsersAction[Parser]") -> None:
    """The options of these commands."""
    parser = commands.add_parser("secret", help="seal values for the devices that use them: set, seal, list")
    parser.description, parser.formatter_class = _DESCRIPTION, argparse.RawDescriptionHelpFormatter
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    setting = actions.add_parser("set", help="seal a value, new or changed, for every device that uses it")
    setting.add_argument("name", help="the secret, as apps name it")
    setting.add_argument("--file", type=Path, metavar="FILE", help="where it is read; default: asked for, or a pipe")
    setting.set_defaults(run=set_value)
    again = actions.add_parser("seal", help="seal for devices that were added or have another key")
    again.add_argument("names", nargs="*", metavar="NAME", help="default: every secret")
    again.add_argument("--key", type=Path, metavar="FILE", help="private key of an operator in secrets/operators")
    again.set_defaults(run=seal_again)
    listing = actions.add_parser("list", help="who uses which secret, and who cannot unseal it")
    listing.add_argument("-o", "--output", choices=("text", "json"), default="text")
    listing.set_defaults(run=show_list)
