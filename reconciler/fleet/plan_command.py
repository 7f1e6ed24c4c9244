"""fleet plan: reads the two revisions, prints the preview, and answers by its exit code."""

import argparse
import json

from reconciler.errors import ManifestError, ReconcilerError, UnknownRevision
from reconciler.fleet.preview import has_changes, preview, problems_of
from reconciler.fleet.preview_markdown import as_markdown
from reconciler.fleet.preview_text import as_plain, as_text
from reconciler.repository.desk import Desk
from reconciler.terminal import CHANGES, complain


def plan(options: argparse.Namespace) -> int:
    """Print what a change would do. Any error is 1, so that 2 only ever means that there are changes."""
    try:
        return _plan(options)
    except ReconcilerError as error:
        complain("fleet", [error])
        return 1


def _plan(options: argparse.Namespace) -> int:
    desk = Desk(options.folder)
    base, dots, head = options.revisions.partition("..")
    if not base or head.startswith("."):
        raise UnknownRevision(f"{options.revisions!r} names no two revisions", advice="write BASE..HEAD, or BASE alone")
    before = desk.revision(base)[1]
    after = desk.revision(head or "HEAD")[1] if dots else desk.worktree()
    previews = preview(before, after, options.device or "")
    if options.output == "json":
        print(json.dumps(as_plain(previews), indent=2))
    elif options.output == "markdown":
        print(as_markdown(previews, options.revisions))
    else:
        print(as_text(previews, whole=bool(options.device)))
    if problems := problems_of(previews):
        complain("fleet", [ManifestError(problems)])
        return 1
    return CHANGES if has_changes(previews) else 0
