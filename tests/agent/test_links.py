"""Links of the device, followed as the kernel does: at `/`, and where the device's disk is mounted elsewhere."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.agent.host.links import ANYWHERE, MOST_LINKS, follow, place

NAMES = st.sampled_from(["a", "b", "c", "d", "..", "."])
WAYS = st.lists(NAMES, min_size=1, max_size=6).map("/".join)
TREES = st.dictionaries(st.sampled_from(["a", "b", "c", "a/b", "a/c", "b/a", "c/d/a"]), st.tuples(st.booleans(), WAYS))


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A place for trees, itself without links."""
    yield Path(os.path.realpath(tmp_path_factory.mktemp("trees")))


def grown(folder: Path, links: Mapping[str, tuple[bool, str]], top: str) -> Path:
    """A new tree with a file, folders and these links; absolute ones begin with `top`, or with the tree itself."""
    tree = folder / str(len(list(folder.iterdir())))
    for name in ("a", "b", "c/d", "d"):
        if not any(name == link or name.startswith(f"{link}/") for link in links):
            (tree / name).mkdir(parents=True)
    for name, (is_absolute, target) in links.items():
        link = tree / name
        # Links in links' places are not to be had: the shorter one stands.
        if link.parent.is_dir() and not link.parent.is_symlink() and not link.exists() and not link.is_symlink():
            link.symlink_to(f"{top or tree}/{target}" if is_absolute else target)
    return tree


@given(links=TREES, way=WAYS)
def test_from_the_top_of_this_machine_it_is_realpath(links: dict[str, tuple[bool, str]], way: str, trees: Path) -> None:
    tree = grown(trees, links, "")
    assert follow(f"{tree}/{way}") == os.path.realpath(f"{tree}/{way}")


@given(links=TREES, way=WAYS)
def test_below_another_root_it_is_what_a_process_there_sees(
    links: dict[str, tuple[bool, str]], way: str, trees: Path
) -> None:
    tree = grown(trees, links, "/")
    assert follow(f"/{way}", str(tree)) == seen_from(tree, f"/{way}")


def seen_from(root: Path, path: str) -> str:
    """`realpath` of a process after chroot(2), where we may do that."""
    if os.geteuid() != 0:
        pytest.skip("chroot(2) needs root")
    ours, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.chroot(root)
        os.write(told, os.path.realpath(path).encode())
        os._exit(0)
    os.close(told)
    os.waitpid(child, 0)
    with os.fdopen(ours) as answer:
        return answer.read()


@pytest.mark.parametrize(
    ("target", "leads"),
    [
        ("/etc", "/etc/x"),
        ("../../../../etc", "/etc/x"),
        ("/srv/../../etc", "/etc/x"),
        ("missing", "/srv/missing/x"),
        ("/srv/link", "/srv/link/x"),
        ("link/on", "/srv/link/on/x"),
    ],
)
def test_nothing_leads_out_of_the_root(target: str, leads: str, tmp_path: Path) -> None:
    (tmp_path / "srv").mkdir()
    (tmp_path / "srv/link").symlink_to(target)
    assert follow("/srv/link/x", str(tmp_path)) == leads
    assert place("/srv/link/x", tmp_path) == Path(f"{tmp_path}{leads}")


def chain(folder: Path, count: int) -> None:
    """So many links, each to the next, and the last one to /etc."""
    for number in range(count):
        target = f"/{number + 1}" if number + 1 < count else "/etc"
        (folder / str(number)).symlink_to(target)


def test_more_links_than_anybody_follows_stay_as_they_are(tmp_path: Path) -> None:
    chain(tmp_path, MOST_LINKS)
    assert follow("/0", str(tmp_path)) == "/etc"
    (tmp_path / "before").symlink_to("/0")
    assert follow("/before/x", str(tmp_path)) == f"/{MOST_LINKS - 1}/x"


def test_a_crowd_of_links_costs_no_more_than_each_of_them_once(tmp_path: Path) -> None:
    """Each one names the one before it twice: followed anew each time, they are 2^60."""
    (tmp_path / "0").mkdir()
    for number in range(1, 61):
        (tmp_path / str(number)).symlink_to(f"{number - 1}/../{number - 1}")
    assert follow("/60", str(tmp_path)) == "/0"


@pytest.mark.parametrize("path", [f"/{'x' * 300}", "/a\0b", "/\udcff\ud800"])
def test_what_cannot_be_looked_at_may_lead_anywhere(path: str, tmp_path: Path) -> None:
    assert follow(path, str(tmp_path)) == ANYWHERE
