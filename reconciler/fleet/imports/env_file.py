"""Reads a `.env` file as Compose does: one `NAME=VALUE` a line, quotes, comments, `${NAME}` of lines before."""

import re
from collections.abc import Mapping

from reconciler.errors import ManifestError, Problem, ProblemKind
from reconciler.fleet.imports.account import Account
from reconciler.fleet.imports.secret_values import secret_part
from reconciler.manifests.interpolate import InterpolationError, substitute

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*(?:=\s*(.*))?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def read_env(content: bytes, file: str, account: Account) -> Mapping[str, str]:
    """The variables that a layer may hold. Raises ManifestError for a line that is none of a `.env` file."""
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ManifestError([Problem(file, "not UTF-8", "save the file as UTF-8", ProblemKind.SYNTAX)]) from error
    variables: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        where = f"{file}:{number}:1"
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ManifestError([Problem(where, "not a line `NAME=VALUE`", "write one", ProblemKind.SYNTAX)])
        name, written = match[1], match[2]
        if _may_be_carried(name, written, where, account):
            _take(name, str(written), where, variables, account)
    return variables


def _may_be_carried(name: str, written: str | None, where: str, account: Account) -> bool:
    subject = f"the variable `{name}`"
    if written is None:
        account.left(subject, where, "it has no value here, and a device does not ask the shell of a desk")
    elif name.startswith(("COMPOSE_", "DOCKER_")):
        account.left(subject, where, "it tells `docker compose` what to do, and no container reads it")
    elif not _VARIABLE.fullmatch(name):
        account.left(subject, where, "a variable is named with letters, digits and '_'")
    else:
        return True
    return False


def _take(name: str, written: str, where: str, variables: dict[str, str], account: Account) -> None:
    subject = f"the variable `{name}`"
    bare = written.strip().strip("'\"")
    if secret := secret_part(name, bare):
        account.secrets.note(secret)
        account.left(
            subject, where, "it looks like a secret, and a layer is readable by everybody who has the repository"
        )
        return
    try:
        variables[name] = _value(written, where, variables)
    except InterpolationError as error:
        account.left(subject, where, f"{error.why}; {error.advice}")
        return
    account.carried(subject, where, "as a variable of the layer")


def _value(written: str, where: str, variables: Mapping[str, str]) -> str:
    quote = written[:1]
    if quote not in ("'", '"'):
        plain = re.split(r"(?:^|\s)#", written, maxsplit=1)[0].strip()
        return substitute(plain.replace("\\$", "$$"), variables)
    match = re.fullmatch(r"'([^']*)'\s*(#.*)?" if quote == "'" else r'"((?:[^"\\]|\\.)*)"\s*(#.*)?', written)
    if match is None:
        what = f"a quote {quote} that does not end in its line"
        raise ManifestError(
            [Problem(where, what, "close it; values of several lines are not read", ProblemKind.SYNTAX)]
        )
    if quote == "'":
        return match[1]
    return substitute(_ESCAPED.sub(_unescaped, match[1]), variables)


def _unescaped(match: re.Match[str]) -> str:
    return "$$" if match[1] == "$" else _ESCAPES.get(match[1], match[1])
