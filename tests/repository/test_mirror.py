"""The device's copy of the fleet repository: it follows its branch, heals, and holds what it once had."""

import os
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from server_side import FILES, ServerSide, entries

from lab.git_server import GitServer
from reconciler.errors import ConfigError, GitError, RemoteUnavailable, UnknownRevision
from reconciler.repository import Mirror, Remote, create_bundle
from reconciler.repository.git import Git
from tests.fakes.stores import loose_object

MORE = {**FILES, "devices/d2.yaml": b"kind: Device\n"}


def test_a_fetch_says_where_the_branch_is(mirror: Mirror, server: ServerSide) -> None:
    assert mirror.fetch().commit == server.git("rev-parse", "main")
    newer = server.commit(MORE)
    assert mirror.fetch().commit == newer
    assert mirror.seen().commit == newer


def test_before_the_first_fetch_nothing_was_seen(mirror: Mirror) -> None:
    with pytest.raises(GitError):
        mirror.seen()


def test_a_device_reads_what_it_needs_and_no_other_devices_file(mirror: Mirror, server: ServerSide) -> None:
    server.commit({**MORE, "README.md": b"words", "trust/allowed_signers": b""})
    assert mirror.files(mirror.fetch().commit, "d1") == FILES


def test_a_branch_that_was_rewound_is_seen_where_it_is(mirror: Mirror, server: ServerSide) -> None:
    old = mirror.fetch().commit
    newer = server.commit(MORE, parent=old)
    mirror.fetch()
    server.git("update-ref", "refs/heads/main", old)
    assert mirror.fetch().commit == old
    assert mirror.files(newer, "d2") != {}, "what was fetched once stays"


def test_a_branch_is_seen_however_git_keeps_it(mirror: Mirror, server: ServerSide, store: Path) -> None:
    old = mirror.fetch()
    subprocess.run(["git", f"--git-dir={store}", "pack-refs", "--all"], check=True)
    assert mirror.seen() == old
    newer = server.commit(MORE)
    assert mirror.fetch().commit == newer
    assert [mirror.seen().commit for _ in range(2)] == [newer, newer]


def test_a_branch_that_was_rewritten_is_seen_too(mirror: Mirror, server: ServerSide) -> None:
    mirror.fetch()
    other = server.commit({"fleet.yaml": b"another history"})
    assert mirror.fetch().commit == other
    assert mirror.files(other, "d1") == {"fleet.yaml": b"another history"}


def test_a_branch_that_is_gone_is_unknown_and_what_was_seen_stays(mirror: Mirror, server: ServerSide) -> None:
    old = mirror.fetch()
    server.git("update-ref", "-d", "refs/heads/main")
    with pytest.raises(UnknownRevision):
        mirror.fetch()
    assert mirror.seen() == old


def test_an_outage_leaves_what_was_seen(mirror: Mirror, server: ServerSide, git: GitServer) -> None:
    old = mirror.fetch()
    newer = server.commit(MORE)
    git.stop()
    with pytest.raises(RemoteUnavailable):
        mirror.fetch()
    assert mirror.seen() == old
    git.start()
    assert mirror.fetch().commit == newer


def test_a_chain_leads_from_the_old_to_the_new_oldest_first(mirror: Mirror, server: ServerSide) -> None:
    first = mirror.fetch().commit
    second = server.commit(MORE, parent=first)
    third = server.commit(FILES, parent=second)
    chain = mirror.chain(mirror.fetch().commit, first)
    assert [commit for commit, _ in chain] == [second, third]
    assert [raw for _, raw in chain] == [mirror.commit(second), mirror.commit(third)]
    assert chain[0][1].startswith(b"tree ")
    assert [commit for commit, _ in mirror.chain(third, None)] == [first, second, third]
    assert mirror.chain(first, third) == []


def test_a_pinned_commit_outlives_its_branch(mirror: Mirror, server: ServerSide, store: Path) -> None:
    old = mirror.fetch().commit
    mirror.pin(old)
    server.commit({"fleet.yaml": b"another history"})
    mirror.fetch()
    subprocess.run(["git", "--git-dir", str(store), "gc", "--quiet", "--prune=now"], check=True)
    assert mirror.files(old, "d1") == FILES


@pytest.mark.parametrize("name", ["", "-f", "a..b", "a b", "a.lock", "/a", "a/", "a//b", ".a", "a:b", "+a", "a\n", "ä"])
def test_no_branch_name_says_more_than_a_name(name: str, url: str, store: Path) -> None:
    with pytest.raises(ConfigError):
        Mirror(store, Remote.parse(url), name)


def empty_every_object(store: Path) -> None:
    emptied = [path for path in (store / "objects").rglob("*") if path.is_file()]
    assert emptied
    for path in emptied:
        path.chmod(0o644)
        path.write_bytes(b"")


