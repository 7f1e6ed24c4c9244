"""Bundles from a stick: the same commits as from a server, and every file that is none is refused with its code."""

import os
import random
from pathlib import Path

import pytest

from reconciler.repository import BundleRefused, Mirror, Remote, TreeRefused
from reconciler.repository.bare import init_bare
from reconciler.repository.bundle import create_bundle, read_header
from reconciler.repository.commits import Author, commit_files
from reconciler.repository.git import Git

AUTHOR = Author("Ann", "ann@acme.example", 1_780_000_000)
MAIN = "refs/heads/main"


class Source:
    """A repository from which bundles are made."""

    def __init__(self, folder: Path, object_format: str = "sha1") -> None:
        self.git, self.format = Git(folder / "source.git"), object_format
        init_bare(self.git.git_dir, object_format)
        self.first = self.commit(None, {"fleet.yaml": b"one"})
        self.second = self.commit(self.first, {"fleet.yaml": b"two", "apps/web/compose.yaml": b"x" * 3000})

    def commit(self, parent: str | None, files: dict[str, bytes]) -> str:
        return commit_files(self.git, parent, files, "A change", AUTHOR)

    def bundle(self, path: Path, refs: dict[str, str] | None = None, since: tuple[str, ...] = ()) -> Path:
        create_bundle(self.git.git_dir, path, refs or {MAIN: self.second}, since, self.format)
        return path


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def mirror(folder: Path, most: int = 10_000_000) -> Mirror:
    return Mirror(folder / "device.git", Remote("http://127.0.0.1:1/fleet.git"), "main", most)


def code_of(taken: Mirror, path: Path, *more: str) -> str:
    with pytest.raises(BundleRefused) as refused:
        taken.take(path, *more)
    assert str(path) in str(refused.value)
    assert not list((path.parent / "device.git").rglob("tmp_pack*"))
    return refused.value.code


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_a_bundle_brings_what_a_server_would(tmp_path: Path, object_format: str) -> None:
    source = Source(tmp_path, object_format)
    other = source.commit(None, {"policies/1/policy.json": b"{}"})
    refs = {MAIN: source.second, "refs/heads/releases": other}
    path = source.bundle(tmp_path / "fleet.bundle", refs)
    assert read_header(path, 10_000_000) == (object_format, refs)
    taken = mirror(tmp_path)
    taken.take(path, "releases")
    assert (taken.seen().commit, taken.seen("releases").commit) == (source.second, other)
    assert taken.files(source.second, "press-1")["fleet.yaml"] == b"two"
    assert [commit for commit, _ in taken.chain(source.second, None)] == [source.first, source.second]


def test_a_small_bundle_builds_on_one_before_and_is_refused_without(tmp_path: Path, source: Source) -> None:
    whole = source.bundle(tmp_path / "whole.bundle", {MAIN: source.first})
    small = source.bundle(tmp_path / "small.bundle", since=(source.first,))
    taken = mirror(tmp_path)
    assert code_of(taken, small) == "BUNDLE_PREREQUISITE"
    taken.take(whole)
    taken.take(small)
    assert taken.seen().commit == source.second


def test_tags_come_by_their_prefix(tmp_path: Path, source: Source) -> None:
    refs = {
        MAIN: source.second,
        "refs/tags/v1": source.first,
        "refs/tags/v2": source.second,
        "refs/tags/x": source.first,
    }
    taken = mirror(tmp_path)
    taken.take(source.bundle(tmp_path / "fleet.bundle", refs), tags="v")
    assert {name: told[0] for name, told in taken.tags().items()} == {"v1": source.first, "v2": source.second}


def test_a_bundle_without_the_branch_is_refused(tmp_path: Path, source: Source) -> None:
    path = source.bundle(tmp_path / "fleet.bundle", {"refs/heads/other": source.second})
    assert code_of(mirror(tmp_path), path) == "BUNDLE_REFS"
    path = source.bundle(tmp_path / "fleet2.bundle")
    assert code_of(mirror(tmp_path), path, "releases") == "BUNDLE_REFS"


