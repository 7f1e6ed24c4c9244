"""The page of attacks names tests that are there."""

import re

import pytest
from doc_pages import DOCS, ROOT

PAGE = (DOCS / "concepts/attacks.md").read_text()
NAMED = sorted(set(re.findall(r"`([a-z_]+/test_[a-z0-9_]+\.py)(?:::(test_[a-z0-9_]+))?`", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name or file for file, name in NAMED])
def test_it_is_there(file: str, name: str) -> None:
    text = (ROOT / "tests" / file).read_text()
    assert f"\ndef {name}(" in text if name else "\ndef test_" in text


def test_the_numbers_are_in_their_order_and_none_stands_twice() -> None:
    found = [int(number) for line in PAGE.splitlines() if line.startswith("- **A") for number in _numbers(line)]
    assert len(found) >= 70
    assert {number for number in found if found.count(number) > 1} <= {89}


def _numbers(line: str) -> list[str]:
    return re.findall(r"A(\d+)", line.split("**")[1])
