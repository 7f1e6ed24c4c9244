"""The pages hold together: links lead somewhere, lines are short, and every YAML example is one."""

import re
from pathlib import Path

import pytest
from doc_pages import DOCS, OURS, PAGES, ROOT, anchors, fenced, rows, section, text_of

from reconciler.agent.settings.config import load_config
from reconciler.fleet.start import start_fleet
from reconciler.manifests import FleetFiles
from reconciler.reading import parse

EXAMPLE = ROOT / "fleet-repo-example"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(file), f"{page.name}: {target}"


@pytest.mark.parametrize("page", OURS, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_are_short(page: Path) -> None:
    long = [n for n, line in enumerate(page.read_text().split("\n"), 1) if len(line) > 120]
    assert not long, f"{page.relative_to(ROOT)}: lines {long} have over 120 characters"


def test_every_page_is_reached_from_the_index() -> None:
    linked = set(re.findall(r"\]\(([^)#\s]+)", text_of("index.md")))
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if "decisions" not in page.parts}
    assert pages - linked == {"index.md"}


def example_tree(page: Path) -> dict[str, bytes]:
    """What the page's examples lie over: nothing when they hold a fleet, else what its reader has before them."""
    if page.name == "first-device.md":
        return {}
    return {
        str(path.relative_to(EXAMPLE)): path.read_bytes()
        for folder in ("apps", "layers", "devices", "fleet.yaml")
        for path in [EXAMPLE / folder, *(EXAMPLE / folder).rglob("*")]
        if path.is_file()
    }


EXAMPLES = [(page, block) for page in OURS for block in fenced(page, "yaml")]


@pytest.mark.parametrize(("page", "block"), EXAMPLES, ids=lambda part: part.name if isinstance(part, Path) else "")
def test_every_yaml_example_names_its_file_and_parses(page: Path, block: str, tmp_path: Path) -> None:
    first = block.split("\n")[0]
    assert re.fullmatch(r"# [\w./-]+\.yaml", first), f"{page.name}: begin with a comment that names the file"
    parse(block.encode(), first)
    if first.startswith("# /"):
        path = tmp_path / "config.yaml"
        path.write_text(block)
        assert load_config(path).device


@pytest.mark.parametrize("page", sorted({page for page, _ in EXAMPLES}), ids=lambda page: page.name)
def test_the_yaml_examples_of_a_page_render_together(page: Path, tmp_path: Path) -> None:
    blocks = {block.split("\n")[0].removeprefix("# "): block.encode() for block in fenced(page, "yaml")}
    blocks = {path: content for path, content in blocks.items() if not path.startswith("/")}
    tree = {} if "fleet.yaml" in blocks else example_tree(page)
    if page.name == "first-device.md":
        start_fleet(tmp_path / "acme", "acme", [])
        files = [file for file in (tmp_path / "acme").rglob("*") if file.is_file() and ".git" not in file.parts]
        tree = {str(file.relative_to(tmp_path / "acme")): file.read_bytes() for file in files}
        assert blocks.keys() <= tree.keys(), "the guide changes files that `fleet init` wrote"
    files_of_fleet = FleetFiles(tree | blocks)
    for name in files_of_fleet.device_paths if blocks else ():
        assert files_of_fleet.render(name).problems == (), name


def test_the_worked_example_is_what_the_example_fleet_renders() -> None:
    """The table of results in layers-and-patches.md, pointer by pointer."""
    rendering = FleetFiles(example_tree(DOCS)).render("press-0041")
    table = section("concepts/layers-and-patches.md", "## A worked example").partition("| Pointer |")[2]
    checked = 0
    for cell, _, result, _ in rows(table):
        app, service, pointer = re.match(r"`(\w+)/(\w+)` `(.+)`", cell).groups()  # type: ignore[union-attr]
        found = next(app_ for app_ in rendering.desired.apps if app_.name == app).service(service)
        assert found is not None
        wanted = result.strip("`").strip('"')
        if pointer == "/mem_limit":
            assert f"{(found.limits.memory or 0) // 2**20}m" == wanted
        else:
            assert found.environment[pointer.removeprefix("/environment/")] == wanted
        checked += 1
    assert checked == 5
