"""fleet bundle: what devices fetch, in one file, for those that no network reaches."""

import argparse

from reconciler.errors import UnknownRevision
from reconciler.repository import Store, create_bundle
from reconciler.repository.desk import Desk


def create(options: argparse.Namespace) -> int:
    """Write the branch of the fleet, the documents if there are any, and the tags that were asked for."""
    desk = Desk(options.folder)
    store = Store(desk.git_dir)
    refs: dict[str, str] = {}
    for branch in (options.branch, options.releases):
        try:
            name = desk.remote_ref(branch) if options.no_fetch else desk.fetch(branch)
            refs[f"refs/heads/{branch}"] = store.resolve(name)
        except UnknownRevision:
            if branch == options.branch:
                raise
    if options.tags:
        tags = store.tags("refs/tags")
        refs |= {f"refs/tags/{name}": tag_id for name, (tag_id, _) in tags.items() if name.startswith(options.tags)}
    since = [desk.resolve(name) for name in options.since]
    object_format = "sha256" if len(refs[f"refs/heads/{options.branch}"]) == 64 else "sha1"
    create_bundle(desk.git_dir, options.file, refs, since, object_format)
    print(f"wrote {options.file}, {options.file.stat().st_size} bytes: {', '.join(refs)}")
    print(f"on a device: reconciler import {options.file.name}")
    return 0
