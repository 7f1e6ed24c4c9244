"""No device reads a tree that a file system, a terminal or a shell could take for something else."""

import pytest
from server_side import FILES, Entry, ServerSide, entries

from reconciler.errors import GitError
from reconciler.repository import Mirror, TreeRefused

LIMIT = 1024 * 1024
FILE, LINK, SUBMODULE, FOLDER = "100644", "120000", "160000", "040000"
COMMIT = b"0123456789abcdef0123456789abcdef01234567"

REFUSED: dict[str, tuple[Entry, str]] = {
    "a symbolic link": ((LINK, b"link", b"/etc/passwd"), "TREE_SYMLINK"),
    "a link in a folder": ((FOLDER, b"more", [(LINK, b"link", b"..")]), "TREE_SYMLINK"),
    "a submodule": ((SUBMODULE, b"sub", COMMIT), "TREE_GITLINK"),
    "a space": ((FILE, b"a b", b""), "PATH_CHARS"),
    "a line feed": ((FILE, b"a\nb", b""), "PATH_CHARS"),
    "an escape": ((FILE, b"a\x1b[2Jb", b""), "PATH_CHARS"),
    "a letter beyond ASCII": ((FILE, "ä".encode(), b""), "PATH_CHARS"),
    "no UTF-8": ((FILE, b"\xff", b""), "PATH_CHARS"),
    "a backslash": ((FILE, b"..\\x", b""), "PATH_CHARS"),
    "a colon": ((FILE, b"a:b", b""), "PATH_CHARS"),
    "a quote": ((FILE, b"a'b", b""), "PATH_CHARS"),
    "a shell's words": ((FILE, b"$(x)", b""), "PATH_CHARS"),
    "a dot at the end": ((FILE, b"a.", b""), "PATH_CHARS"),
    "a name too long": ((FILE, b"a" * 101, b""), "PATH_CHARS"),
    "a folder with a space": ((FOLDER, b"a b", [(FILE, b"x", b"")]), "PATH_CHARS"),
    "a twin in case": ((FILE, b"FLEET.yaml", b""), "PATH_CHARS"),
    "a folder that is a twin's": ((FOLDER, b"DEVICES", [(FILE, b"D1.yaml", b"")]), "PATH_CHARS"),
    "a file that is too big": ((FOLDER, b"layers", [(FILE, b"x", b"x" * (LIMIT + 1))]), "OBJ_TOO_BIG"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_tree_is_refused_for(case: str, mirror: Mirror, server: ServerSide) -> None:
    entry, code = REFUSED[case]
    server.commit_tree(server.tree([*entries(FILES), entry]))
    commit = mirror.fetch().commit
    with pytest.raises(TreeRefused) as refused:
        mirror.files(commit, "d1")
    assert refused.value.code == code
    assert str(refused.value).isprintable()


def test_a_tree_without_an_end_is_given_up_before_it_fills_the_memory(mirror: Mirror, server: ServerSide) -> None:
    """Ten folders in each of ten folders, ten levels deep: 10^10 files in a pack of 2 KB (attack A76)."""
    below = server.tree([(FILE, f"f{n}".encode(), b"x") for n in range(10)])
    for _ in range(9):
        lines = "".join(f"040000 tree {below}\td{n}\n" for n in range(10))
        below = server.git("mktree", stdin=lines.encode())
    server.commit_tree(below)
    commit = mirror.fetch().commit
    with pytest.raises(TreeRefused, match="TREE_FILES: the tree has over 50000 files"):
        mirror.files(commit, "d1")


@pytest.mark.parametrize("name", [b".git", b".GIT", b"..", b"."])
def test_a_name_that_git_itself_refuses_never_arrives(name: bytes, mirror: Mirror, server: ServerSide) -> None:
    seen = mirror.fetch()
    server.commit_tree(server.tree([*entries(FILES), (FOLDER, name, [(FILE, b"config", b"")])]))
    with pytest.raises(GitError):
        mirror.files(mirror.fetch().commit, "d1")
    assert mirror.files(seen.commit, "d1") == FILES


READ: dict[str, Entry] = {
    "a file at the limit": (FOLDER, b"layers", [(FILE, b"x", b"x" * LIMIT)]),
    "a big file that the device does not need": (FOLDER, b"docs", [(FILE, b"x", b"x" * (LIMIT + 1))]),
    "every character that is allowed": (FILE, b"aZ09_.@+=,-", b""),
    "a name as long as may be": (FILE, b"a" * 100, b""),
    "a program": ("100755", b"run.sh", b""),
    "a hidden file": (FILE, b".gitignore", b""),
}


@pytest.mark.parametrize("case", READ)
def test_a_tree_is_read_in_spite_of(case: str, mirror: Mirror, server: ServerSide) -> None:
    server.commit_tree(server.tree([*entries(FILES), READ[case]]))
    assert mirror.files(mirror.fetch().commit, "d1").items() >= FILES.items()
