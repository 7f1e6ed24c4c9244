"""One module of IoT Edge as one service of Compose."""

import re
from dataclasses import dataclass
from typing import Any

from reconciler.errors import ManifestError, Problem
from reconciler.fleet.imports.account import Account
from reconciler.fleet.imports.create_options import service_fields
from reconciler.fleet.imports.fields import Fields, escaped, merged
from reconciler.fleet.imports.names import variable_from
from reconciler.fleet.imports.parts import Part
from reconciler.fleet.imports.secret_values import secret_part
from reconciler.fleet.imports.source_files import parse_json

# What IoT Edge takes for a module that says nothing: it starts after all that do.
_LAST = 2**32 - 1
_KNOWN = "type version status restartPolicy startupOrder imagePullPolicy env settings".split()
_CONTINUATION = re.compile(r"createOptions(\d{2})")
# IoT Edge's rules look at the exit code only, whatever the name says, and "on-unhealthy" is its default.
_RESTART = {"always": "always", "on-failure": "on-failure", "on-unhealthy": "on-failure", "never": "no"}


@dataclass(frozen=True, slots=True)
class Module:
    """A service, and what decides about the others that wait for it."""

    fields: Fields
    order: int
    is_stopped: bool


def read_module(service: str, part: Part, account: Account) -> Module:
    """Read one module. Raises ManifestError, with the JSON pointer, for a value of the wrong kind."""
    given = part.entries()
    if "settings" not in given:
        raise part.expected("an object with `settings`")
    settings = given["settings"].entries()
    if "image" not in settings:
        raise given["settings"].expected("an object with `image`")
    _tell_unknown(given, settings, account)
    fields: Fields = {"image": escaped(settings["image"].text())}
    if "$" in fields["image"]:
        reason = "it is a placeholder of a template: import the manifest that was made from it"
        account.left(f"the image of `{service}`", settings["image"].where, reason)
    fields |= service_fields(_create_options(given["settings"], settings), account)
    fields = merged(fields, _environment(given["env"]) if "env" in given else {})
    _restart(fields, given)
    is_stopped = _choice(given, "status", ("running", "stopped"), "running") == "stopped"
    if is_stopped:
        fields = merged(fields, {"deploy": {"replicas": 0}})
    if _choice(given, "imagePullPolicy", ("on-create", "never"), "on-create") == "never":
        fields["pull_policy"] = "never"
    if "version" in given:
        fields["x-iotedge"] = {"version": escaped(given["version"].scalar())}
    order = given["startupOrder"].integer() if "startupOrder" in given else _LAST
    return Module(_concealed(fields, service, part, account), order, is_stopped)


def _tell_unknown(given: dict[str, Part], settings: dict[str, Part], account: Account) -> None:
    kind = given.get("type")
    if kind is not None and kind.text() != "docker":
        raise kind.expected("`docker`")
    for name, part in given.items():
        if name not in _KNOWN and not part.is_default:
            account.left(f"`{name}` of a module", part.where, "this version does not know it")
    for name, part in settings.items():
        if name not in ("image", "createOptions") and not _CONTINUATION.fullmatch(name) and not part.is_default:
            account.left(f"`{name}` of a module's settings", part.where, "this version does not know it")


def _create_options(place: Part, settings: dict[str, Part]) -> Part:
    """The create options: an object, or its JSON as text, cut into pieces because a twin's texts are short."""
    first = settings.get("createOptions", Part("", place.file, f"{place.pointer}/createOptions"))
    pieces = sorted(name for name in settings if _CONTINUATION.fullmatch(name))
    if isinstance(first.value, dict) and not pieces:
        return first
    if pieces != [f"createOptions{number:02}" for number in range(1, len(pieces) + 1)]:
        what = f"the pieces {', '.join(pieces)} are not all there"
        raise ManifestError([Problem(place.where, what, "they are numbered from createOptions01 without a gap")])
    whole = first.text() + "".join(settings[name].text() for name in pieces)
    return parse_json(whole if whole.strip() else "{}", first.file, first.pointer)


def _environment(part: Part) -> Fields:
    found: dict[str, object] = {}
    for name, entry in part.entries().items():
        fields = entry.entries()
        if not name or "=" in name:
            raise entry.expected("the value of a variable with a name, without '='")
        found[name] = escaped(fields["value"].scalar()) if "value" in fields else ""
    return {"environment": found} if found else {}


def _choice(given: dict[str, Part], key: str, known: tuple[str, ...], default: str) -> str:
    written = given[key].text() if key in given else default
    if written.lower() not in known:
        raise given[key].expected(f"one of {', '.join(known)}")
    return written.lower()


def _restart(fields: Fields, given: dict[str, Part]) -> None:
    """The module's own policy; where that is `never`, Docker's, which the create options may set beside it."""
    policy = _RESTART[_choice(given, "restartPolicy", tuple(_RESTART), "on-unhealthy")]
    if policy != "no" or "restart" not in fields:
        fields["restart"] = policy


def _concealed(fields: Fields, service: str, module: Part, account: Account) -> Fields:
    """Secrets become variables that are not set: the service cannot start by mistake without them."""

    stand_for: dict[str, str] = {}

    def conceal(value: Any, name: str, before: str = "") -> Any:
        if isinstance(value, dict):
            return {key: conceal(child, key) for key, child in value.items()}
        if isinstance(value, list):
            words = [""] + [child if isinstance(child, str) else "" for child in value]
            return [conceal(child, str(index), words[index]) for index, child in enumerate(value)]
        if not isinstance(value, str):
            return value
        secret = secret_part(name, value, before)
        if not secret and account.secrets.holds(value.replace("$$", "$")):
            secret = value
        if not secret:
            return value
        account.secrets.note(secret.replace("$$", "$"))
        # The word before may be a secret itself, unless it is a flag.
        flag = before if before.startswith("-") and "=" not in before else ""
        called = value.removesuffix(secret).rstrip("=") or (flag if name.isdigit() else name)
        variable = variable_from(service, called)
        while stand_for.setdefault(variable, secret) != secret:
            variable += "_"
        reason = f"it looks like a secret: `{variable}` stands for it; what layers and devices set can be read in Git"
        account.left(f"the value of `{called or 'a text'}` in `{service}`", module.where, reason)
        return value.removesuffix(secret) + f"${{{variable}:?a secret that was not imported}}"

    return {key: conceal(value, key) for key, value in fields.items()}
