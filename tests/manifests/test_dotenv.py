"""Env files: what Docker Compose makes of each line, recorded in `tests/cases/compose`, and what is refused."""

import json
import os
import random
from pathlib import Path

import pytest
from record_compose import case_folders

from reconciler.errors import ManifestError, ProblemKind
from reconciler.manifests.dotenv import MAX_BYTES, Line, read_lines, read_raw_lines
from reconciler.manifests.interpolate import InterpolationError, substitute

FUZZ_COUNT = int(os.environ.get("FUZZ_COUNT", "3000"))
RECORDED = {folder.name: folder for folder in case_folders() if folder.name.startswith("env-file")}
FILES = [path for folder in RECORDED.values() for path in sorted(folder.rglob("*.env"))]

# One line of a file -> its name and its value as a template, in which `$$` is a dollar.
LINES: dict[str, tuple[str, str | None]] = {
    "PLAIN=hello": ("PLAIN", "hello"),
    "WORDS=hello big world": ("WORDS", "hello big world"),
    "TRAILING=hello   ": ("TRAILING", "hello"),
    "LEADING=   hello": ("LEADING", "hello"),
    "COMMENT=hello # not this": ("COMMENT", "hello"),
    "NO_COMMENT=hello#this": ("NO_COMMENT", "hello#this"),
    'DOUBLE="hello world"': ("DOUBLE", "hello world"),
    'DOUBLE_COMMENT="hello" # not this': ("DOUBLE_COMMENT", "hello"),
    'DOUBLE_HASH="a # b"': ("DOUBLE_HASH", "a # b"),
    "SINGLE='hello world'": ("SINGLE", "hello world"),
    "SINGLE_HASH='a # b'": ("SINGLE_HASH", "a # b"),
    r'ESCAPED="a\tb\nc\"d"': ("ESCAPED", 'a\tb\nc"d'),
    r"SINGLE_ESCAPED='a\tb\nc'": ("SINGLE_ESCAPED", r"a\tb\nc"),
    r"PLAIN_ESCAPED=a\tb\nc": ("PLAIN_ESCAPED", r"a\tb\nc"),
    'INNER=a"b"c': ("INNER", 'a"b"c'),
    'MULTI="one\ntwo\nthree"': ("MULTI", "one\ntwo\nthree"),
    "EMPTY=": ("EMPTY", ""),
    'EMPTY_QUOTED=""': ("EMPTY_QUOTED", ""),
    "EMPTY_SINGLE=''": ("EMPTY_SINGLE", ""),
    "EQUALS=a=b=c": ("EQUALS", "a=b=c"),
    "export EXPORTED=yes": ("EXPORTED", "yes"),
    "SPACED = value": ("SPACED", "value"),
    "COLON: value": ("COLON", "value"),
    "dotted.name=x": ("dotted.name", "x"),
    "dash-name=y": ("dash-name", "y"),
    'JSON={"a": "b", "c": [1, 2]}': ("JSON", '{"a": "b", "c": [1, 2]}'),
    "DOLLAR_SINGLE='$PLAIN'": ("DOLLAR_SINGLE", "$$PLAIN"),
    r"BACKSLASH=C:\dir\file": ("BACKSLASH", r"C:\dir\file"),
    "UNICODE=Grüße": ("UNICODE", "Grüße"),
    "OWN=${BASE}/own": ("OWN", "${BASE}/own"),
    'QUOTED="${BASE}/quoted"': ("QUOTED", "${BASE}/quoted"),
    "DOUBLED=$$BASE": ("DOUBLED", "$$BASE"),
    "SITE": ("SITE", None),
    "  export SITE": ("SITE", None),
    "\ufeffMARKED=1": ("MARKED", "1"),
    "WINDOWS='1'\r\n": ("WINDOWS", "1"),
}
RAW_LINES: dict[str, tuple[str, str | None]] = {
    'RAW_QUOTED="quoted"': ("RAW_QUOTED", '"quoted"'),
    "RAW_SINGLE='single'": ("RAW_SINGLE", "'single'"),
    "RAW_DOLLAR=$HOME and ${HOME}": ("RAW_DOLLAR", "$$HOME and $${HOME}"),
    "RAW_COMMENT=value # kept": ("RAW_COMMENT", "value # kept"),
    "RAW_SPACES=  two  ": ("RAW_SPACES", "  two  "),
    "RAW_EMPTY=": ("RAW_EMPTY", ""),
    "RAW_EQUALS=a=b": ("RAW_EQUALS", "a=b"),
    "RAW_NAME": ("RAW_NAME", None),
}
# What is refused, and the one line that says why.
REFUSED: dict[str, tuple[bytes, str]] = {
    "words without a sign": (
        b"A=1\nB c\n",
        "f:2:1: not a line `NAME=VALUE`; write one, or a `#` in front of a comment",
    ),
    "a name that begins with a digit": (
        b"1A=1",
        "f:1:1: not a line `NAME=VALUE`; write one, or a `#` in front of a comment",
    ),
    "a value without a name": (b"\n=1", "f:2:1: not a line `NAME=VALUE`; write one, or a `#` in front of a comment"),
    "an open double quote": (b'A=1\n# "\nB="two\nlines', 'f:3:1: a quote " that does not end; close it'),
    "an open single quote": (b"A='\"\n\n", "f:1:1: a quote ' that does not end; close it"),
    "an escaped quote at the end": (b'A="a\\"', 'f:1:1: a quote " that does not end; close it'),
    "Latin-1": (b"A=1\nB=\xe9", "f:2:1: not UTF-8; save the file as UTF-8"),
    "UTF-16": ("A=1".encode("utf-16"), "f:1:1: not UTF-8; save the file as UTF-8"),
    "a NUL character": (b"A=1\n\nB=\0", "f:3:1: a NUL character; remove it"),
    "too many bytes": (b"A" * (MAX_BYTES + 1), "f:1:1: more than 65536 bytes; split the file"),
}