def empty(name: str) -> Callable[[Path], None]:
    return lambda store: (store / name).write_text("") and None


def no_objects(store: Path) -> None:
    (store / "objects").rename(store / "gone")


def flip(kind: str) -> Callable[[Path], None]:
    """A bad block in an object of this kind, of the commit that was seen."""

    def act(store: Path) -> None:
        path = loose_object(store, {"commit": "refs/reconciler/main", "tree": "refs/reconciler/main:devices"}[kind])
        path.write_bytes(path.read_bytes()[:10] + b"\xff" * 20)

    return act


def torn(name: str, text: str) -> Callable[[Path], None]:
    return lambda store: (store / name).write_text(text) and None


DAMAGES = {
    "a commit is torn": flip("commit"),
    "a folder is torn": flip("tree"),
    "the config is torn": torn("config", "[core\n\trepositoryf"),
    "the config is of another git": torn("config", "[core]\n\trepositoryformatversion = 7\n"),
    "the packed refs are torn": torn("packed-refs", "what is this\n"),
    "every object is empty": empty_every_object,
    "HEAD is empty": empty("HEAD"),
    "the config is empty": empty("config"),
    "the ref is empty": empty("refs/reconciler/main"),
    "the objects are gone": no_objects,
}


# Where nothing is new, git does not look at folders.
CASES = [(case, news) for case in DAMAGES for news in (True, False) if news or case != "a folder is torn"]


@pytest.mark.parametrize(("case", "news"), CASES)
def test_a_damaged_store_is_healed_when(case: str, news: bool, mirror: Mirror, server: ServerSide, store: Path) -> None:
    old = mirror.fetch().commit
    DAMAGES[case](store)
    wanted = server.commit(MORE, parent=old) if news else old
    assert mirror.fetch().commit == wanted
    assert mirror.files(wanted, "d1") == FILES
    assert len(mirror.chain(wanted, None)) == (2 if news else 1)


