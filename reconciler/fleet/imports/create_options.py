"""Docker's create options, as IoT Edge passes them on, in Compose's words: a table from each key to its reader.

What is not in the table is told. What our own Compose subset refuses is written all the same: the file says what the
module asked for, and `fleet validate` says what of it needs a grant or a later version.
"""

from collections.abc import Mapping

from reconciler.fleet.imports import host_options as host
from reconciler.fleet.imports.account import Account
from reconciler.fleet.imports.fields import Fields, Reader, duration, escaped, flag, merged, plain_text, texts
from reconciler.fleet.imports.parts import Part


def service_fields(options: Part, account: Account) -> Fields:
    """The keys of a Compose service that say the same. Raises ManifestError for a value of the wrong kind."""
    return _read(options, _OPTIONS, account)


def _read(options: Part, table: Mapping[str, Reader], account: Account) -> Fields:
    """Docker and IoT Edge take the names of options in any case, so we do."""
    known = {name.lower(): reader for name, reader in table.items()}
    fields: Fields = {}
    for name, part in options.entries().items():
        reader = known.get(name.lower())
        if reader is None:
            if not part.is_default:
                account.left(f"the create option `{name}`", part.where, "Compose has no word for it")
            continue
        if not part.is_default:
            fields = merged(fields, reader(part, account))
    return fields


def _environment(part: Part, account: Account) -> Fields:
    found: dict[str, object] = {}
    for element in part.elements():
        name, sign, value = element.text().partition("=")
        if not name or not sign:
            account.left(
                "a variable without a value", element.where, "it takes one away from the image: write an empty one"
            )
            continue
        found[name] = escaped(value)
    return {"environment": found} if found else {}


def _labels(part: Part, _: Account) -> Fields:
    if isinstance(part.value, list):
        return {"labels": {name: escaped(value) for name, _, value in (text.partition("=") for text in part.texts())}}
    return {"labels": {name: escaped(value) for name, value in part.scalars().items()}}


def _exposed(part: Part, _: Account) -> Fields:
    return {"expose": list(part.entries())}


def _anonymous_volumes(part: Part, _: Account) -> Fields:
    return {"volumes": [escaped(path) for path in part.entries()]}


def _stop_timeout(part: Part, _: Account) -> Fields:
    return {"stop_grace_period": f"{part.integer()}s"}


_HEALTH: Mapping[str, Reader] = {
    "Test": lambda part, _: (
        {"disable": True} if part.texts() == ["NONE"] else {"test": [escaped(word) for word in part.texts()]}
    ),
    "Interval": lambda part, _: {"interval": duration(part)},
    "Timeout": lambda part, _: {"timeout": duration(part)},
    "StartPeriod": lambda part, _: {"start_period": duration(part)},
    "StartInterval": lambda part, _: {"start_interval": duration(part)},
    "Retries": lambda part, _: {"retries": part.integer()},
}


def _healthcheck(part: Part, account: Account) -> Fields:
    fields = _read(part, _HEALTH, account)
    return {"healthcheck": fields} if fields else {}


def _host_config(part: Part, account: Account) -> Fields:
    return _read(part, host.OPTIONS, account)


def _networking(part: Part, account: Account) -> Fields:
    return _read(part, {"EndpointsConfig": host.endpoints}, account)


_OPTIONS: Mapping[str, Reader] = {
    "Env": _environment,
    "Cmd": texts("command"),
    "Entrypoint": texts("entrypoint"),
    "ExposedPorts": _exposed,
    "Labels": _labels,
    "User": plain_text("user"),
    "WorkingDir": plain_text("working_dir"),
    "Hostname": plain_text("hostname"),
    "Domainname": plain_text("domainname"),
    "MacAddress": plain_text("mac_address"),
    "StopSignal": plain_text("stop_signal"),
    "StopTimeout": _stop_timeout,
    "Healthcheck": _healthcheck,
    "Tty": flag("tty"),
    "OpenStdin": flag("stdin_open"),
    "Volumes": _anonymous_volumes,
    "HostConfig": _host_config,
    "NetworkingConfig": _networking,
}