@pytest.mark.parametrize("text", LINES)
def test_a_line_is_read_as_compose_does(text: str) -> None:
    (line,) = read_lines(text.encode(), "f")
    assert (line.name, line.template, str(line.place)) == (*LINES[text], "f:1:1")


@pytest.mark.parametrize("text", RAW_LINES)
def test_a_raw_line_is_read_as_it_is(text: str) -> None:
    (line,) = read_raw_lines(text.encode(), "f")
    assert (line.name, line.template, str(line.place)) == (*RAW_LINES[text], "f:1:1")


@pytest.mark.parametrize("text", ["", "\n", "# a comment", "   # an indented comment\n\n \t\n", "\r\n", "\ufeff"])
def test_comments_and_empty_lines_say_nothing(text: str) -> None:
    assert read_lines(text.encode(), "f") == read_raw_lines(text.encode(), "f") == ()


def test_every_line_of_the_quotes_that_compose_was_asked_about() -> None:
    folder = RECORDED["env-file-with-quotes-and-comments"]
    (service,) = json.loads((folder / "config.json").read_text())["services"].values()
    lines = read_lines((folder / "web.env").read_bytes(), "web.env")
    assert {line.name: substitute(line.template or "", {}) for line in lines} == {
        name: value.replace("$$", "$") for name, value in service["environment"].items()
    }


def test_lines_keep_their_order_and_their_own_line_numbers() -> None:
    text = "# settings\nA=1\n\nB=\"two\nlines\"\n\tC='three\n\nlines' # behind\nD\nA=2 # again\n"
    places = [(line.name, line.template, line.place.line) for line in read_lines(text.encode(), "f")]
    assert places == [("A", "1", 2), ("B", "two\nlines", 4), ("C", "three\n\nlines", 6), ("D", None, 9), ("A", "2", 10)]


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_its_place(name: str) -> None:
    content, why = REFUSED[name]
    with pytest.raises(ManifestError) as refused:
        read_lines(content, "f")
    assert [str(problem) for problem in refused.value.problems] == [why]
    assert refused.value.exit_code == ProblemKind.SYNTAX.value


@pytest.mark.parametrize("text", ["A=1\nB c", "two words=1", "=1", "A=1\n\x00", "é" * 3 + " b=1"])
def test_a_raw_line_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ManifestError):
        read_raw_lines(text.encode(), "f")


@pytest.mark.parametrize(
    "text",
    ["A=" + " " * 200_000 + "x", "A" * 200_000, "A='" + "\n" * 200_000, 'A="' + "\\" * 200_000, "\n" * 200_000,
     " " * 200_000, "#" * 200_000, "A=# " * 50_000, "export " * 30_000, "A=1\n" * 60_000, "A=" + "#" * 200_000,
     "A=" + " #" * 100_000, 'A="' + '\\"' * 100_000],
)  # fmt: skip
def test_long_files_are_read_or_refused_soon(text: str) -> None:
    for read in (read_lines, read_raw_lines):
        try:
            assert all(line.name for line in read(text.encode(), "f"))
        except ManifestError as error:
            assert len(error.problems) == 1


def test_mutated_files_are_read_or_refused() -> None:
    chance = random.Random(int(os.environ.get("FUZZ_SEED", "1")))  # noqa: S311
    contents = [path.read_bytes() for path in FILES]
    read = 0
    for number in range(FUZZ_COUNT):
        data = mutated(chance.choice(contents), chance)
        try:
            read += check_lines(data)
        except Exception as error:
            raise AssertionError(f"mutation {number}: {data!r}") from error
    assert FUZZ_COUNT // 20 < read < 2 * FUZZ_COUNT - FUZZ_COUNT // 20


def check_lines(data: bytes) -> int:
    """How many of the two ways of reading could read it; any other error than ManifestError is none of ours."""
    read = 0
    for reader in (read_lines, read_raw_lines):
        try:
            lines = reader(data, "f")
            read += 1
        except ManifestError as error:
            assert [problem.where.startswith("f:") for problem in error.problems] == [True]
            continue
        numbers = [line.place.line for line in lines]
        assert numbers == sorted(set(numbers)), "each begins in a line of its own"
        assert all(may_be_substituted(line) for line in lines)
    return read


def may_be_substituted(line: Line) -> bool:
    try:
        return isinstance(substitute(line.template or "", {}), str)
    except InterpolationError:
        return True


SCRAPS = [b"'", b'"', b"\\", b"$", b"${", b"}", b"#", b" #", b"=", b":", b"\n", b"\r\n", b"\r", b"\t", b" ", b"export ",
          b"\x00", b"\x85", b"\xe2\x80\xa8", b"\xff", b"\xef\xbb\xbf", b"A", b"=1", b"\xc2\xb2", b"A=1\n"]  # fmt: skip


def mutated(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice([0, 0, 1, 2, 8, 40]))
        middle = chance.choice([b"", bytes([chance.randrange(256)]), chance.choice(SCRAPS), chance.choice(SCRAPS)])
        data = data[:start] + middle + data[end:]
    return data


def test_there_are_recorded_files() -> None:
    assert len(FILES) >= 10
    assert all(isinstance(path, Path) for path in FILES)
