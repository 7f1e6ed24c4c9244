"""fleet explain and fleet blame: who set each value of a device; and by which commit."""

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from reconciler.errors import ManifestError, Problem, ReconcilerError
from reconciler.fleet.blame import NOT_COMMITTED, Writer, writers
from reconciler.manifests import Explanation, FleetFiles, Setting
from reconciler.repository.desk import Desk
from reconciler.terminal import complain, printable

# An app by name, and what is explained of it.
Explained = dict[str, list[Explanation]]


def explain(options: argparse.Namespace) -> int:
    """Print the places that wrote each value."""
    desk = Desk(options.folder)
    return _print(options, FleetFiles(desk.revision(options.revision)[1] if options.revision else desk.worktree()))


def blame(options: argparse.Namespace) -> int:
    """The same, with the commit of each place."""
    desk = Desk(options.folder)
    tree = desk.revision(options.revision)[1] if options.revision else desk.worktree()
    return _print(options, FleetFiles(tree), desk)


def _print(options: argparse.Namespace, files: FleetFiles, desk: Desk | None = None) -> int:
    found, problems = _explained(options, files)
    known: Mapping[Setting, Writer] | None = None
    if desk is not None:
        told = [one for explained in found.values() for one in explained]
        known = writers(told, desk.blames(options.revision), files.tree)
    if options.output == "json":
        plain = [_plain(app, one, known) for app, explained in found.items() for one in explained]
        print(json.dumps(plain, indent=2))
    else:
        for line in _lines(found, known, is_named=not options.app):
            print(line)
    return complain("fleet", [ManifestError(problems)]) if problems else 0


def _explained(options: argparse.Namespace, files: FleetFiles) -> tuple[Explained, tuple[Problem, ...]]:
    """What is asked for; of a whole device, a broken app leaves the others to be told. Raises when nothing is there."""
    prefix = (f"/services/{options.service}" if options.service else "") + options.pointer
    if options.app:
        found = files.explain(options.device, options.app, prefix.rstrip("/"))
        if not found:
            where = f"{options.device}/{options.app}"
            raise ReconcilerError(f"nothing at {prefix}", where=where, advice="see `fleet render`")
        return {options.app: found}, ()
    explained: Explained = {}
    problems: tuple[Problem, ...] = ()
    for app in files.wanted(options.device).apps:
        try:
            explained[app] = files.explain(options.device, app)
        except ManifestError as error:
            problems += error.problems
    return explained, problems


def _lines(found: Explained, known: Mapping[Setting, Writer] | None, *, is_named: bool) -> Iterator[str]:
    for app, explained in found.items():
        for one in explained:
            yield f"{app if is_named else ''}{one.pointer}: {printable(one.value)}"
            for setting in one.settings:
                yield f"    {setting.place!s:<44} {setting.by:<32} {printable(setting.value)}".rstrip()
                if known is not None:
                    yield f"        {printable(str(known[setting]))}"


def _plain(app: str, one: Explanation, known: Mapping[Setting, Writer] | None) -> dict[str, object]:
    settings = [{**_setting(setting), **_writer(known, setting)} for setting in one.settings]
    return {"app": app, **asdict(one), "settings": settings}


def _setting(setting: Setting) -> dict[str, str]:
    return {"place": str(setting.place), "by": setting.by, "value": setting.value}


def _writer(known: Mapping[Setting, Writer] | None, setting: Setting) -> dict[str, object]:
    if known is None:
        return {}
    writer = known[setting]
    told = {"commit": writer.commit or NOT_COMMITTED, "author": writer.author, "date": writer.date}
    return {**told, "signer": writer.signer, "refused": writer.refused, "oldest": writer.is_oldest}
