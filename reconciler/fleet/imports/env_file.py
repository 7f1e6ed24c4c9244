"""The variables of a `.env` file, as variables of a layer."""

import re
from collections.abc import Mapping

from reconciler.fleet.imports.account import Account
from reconciler.fleet.imports.secret_values import secret_part
from reconciler.manifests.dotenv import Line, read_lines
from reconciler.manifests.interpolate import InterpolationError, substitute

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_env(content: bytes, file: str, account: Account) -> Mapping[str, str]:
    """The variables that a layer may hold. Raises ManifestError for a line that is none of a `.env` file."""
    variables: dict[str, str] = {}
    for line in read_lines(content, file):
        if _may_be_carried(line, account):
            _take(line, variables, account)
    return variables


def _may_be_carried(line: Line, account: Account) -> bool:
    subject, where = f"the variable `{line.name}`", str(line.place)
    if line.template is None:
        account.left(subject, where, "it has no value here, and a device does not ask the shell of a desk")
    elif line.name.startswith(("COMPOSE_", "DOCKER_")):
        account.left(subject, where, "it tells `docker compose` what to do, and no container reads it")
    elif not _VARIABLE.fullmatch(line.name):
        account.left(subject, where, "a variable is named with letters, digits and '_'")
    else:
        return True
    return False


def _take(line: Line, variables: dict[str, str], account: Account) -> None:
    subject, where, template = f"the variable `{line.name}`", str(line.place), str(line.template)
    if secret := secret_part(line.name, template.replace("$$", "$")):
        account.secrets.note(secret)
        account.left(
            subject, where, "it looks like a secret, and a layer is readable by everybody who has the repository"
        )
        return
    try:
        variables[line.name] = substitute(template, variables)
    except InterpolationError as error:
        account.left(subject, where, f"{error.why}; {error.advice}")
        return
    account.carried(subject, where, "as a variable of the layer")