def test_a_store_is_looked_at_once_for_a_server_that_is_away(
    mirror: Mirror, git: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.fetch()
    looks: list[str] = []
    monkeypatch.setattr(Git, "fails", lambda _, *arguments: looks.append(arguments[0]))
    git.stop()
    for _ in range(3):
        with pytest.raises(RemoteUnavailable):
            mirror.fetch()
    git.start()
    assert looks == ["rev-list"]


def test_a_store_is_healed_each_time_that_it_is_damaged_in_the_same_way(mirror: Mirror, store: Path) -> None:
    commit = mirror.fetch().commit
    for _ in range(2):
        DAMAGES["the config is torn"](store)
        assert mirror.fetch().commit == commit


def test_a_store_for_which_git_has_no_memory_is_not_taken_for_a_damaged_one(
    mirror: Mirror, git: GitServer, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = mirror.fetch()
    git.stop()
    for limit in ("ulimit -d 1000", "ulimit -d 1500", "ulimit -d 300", "kill -9 $$", "sleep 10"):
        monkeypatch.setattr(Git, "_limit", lambda _, limit=limit: ["/bin/sh", "-c", f'{limit} && exec "$@"', "sh"])
        monkeypatch.setattr("reconciler.repository.git.TIMEOUT_SECONDS", 0.5)
        assert not Git(store).fails("rev-list", "--objects", "--all"), limit
        assert not mirror.renew_if_damaged(), limit
    monkeypatch.undo()
    git.start()
    assert mirror.files(seen.commit, "d1") == FILES


def test_a_store_that_holds_what_git_dislikes_is_whole(server: ServerSide, tmp_path: Path) -> None:
    """A date that is none, which no server gives a device and a bundle may; in a pack, git-fsck(1) calls it damage."""
    tree = server.tree(entries(FILES))
    raw = f"tree {tree}\nauthor A<a@b> 1 +0000\ncommitter A<a@b> 1 +0000\n\nUgly\n".encode()
    commit = server.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=raw)
    server.git("update-ref", "refs/heads/main", commit)
    create_bundle(server.path, tmp_path / "it.bundle", {"refs/heads/main": commit}, (), "sha1")
    mirror = Mirror(tmp_path / "store", Remote("http://127.0.0.1:1/fleet.git"), "main")
    mirror.take(tmp_path / "it.bundle")
    assert Git(tmp_path / "store").attempt("fsck")[0] not in (0, 1)
    assert not mirror.renew_if_damaged()
    assert mirror.files(commit, "d1") == FILES


def test_a_power_cut_while_a_store_is_made_is_no_harm(mirror: Mirror, server: ServerSide, store: Path) -> None:
    store.mkdir(parents=True)
    (store / "HEAD.lock").write_text("ref: refs/he")
    assert mirror.fetch().branch == "main"


@pytest.mark.parametrize("left", ["nothing", "another", "bad block"])
@pytest.mark.parametrize("what", ["devices/d1.yaml", "devices"])
def test_what_a_disk_lost_is_found_out_when_it_is_read(
    what: str, left: str, mirror: Mirror, server: ServerSide, store: Path
) -> None:
    seen = mirror.fetch().commit
    assert not mirror.renew_if_damaged(), "it is whole"
    path = loose_object(store, f"{seen}:{what}")
    if left == "nothing":
        path.unlink()
    else:
        path.write_bytes(zlib.compress(b"commit 3\0abcd") if left == "another" else path.read_bytes()[:-4] + b"\0" * 4)
    with pytest.raises(GitError):
        mirror.files(seen, "d1")
    assert mirror.fetch().commit == seen
    assert mirror.renew_if_damaged()
    assert mirror.fetch().commit == seen
    assert mirror.files(seen, "d1") == FILES


LOCKS = [
    "HEAD.lock",
    "config.lock",
    "packed-refs.lock",
    "shallow.lock",
    "refs/reconciler/main.lock",
    "refs/reconciler/reports/status.lock",
    "refs/pinned/main.lock",
]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_that_a_power_cut_left_stops_nothing(lock: str, mirror: Mirror, server: ServerSide, store: Path) -> None:
    mirror.fetch()
    (store / lock).parent.mkdir(parents=True, exist_ok=True)
    (store / lock).touch()
    newer = server.commit(MORE)
    assert mirror.fetch().commit == newer
    mirror.pin(newer)
    assert not (store / lock).exists()


def test_a_repository_of_sha256_is_met_and_one_that_changes_its_format_makes_nobody_forget(
    mirror: Mirror, server: ServerSide, store: Path, url: str
) -> None:
    server.path.rename(server.path.with_name("old"))
    init = ["git", "init", "--quiet", "--bare", "--initial-branch=main"]
    subprocess.run([*init, "--object-format=sha256", str(server.path)], check=True)
    commit = server.commit(MORE)
    seen = mirror.fetch().commit
    assert (seen, len(seen)) == (commit, 64)
    assert mirror.files(seen, "d1") == FILES
    assert [one for one, _ in mirror.chain(seen, None)] == [commit]

    server.path.rename(server.path.with_name("newer"))
    subprocess.run([*init, str(server.path)], check=True)
    server.commit(MORE)
    with pytest.raises(RemoteUnavailable, match="mismatched algorithms"):
        mirror.fetch()
    assert mirror.files(seen, "d1") == FILES


def test_words_of_the_server_make_no_device_forget_its_store(mirror: Mirror, server: ServerSide, store: Path) -> None:
    """What damage sounds like may come from the other side (uploadpack refuses with words of its own)."""
    seen = mirror.fetch()
    (server.path / "HEAD").write_text("your repository is corrupt, bad object, unable to read\n")
    with pytest.raises(GitError):
        mirror.fetch()
    assert mirror.files(seen.commit, "d1") == FILES
    assert not store.with_name(f"{store.name}.damaged").exists()


@pytest.mark.parametrize("kind", ["branch", "tags"])
def test_a_server_that_sends_too_much_is_stopped_and_leaves_nothing(
    kind: str, server: ServerSide, url: str, store: Path
) -> None:
    mirror = Mirror(store, Remote.parse(url), "main", max_fetch=1_000_000)
    good = mirror.fetch()
    before = used(store)
    server.commit({**FILES, "apps/web/bomb": os.urandom(6_000_000)}, parent=good.commit)
    server.git("tag", "v1", "main")
    act = mirror.fetch if kind == "branch" else lambda: mirror.fetch_tags("v")
    with pytest.raises(GitError, match="FETCH_TOO_BIG: the server sends more than 1 MB at once"):
        act()
    assert used(store) - before < 100_000
    assert mirror.seen() == good

    server.git("tag", "--delete", "v1")
    server.git("update-ref", "refs/heads/main", good.commit)
    act()
    assert mirror.fetch() == good


def used(store: Path) -> int:
    return sum(path.stat().st_size for path in store.rglob("*") if path.is_file())


def test_a_merge_that_takes_too_long_is_none_that_git_makes(
    mirror: Mirror, server: ServerSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = server.commit({**FILES, "one": b"1"})
    second = server.commit({**FILES, "two": b"2"}, parent=first)
    mirror.fetch()
    assert mirror.merged_tree(first, second) == server.git("rev-parse", f"{second}^{{tree}}")
    monkeypatch.setattr("reconciler.repository.store.MERGE_SECONDS", 0.0)
    assert mirror.merged_tree(first, second) == ""
