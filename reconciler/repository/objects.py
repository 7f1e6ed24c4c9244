"""Reads commits and trees out of an object store, as bytes, without a worktree. Everything in them is hostile."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from reconciler.errors import GitError, UnknownRevision
from reconciler.repository.git import Git, TooMuchTold

# A fleet of 10,000 devices has some 20,000 files; a bomb of 10^10 files is stopped here.
MAX_FILES = 50_000
MAX_FILE_BYTES = 1024 * 1024
MAX_TREE_BYTES = 64 * 1024 * 1024
# So many files with paths of 150 characters; ten folders in ten folders, ten levels deep, would never end.
_MAX_LISTING = MAX_FILES * 220
# What is held in memory while digests are made.
_AT_ONCE = 4 * 1024 * 1024

# No path that a file system, a terminal or a shell could take for something else (security model, T16).
_NAME = re.compile(r"[A-Za-z0-9_.@+=,-]{1,100}")
_OBJECT_ID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_FILE_MODES = ("100644", "100755")
_REFUSED_MODES = {"120000": ("TREE_SYMLINK", "a symbolic link"), "160000": ("TREE_GITLINK", "a submodule")}


class TreeRefused(GitError):
    """A tree that no device reads: `code` is the machine word."""

    def __init__(self, code: str, what: str, path: str) -> None:
        self.code = code
        super().__init__(f"{code}: {what}", where=repr(path)[1:-1], advice="remove it from the fleet repository")


def resolve(git: Git, name: str) -> str:
    """The commit id that a revision name means. Raises UnknownRevision."""
    code, out, _ = git.attempt("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if code != 0:
        raise UnknownRevision(f"no revision {name!r}", where=str(git.git_dir), advice="fetch it, or check the name")
    return out.decode().strip()


def first_parents(git: Git, new: str, old: str | None, limit: int) -> list[str]:
    """The first-parent chain that ends with `new`, oldest first, without `old` and what is before it.

    At most `limit` + 1 of them, the newest, so that the caller can see that there are too many.
    """
    without = [f"^{old}"] if old else []
    out = git.run("rev-list", "--first-parent", f"--max-count={limit + 1}", new, *without, "--")
    return out.decode().split()[::-1]


def brought_in(git: Git, first: str, second: str, limit: int) -> list[str]:
    """The commits of `second` that `first` has not, each behind its parents; at most `limit` + 1 of them."""
    out = git.run("rev-list", "--topo-order", f"--max-count={limit + 1}", second, f"^{first}", "--")
    return out.decode().split()[::-1]


def changed(git: Git, before: str, after: str) -> list[str]:
    """The paths of the files that differ, whatever they are. Raises GitError for endless ones."""
    flags = ("-r", "-z", "--no-renames", "--name-only", "--end-of-options")
    out = git.run_limited("diff-tree", *flags, before, after, most=_MAX_LISTING)
    return out.decode("utf-8", "backslashreplace").split("\0")[:-1]


def named_under(git: Git, under: str, limit: int) -> dict[str, tuple[str, str]]:
    """The refs below this folder, by name: id and type of what each names. Raises GitError for more than `limit`."""
    out = git.run("for-each-ref", f"--count={limit + 1}", "--format=%(objectname) %(objecttype) %(refname)", under)
    lines = [line.split(" ", 2) for line in out.decode("utf-8", "replace").splitlines()]
    if len(lines) > limit:
        raise GitError(f"the server has over {limit} tags", advice="set `trust.tags` to a prefix that fewer have")
    return {name.removeprefix(f"{under}/"): (object_id, kind) for object_id, kind, name in lines}


class ObjectTooBig(GitError):
    """An object over the limit, which was not read."""

    def __init__(self, object_id: str, size: int, most: int) -> None:
        self.object_id = object_id
        super().__init__(f"OBJ_TOO_BIG: object {object_id[:12]} has {size} bytes, more than {most}")


def read_objects(git: Git, ids: Iterable[str], kind: str, most: int = MAX_FILE_BYTES) -> list[bytes]:
    """The content of each object, in order. Sizes are asked first, so that nothing huge is ever read.

    Raises GitError for a missing one, ObjectTooBig.
    """
    wanted = list(ids)
    asked = "".join(f"{one}\n" for one in wanted).encode()
    total = 0
    for one, line in zip(wanted, git.run("cat-file", "--batch-check", stdin=asked).decode().splitlines(), strict=True):
        size = _size(git, one, line, kind)
        total += size
        if size > most or total > MAX_TREE_BYTES:
            raise ObjectTooBig(one, size, most)
    out = git.run("cat-file", "--batch", stdin=asked)
    contents, position = [], 0
    for one in wanted:
        end = out.index(b"\n", position)
        size = _size(git, one, out[position:end].decode("utf-8", "replace"), kind)
        contents.append(out[end + 1 : end + 1 + size])
        position = end + 1 + size + 1
    return contents


def small_objects(git: Git, names: Sequence[str], most: int) -> list[bytes]:
    """Each object, by whatever names it; nothing, for one of over `most` bytes or that is missing.

    So whoever wrote one cannot keep the others from being read.
    """
    # A collector's commit is that of many reports.
    each = list(dict.fromkeys(names))
    asked = "".join(f"{name}\n" for name in each).encode()
    sizes = git.run("cat-file", "--batch-check", stdin=asked).decode("utf-8", "replace").split("\n")[:-1]
    small = [name for name, told in zip(each, sizes, strict=True) if _is_small(told, most)]
    out = git.run("cat-file", "--batch", stdin="".join(f"{name}\n" for name in small).encode())
    found: dict[str, bytes] = {}
    position = 0
    for name in small:
        end = out.index(b"\n", position)
        size = int(out[position:end].split()[-1])
        found[name] = out[end + 1 : end + 1 + size]
        position = end + 1 + size + 1
    return [found.get(name, b"") for name in names]


def _is_small(told: str, most: int) -> bool:
    parts = told.split(" ")
    return len(parts) == 3 and parts[2].isdigit() and int(parts[2]) <= most


def _size(git: Git, one: str, line: str, kind: str) -> int:
    parts = line.split(" ")
    if len(parts) != 3 or parts[1] != kind:
        raise GitError(f"object {one} is no {kind} here", where=str(git.git_dir), advice="fetch again")
    return int(parts[2])


class File(NamedTuple):
    """A file of a commit, which passed the gate. `size` is in bytes."""

    mode: str
    blob: str
    size: int
    path: str


def files_of(git: Git, commit: str) -> list[File]:
    """All files of a commit. The whole tree must pass the gate. Raises TreeRefused."""
    if not _OBJECT_ID.fullmatch(commit):
        raise UnknownRevision(f"{commit!r} is no commit id")
    try:
        listing = git.run_limited("ls-tree", "-r", "-z", "-l", "--full-tree", commit, most=_MAX_LISTING)
    except TooMuchTold as error:
        raise TreeRefused("TREE_FILES", f"the tree has over {MAX_FILES} files", "/") from error
    return list(_gate(listing))


def list_ids(git: Git, commit: str) -> dict[str, str]:
    """The ids of all files of a commit by their paths, whatever they are. Raises GitError for endless ones."""
    out = git.run_limited("ls-tree", "-r", "-z", "--full-tree", commit, most=_MAX_LISTING)
    lines = (line.partition(b"\t") for line in out.split(b"\0")[:-1])
    return {path.decode("utf-8", "backslashreplace"): head.split()[2].decode() for head, _, path in lines}


def plain_paths(git: Git, commit: str) -> frozenset[str]:
    """The paths of the plain files of a commit, whatever else is in it. Raises GitError for endless ones."""
    out = git.run_limited("ls-tree", "-r", "-z", "--full-tree", commit, most=_MAX_LISTING)
    lines = (line.partition(b"\t") for line in out.split(b"\0")[:-1])
    return frozenset(
        path.decode("utf-8", "backslashreplace") for head, _, path in lines if head[:6].decode() in _FILE_MODES
    )


def read_files(git: Git, files: Iterable[File], most: int = MAX_FILE_BYTES) -> dict[str, bytes]:
    """Their contents by path. Raises TreeRefused for more than `most` bytes in one, or too many in all."""
    chosen = list(files)
    total = 0
    for file in chosen:
        if file.size > most:
            raise TreeRefused("OBJ_TOO_BIG", f"the file has {file.size} bytes, more than {most}", file.path)
        total += file.size
        if total > MAX_TREE_BYTES:
            raise TreeRefused("TREE_BYTES", f"the files have over {MAX_TREE_BYTES} bytes together", file.path)
    contents = read_objects(git, [file.blob for file in chosen], "blob", most) if chosen else []
    return dict(zip([file.path for file in chosen], contents, strict=True))


def read_tree(git: Git, commit: str, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The wanted files of a commit. The whole tree must pass the gate. Raises TreeRefused."""
    return read_files(git, (file for file in files_of(git, commit) if wanted(file.path)))