def test_what_is_no_plain_file_is_not_opened(tmp_path: Path, source: Source) -> None:
    real = source.bundle(tmp_path / "real.bundle")
    link, pipe, folder = tmp_path / "link", tmp_path / "pipe", tmp_path / "folder"
    link.symlink_to(real)
    os.mkfifo(pipe)
    folder.mkdir()
    for path in (link, pipe, folder, tmp_path / "nothing", Path("/dev/zero")):
        with pytest.raises(BundleRefused) as refused:
            mirror(tmp_path).take(path)
        assert refused.value.code == "BUNDLE_FILE"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "BUNDLE_HEADER"),
        (b"PK\x03\x04", "BUNDLE_HEADER"),
        (b"# v2 git bundle\n", "BUNDLE_HEADER"),
        (b"# v9 git bundle\n\nPACK", "BUNDLE_HEADER"),
        (b"# v2 git bundle\n" + b"0" * 100_000, "BUNDLE_HEADER"),
        (b"# v2 git bundle\n\nPACK", "BUNDLE_REFS"),
        (b"# v2 git bundle\n" + b"1" * 40 + b" refs/heads/main\n\nPACK", "BUNDLE_DAMAGED"),
        (b"# v2 git bundle\n" + b"1" * 40 + b" refs/heads/main\n\n", "BUNDLE_DAMAGED"),
    ],
)
def test_a_file_that_is_no_bundle_is_told_so(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "x.bundle"
    path.write_bytes(content)
    assert code_of(mirror(tmp_path), path) == code


def test_a_file_of_ten_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.bundle"
    with path.open("wb") as file:
        file.write(b"# v2 git bundle\n")
        file.truncate(10 * 1024**3)
    assert code_of(mirror(tmp_path), path) == "BUNDLE_TOO_BIG"


def test_more_than_the_limit_is_not_unpacked(tmp_path: Path, source: Source) -> None:
    big = source.commit(source.second, {"big": bytes(2_000_000)})
    path = source.bundle(tmp_path / "big.bundle", {MAIN: big})
    assert path.stat().st_size < 100_000
    taken = mirror(tmp_path, 100_000)
    taken.take(path)
    with pytest.raises(TreeRefused, match="OBJ_TOO_BIG"):
        taken.read_files(taken.files_of(big))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_a_bundle_that_is_cut_off_brings_nothing(tmp_path: Path, source: Source, share: float) -> None:
    content = source.bundle(tmp_path / "fleet.bundle").read_bytes()
    path = tmp_path / "cut.bundle"
    path.write_bytes(content[: int(len(content) * share)])
    assert code_of(mirror(tmp_path), path) in ("BUNDLE_DAMAGED", "BUNDLE_HEADER")


def test_a_bundle_with_any_bit_flipped_brings_what_was_meant_or_nothing(tmp_path: Path, source: Source) -> None:
    content = source.bundle(tmp_path / "fleet.bundle").read_bytes()
    draw = random.Random(20260601)  # noqa: S311  # the same flips in each run
    taken = mirror(tmp_path)
    for _ in range(min(int(os.environ.get("FUZZ_COUNT", "20")), 2_000)):
        at = draw.randrange(len(content))
        flipped = bytearray(content)
        flipped[at] ^= 1 << draw.randrange(8)
        path = tmp_path / "flipped.bundle"
        path.write_bytes(flipped)
        try:
            taken.take(path)
        except BundleRefused:
            continue
        assert taken.seen().commit == source.second
        assert taken.files(source.second, "press-1")["fleet.yaml"] == b"two"


def test_replaced_objects_in_a_bundle_replace_nothing(tmp_path: Path, source: Source) -> None:
    evil = source.commit(None, {"fleet.yaml": b"evil"})
    path = source.bundle(tmp_path / "fleet.bundle", {MAIN: source.second, f"refs/replace/{source.second}": evil})
    taken = mirror(tmp_path)
    taken.take(path)
    assert taken.files(source.second, "press-1")["fleet.yaml"] == b"two"


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("120000 blob {blob}\tx", "TREE_SYMLINK"),
        ("160000 commit {blob}\tx", "TREE_GITLINK"),
        ("100644 blob {blob}\ta b", "PATH_CHARS"),
        ("100644 blob {blob}\t.git", "PATH_CHARS"),
        ("100644 blob {blob}\t..", "PATH_CHARS"),
    ],
)
def test_a_hostile_tree_in_a_bundle_is_read_by_nobody(tmp_path: Path, source: Source, entry: str, code: str) -> None:
    blob = source.git.run("hash-object", "-w", "--stdin", stdin=b"x").decode().strip()
    # mktree refuses what a hostile writer does not.
    mode, _, name = entry.format(blob=blob).replace("\t", " ").split(" ", 2)
    raw = f"{mode} {name.partition(' ')[2]}".encode() + b"\0" + bytes.fromhex(blob)
    tree = source.git.run("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw).decode().strip()
    commit = f"tree {tree}\nauthor {AUTHOR.ident}\ncommitter {AUTHOR.ident}\n\nx\n".encode()
    made = source.git.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=commit).decode().strip()
    taken = mirror(tmp_path)
    try:
        taken.take(source.bundle(tmp_path / "fleet.bundle", {MAIN: made}))
    except BundleRefused as refused:
        assert refused.code == "BUNDLE_DAMAGED"
        return
    with pytest.raises(TreeRefused) as told:
        taken.files(made, "press-1")
    assert told.value.code == code
