"""Reads the pages: sections, tables, words in backticks, anchors, examples."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "CONTRIBUTING.md", ROOT / "README.md"])
# These are kept beside the code that they tell of.
OURS = [page for page in PAGES if page.name != "README.md" and "decisions" not in page.parts]


def text_of(page: str) -> str:
    """A page without its examples."""
    return re.sub(r"^```.*?^```$", "", (DOCS / page).read_text(), flags=re.MULTILINE | re.DOTALL)


def section(page: str, heading: str) -> str:
    """What stands under a heading, up to the next of its level or above."""
    lines = text_of(page).split("\n")
    start = lines.index(heading)
    level = len(heading) - len(heading.lstrip("#"))
    ends = (n for n in range(start + 1, len(lines)) if re.match(rf"#{{1,{level}}} ", lines[n]))
    return "\n".join(lines[start + 1 : next(ends, len(lines))])


def rows(text: str) -> list[list[str]]:
    """The cells of every table row that begins with a word in backticks."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.split("\n") if line[:3] == "| `"]


def quoted(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", text))


def words(text: str) -> set[str]:
    """Every word within backticks: of `-o`, `--output`, and of `fleet plan [--device DEVICE]`."""
    return {word for one in quoted(text) for word in re.split(r"[\s\[\]|=]+", one)}


def anchors(page: Path) -> set[str]:
    """The anchors that a forge gives to the headings of a page."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def fenced(page: Path, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