def digests(git: Git, files: Iterable[File]) -> Iterator[tuple[File, str]]:
    """Each file with the SHA-256 of its content, in hex, a few megabytes at a time. Raises TreeRefused."""
    total = 0
    for part in _parts(files):
        total += sum(file.size for file in part)
        if total > MAX_TREE_BYTES:
            raise TreeRefused("TREE_BYTES", f"the files have over {MAX_TREE_BYTES} bytes together", part[-1].path)
        contents = read_files(git, part)
        yield from ((file, hashlib.sha256(contents[file.path]).hexdigest()) for file in part)


def _parts(files: Iterable[File]) -> Iterator[list[File]]:
    part: list[File] = []
    size = 0
    for file in files:
        if part and size + file.size > _AT_ONCE:
            yield part
            part, size = [], 0
        part.append(file)
        size += file.size
    if part:
        yield part


def check_path(path: str) -> None:
    """Raises TreeRefused for a path that no device reads."""
    for name in path.split("/"):
        if not _NAME.fullmatch(name) or name in (".", "..") or name.lower() == ".git" or name.endswith("."):
            raise TreeRefused("PATH_CHARS", "a path with characters that not every device can hold", path)


def _gate(listing: bytes) -> Iterator[File]:
    """Every file, after mode and name were looked at."""
    lines = listing.split(b"\0")[:-1]
    if len(lines) > MAX_FILES:
        raise TreeRefused("TREE_FILES", f"the tree has over {MAX_FILES} files", "/")
    twins: dict[str, str] = {}
    for line in lines:
        head, _, raw = line.partition(b"\t")
        mode, _, blob, size = head.decode().split()
        path = raw.decode("utf-8", "backslashreplace")
        if size == "BAD":
            raise GitError(f"object {blob} cannot be read", where=path, advice="fetch again")
        if mode not in _FILE_MODES:
            code, what = _REFUSED_MODES.get(mode, ("TREE_MODE", f"the mode {mode}"))
            raise TreeRefused(code, what, path)
        check_path(path)
        if twins.setdefault(path.lower(), path) != path:
            raise TreeRefused("PATH_CHARS", f"differs from {twins[path.lower()]} only in case", path)
        yield File(mode, blob, int(size), path)
