"""Bundles: commits and refs in one file, for devices that no network reaches (gitformat-bundle(5)).

What comes on a stick is as hostile as what comes from a server. git checks less of a bundle than of a fetch: not the
form of trees. The gate before every reading (objects.py) does.
"""

import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.errors import GitError
from reconciler.repository.bare import init_bare
from reconciler.repository.git import Git, complaint

_SIGNATURES = (b"# v2 git bundle\n", b"# v3 git bundle\n")
_MAX_HEADER = 64 * 1024
_REF = re.compile(rb"([0-9a-f]{40}(?:[0-9a-f]{24})?) (refs/[!-~]{1,200})")
# What git says of a bundle that builds on commits which are not here.
_LACKS = ("lacks these prerequisite", "Could not read", "does not have", "missing necessary objects")
_HASH = b"@object-format="


class BundleRefused(GitError):
    """A file that is not taken: `code` is the machine word."""

    def __init__(self, code: str, what: str, path: Path, advice: str) -> None:
        self.code = code
        super().__init__(f"{code}: {what}", where=str(path), advice=advice)


def read_header(path: Path, most: int) -> tuple[str, dict[str, str]]:
    """The object format of a bundle, and the refs in it with their ids. Raises BundleRefused, code BUNDLE_*.

    Only a plain file of at most `most` bytes is opened, and only its head is read.
    """
    try:
        # Without O_NONBLOCK a FIFO would be waited for; a link could lead anywhere.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise BundleRefused(
            "BUNDLE_FILE", f"cannot be opened: {error.strerror}", path, "name the file itself"
        ) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BundleRefused("BUNDLE_FILE", "is no plain file", path, "name a file that `fleet bundle create` made")
        if status.st_size > most:
            told = f"has {status.st_size} bytes, {most} is the most"
            raise BundleRefused("BUNDLE_TOO_BIG", told, path, "make a smaller one, with `--since`")
        head = os.read(descriptor, _MAX_HEADER)
    except OSError as error:
        raise BundleRefused("BUNDLE_FILE", f"cannot be read: {error.strerror}", path, "copy it again") from error
    finally:
        os.close(descriptor)
    if not head.startswith(_SIGNATURES):
        raise BundleRefused("BUNDLE_HEADER", "is no bundle", path, "make it with `fleet bundle create`")
    text, blank, _ = head.partition(b"\n\n")
    if not blank:
        raise BundleRefused(
            "BUNDLE_HEADER", f"has a head of over {_MAX_HEADER} bytes, or is cut off", path, "copy it again"
        )
    lines = text.split(b"\n")[1:]
    named = [line[len(_HASH) :] for line in lines if line.startswith(_HASH)]
    if len(named) > 1 or any(name not in (b"sha1", b"sha256") for name in named):
        raise BundleRefused("BUNDLE_HEADER", "is of an object format that nobody knows", path, "make it again")
    object_format = named[0].decode() if named else "sha1"
    return object_format, {found[2].decode(): found[1].decode() for line in lines if (found := _REF.fullmatch(line))}


def check_header(path: Path, most: int, wanted: Iterable[str]) -> str:
    """The object format, when all these refs are in it; patterns may be without. Raises BundleRefused."""
    object_format, refs = read_header(path, most)
    for name in wanted:
        if "*" not in name and name not in refs:
            told = f"holds no {name}, but {', '.join(sorted(refs)[:5]) or 'nothing'}"
            raise BundleRefused("BUNDLE_REFS", told, path, "make it of the branch that this device obeys")
    return object_format


def fetch_bundle(git: Git, path: Path, wanted: Mapping[str, str]) -> None:
    """Take refs out of a bundle whose header was checked, each to another name, whatever was there.

    A name may be a pattern, `refs/tags/v*`. Raises BundleRefused, GitError.
    """
    refspecs = [f"+{name}:{ref}" for name, ref in wanted.items()]
    flags = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-gc")
    allowed = Git(git.git_dir, {**git.options, "protocol.file.allow": "always"}, git.max_file)
    code, _, err = allowed.attempt("fetch", *flags, "--end-of-options", str(path.resolve()), *refspecs)
    if code == 0:
        return
    told = complaint(err)
    if any(word in err.decode("utf-8", "replace") for word in _LACKS):
        advice = "bring one with everything (`fleet bundle create` without `--since`)"
        raise BundleRefused("BUNDLE_PREREQUISITE", "builds on commits that this device has not", path, advice)
    raise BundleRefused("BUNDLE_DAMAGED", f"cannot be read: {told}", path, "copy it again")


def create_bundle(git_dir: Path, path: Path, refs: Mapping[str, str], since: Sequence[str], object_format: str) -> None:
    """Write a bundle with these refs, by name and id, without what `since` holds. Raises GitError."""
    with TemporaryDirectory() as folder:
        # The names in a bundle are those of refs; a clone has its remote's branches under others.
        bare = Path(folder) / "bundle.git"
        init_bare(bare, object_format)
        (bare / "objects/info/alternates").write_text(f"{git_dir / 'objects'}\n")
        git = Git(bare)
        for name, commit in refs.items():
            git.run("update-ref", name, commit)
        code, _, err = git.attempt(
            "bundle", "create", "--quiet", str(path.resolve()), *refs, *(f"^{one}" for one in since)
        )
        if code != 0:
            shallow = (git_dir / "shallow").exists()
            advice = "say `git fetch --unshallow`" if shallow else "is there anything new in it, and a folder for it?"
            raise GitError(f"no bundle: {complaint(err)}", where=str(path), advice=advice)
