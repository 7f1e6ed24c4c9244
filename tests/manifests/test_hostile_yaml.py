"""YAML that was written to hurt: refused with its place, soon, and never by another error than ManifestError."""

import os
import random
import re
from pathlib import Path

import pytest

from reconciler.errors import ManifestError, ProblemKind
from reconciler.manifests import FleetFiles
from reconciler.reading import Node, parse
from reconciler.reading.node import MAX_DEPTH, depth, plain
from reconciler.reading.parse import MAX_BYTES

EXAMPLE = Path(__file__).parents[2] / "fleet-repo-example"
FUZZ_COUNT = int(os.environ.get("FUZZ_COUNT", "3000"))
FUZZ_SEED = int(os.environ.get("FUZZ_SEED", "1"))

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)
MERGE_BOMB = "m0: &m0 {k0: 1}\n" + "".join(
    f"m{n}: &m{n}\n  <<: [{', '.join([f'*m{n - 1}'] * 50)}]\n  k{n}: 1\n" for n in range(1, 40)
)
DEEP_BY_ALIASES = (
    "a0: &a0 "
    + "[" * 20
    + "]" * 20
    + "\n"
    + "".join(f"a{n}: &a{n} " + "[" * 20 + f"*a{n - 1}" + "]" * 20 + "\n" for n in range(1, 25))
)

# Name -> what is read, and the one line that says why it is refused.
REFUSED: dict[str, tuple[bytes | str, str]] = {
    "900 brackets": ("[" * 900, "f:1:33: nested more than 32 deep; flatten the document"),
    "900 braces": ("{a: " * 900, "f:1:129: nested more than 32 deep; flatten the document"),
    "30,000 dashes": ("- " * 30_000, "f:1:65: nested more than 32 deep; flatten the document"),
    "30,000 explicit keys": ("? " * 30_000, "f:1:3: a key that is not text; write a plain word as key"),
    "an alias bomb": (BOMB, "f:5:10: aliases that copy more than 10000 values; write fewer aliases"),
    "a merge-key bomb": (MERGE_BOMB, "f:57:170: aliases that copy more than 10000 values; write fewer aliases"),
    "depth by aliases": (DEEP_BY_ALIASES, "f:2:29: nested more than 32 deep; flatten the document"),
    "an alias of itself": ("a: &a [*a]", "f:1:8: the alias *a without an anchor before it; define &a first"),
    "a merge of itself": ("a: &a {<<: *a}", "f:1:12: the alias *a without an anchor before it; define &a first"),
    "an alias as key": ("a: &a b\n*a : c", "f:2:1: an alias as a key; write the key out"),
    "a Python tag": (
        "a: !!python/object/apply:os.system [id]",
        "f:1:4: the tag 'tag:yaml.org,2002:python/object/apply:os.system'; "
        "remove it: values get their type from how they are written",
    ),
    "a binary tag": (
        "a: !!binary aGk=",
        "f:1:4: the tag 'tag:yaml.org,2002:binary'; remove it: values get their type from how they are written",
    ),
    "a tag of one's own": (
        "a: !x {}",
        "f:1:4: the tag '!x'; remove it: values get their type from how they are written",
    ),
    "the tag that says text": (
        "a: ! 12",
        "f:1:4: the tag '!'; remove it: values get their type from how they are written",
    ),
    "a tag on a key": (
        "!!str a: b",
        "f:1:1: the tag 'tag:yaml.org,2002:str'; remove it: values get their type from how they are written",
    ),
    "a set": (
        "!!set {a}",
        "f:1:1: the tag 'tag:yaml.org,2002:set'; remove it: values get their type from how they are written",
    ),
    "a duplicate key": ("a: 1\nb: 2\na: 3", "f:3:1: the key 'a' a second time; the first is in line 1"),
    "a duplicate key in other quotes": ('{a: 1, "a": 2}', "f:1:8: the key 'a' a second time; the first is in line 1"),
    "a duplicate operation of a patch": (
        "- {op: add, path: /baz, value: qux, op: remove}",
        "f:1:37: the key 'op' a second time; the first is in line 1",
    ),
    "a duplicate merge key": ("<<: {a: 1}\n<<: {b: 1}", "f:2:1: the key '<<' a second time; the first is in line 1"),
    "a number as key": ("1: a", "f:1:1: the key '1' is not text; write \"1\" in quotes"),
    "a fraction as key": ("1.5: a", "f:1:1: the key '1.5' is not text; write \"1.5\" in quotes"),
    "a truth value as key": ("true: a", "f:1:1: the key 'true' is not text; write \"true\" in quotes"),
    "nothing as key": ("? \n: a", "f:1:2: the key '' is not text; write \"\" in quotes"),
    "a mapping as key": ("{a: b}: c", "f:1:1: a key that is not text; write a plain word as key"),
    "a list as key": ("? [a]\n: b", "f:1:3: a key that is not text; write a plain word as key"),
    "two documents": ("a: 1\n---\nb: 2", "f:2:1: a second YAML document; put it into a file of its own"),
    "two documents, ended": ("a: 1\n...\n---\nb: 2", "f:3:1: a second YAML document; put it into a file of its own"),
    "two MiB": (b"a: " + b"x" * 2 * 1024 * 1024, "f:1:1: 2097155 bytes are more than 1048576; split the file"),
    "many events": ("- a\n" * 60_000, "f:49999:3: more than 50000 YAML events; split the file"),
    "a merge of a text": ("<<: a", "f:1:1: `<<` merges text; merge a mapping, or a list of mappings"),
    "a byte order mark": ("\ufeffa: 1", "f:1:1: a byte order mark; save the file as UTF-8 without it"),
    "UTF-16": ("a: 1".encode("utf-16"), "f:1:1: not UTF-8; save the file as UTF-8"),
    "UTF-16 without a mark": (
        "a: 1".encode("utf-16-le"),
        "f:1:1: not YAML: control characters are not allowed; remove the character",
    ),
    "UTF-32": ("a: 1".encode("utf-32"), "f:1:1: not UTF-8; save the file as UTF-8"),
    "Latin-1": (b"a: 1\nb: \xe9", "f:2:1: not UTF-8; save the file as UTF-8"),
    "a surrogate": (b"a: 1\nb: \xed\xa0\x80", "f:2:1: not UTF-8; save the file as UTF-8"),
    "a control character": (
        "é\n" * 9 + "a: \x01\n" + "b\n" * 99,
        "f:10:1: not YAML: control characters are not allowed; remove the character",
    ),
    "a null character": ("a: 1\nb: \0", "f:2:1: not YAML: control characters are not allowed; remove the character"),
    "an escape character": ("a: \x1b[31m", "f:1:1: not YAML: control characters are not allowed; remove the character"),
    "a tab as indentation": (
        "a:\n\tb: 1",
        "f:2:1: not YAML: found character that cannot start any token; check indentation, quotes and brackets here",
    ),
    "nothing": ("", "f:1:1: the file is empty; write a mapping"),
    "only spaces": ("  \n\n", "f:1:1: the file is empty; write a mapping"),
    "only a comment": ("# a", "f:1:1: the file is empty; write a mapping"),
    "a directive only": (
        "%YAML 1.2\n",
        "f:2:1: not YAML: did not find expected <document start>; check indentation, quotes and brackets here",
    ),
    "a version to come": (
        "%YAML 3.0\n---\na: 1",
        "f:1:1: not YAML: found incompatible YAML document; check indentation, quotes and brackets here",
    ),
    "an escape without its digits": (
        'a: "\\xZZ"',
        "f:1:7: not YAML: did not find expected hexdecimal number; check indentation, quotes and brackets here",
    ),
    "an escape outside of Unicode": (
        'a: "\\UFFFFFFFF"',
        "f:1:7: not YAML: found invalid Unicode character escape code; check indentation, quotes and brackets here",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_its_place(name: str) -> None:
    text, why = REFUSED[name]
    with pytest.raises(ManifestError) as refused:
        parse(text if isinstance(text, bytes) else text.encode(), "f")
    assert [str(problem) for problem in refused.value.problems] == [why]
    assert refused.value.exit_code == ProblemKind.SYNTAX.value == 10


@pytest.mark.parametrize("opening", ["[", "{a: "])
def test_more_than_libyaml_itself_reads_is_told_in_the_same_words(opening: str) -> None:
    """Where it says so, is libyaml's own business: 0.2.6 looks ahead a thousand brackets."""
    with pytest.raises(ManifestError) as refused:
        parse((opening * 30_000).encode(), "f")
    assert re.fullmatch(r"f:1:\d+: nested more than 32 deep; flatten the document", str(refused.value))


# Name -> what is read, and what it is; nothing of it may be expensive.
HARMLESS: dict[str, tuple[str, object]] = {
    "a hex integer of a million digits": (f"0x{'f' * 10**6}", f"0x{'f' * 10**6}"),
    "an integer of a million digits": ("1" * 10**6, "1" * 10**6),
    "a fraction of a million digits": (f"0.{'1' * 10**6}", f"0.{'1' * 10**6}"),
    "an exponent without end": ("1e999", "1e999"),
    "sexagesimal": ("190:20:30", "190:20:30"),
    "a date": ("2026-12-01T06:00:00Z", "2026-12-01T06:00:00Z"),
    "infinity and no number": ("[.inf, -.inf, .nan]", [".inf", "-.inf", ".nan"]),
    "octal of two kinds": ("[0o17, 017]", [15, "017"]),
    "underscores": ("1_000", "1_000"),
    "words that were truth values once": ("[yes, no, on, off, y, n]", ["yes", "no", "on", "off", "y", "n"]),
    "an alias used fairly": (
        "a: &a {b: 1}\nc: *a\nd: {<<: *a, e: 2}",
        {"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1, "e": 2}},
    ),
    "the deepest that is allowed": ("[" * MAX_DEPTH + "]" * MAX_DEPTH, None),
    "the biggest that is allowed": ("a" * MAX_BYTES, "a" * MAX_BYTES),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_it_is_harmless(name: str) -> None:
    text, meaning = HARMLESS[name]
    node = parse(text.encode(), "f")
    assert depth(node) <= MAX_DEPTH
    assert meaning is None or plain(node) == meaning


# Name -> the lines of one service, or a whole file, which are good YAML and hurt later.
SERVICES = {
    "a size of many digits": "mem_limit: '" + "9" * 400 + "'",
    "a duration of many digits": "stop_grace_period: '" + "9" * 400 + "s'",
    "a duration without its unit": "stop_grace_period: '" + "9" * 500_000 + "'",
    "attempts of many digits": "restart: 'on-failure:" + "9" * 5000 + "'",
    "attempts of other digits": "restart: on-failure:\u00b2",
    "a port of other digits": "expose: ['\u00b2']",
    "a port of many digits": "expose: ['" + "9" * 5000 + "']",
    "many unknown keys": "\n    ".join(f"key_{n}: 1" for n in range(20_000)),
    "many mounts at one place": "volumes: [" + ", ".join(["/a"] * 20_000) + "]",
    "open references": "hostname: '" + "${A:-" * 100_000 + "'",
    "a reference without end": "hostname: '" + "${" * 300_000 + "'",
    "a value in a thousand places": "hostname: '" + "$BIG" * 1000 + "'",
}


@pytest.mark.parametrize("name", SERVICES)
def test_a_hostile_service_is_a_problem_of_its_app(name: str) -> None:
    head = "apiVersion: fleet/v1\nkind: {}\nmetadata: {{name: {}}}\n"
    tree = {
        "fleet.yaml": head.format("Fleet", "acme") + "spec: {tiers: [base]}",
        "layers/base/all.yaml": head.format("Layer", "all")
        + f"spec: {{apps: [shop], variables: {{BIG: {'x' * 50_000}}}}}",
        "devices/press.yaml": head.format("Device", "press"),
        "apps/shop/compose.yaml": f"services:\n  web:\n    image: web\n    {SERVICES[name]}\n",
    }
    rendering = FleetFiles({path: text.encode() for path, text in tree.items()}).render("press")
    assert rendering.desired.apps == ()
    assert rendering.problems
    assert all(re.match(r"apps/shop/compose\.yaml:\d+:\d+: ", str(problem)) for problem in rendering.problems)


def test_mutated_files_of_a_fleet_are_read_or_refused() -> None:
    read, refused = fuzz(FUZZ_COUNT, FUZZ_SEED)
    assert read > FUZZ_COUNT // 20, "mutations so wild that nothing is YAML test little"
    assert refused > FUZZ_COUNT // 20


def fuzz(count: int, seed: int) -> tuple[int, int]:
    """Reads so many mutated files, and renders with each; returns how many were YAML that we read, and how many not.

    A long campaign: FUZZ_COUNT=1000000 FUZZ_SEED=7 pytest tests/manifests/test_hostile_yaml.py -k mutated
    """
    chance = random.Random(seed)  # noqa: S311
    tree = {path.relative_to(EXAMPLE).as_posix(): path.read_bytes() for path in sorted(EXAMPLE.rglob("*.yaml"))}
    read = 0
    for number in range(count):
        path = chance.choice(sorted(tree))
        data = mutated(tree[path], list(tree.values()), chance)
        try:
            node = parse(data, path)
            assert isinstance(node, Node)
            read += 1
            FleetFiles({**tree, path: data}).render("press-0041")
        except ManifestError as error:
            assert all(problem.where.partition(":")[0] for problem in error.problems)
        except Exception as error:
            raise AssertionError(f"mutation {number} of seed {seed}, {path}: {data!r}") from error
    return read, count - read


SCRAPS = [
    b"[", b"]", b"{", b"}", b": ", b"- ", b"? ", b"&a ", b"*a", b"<<: *a", b"!!str ", b"!x ", b"#", b"|", b">-", b"'",
    b'"', b"\t", b"\n", b"\r\n", b"  ", b"---\n", b"...", b"%YAML 1.1\n", b"\x00", b"\x85", b"\xe2\x80\xa8", b"\xff",
    b"\xef\xbb\xbf", b"~", b"null", b"0x1", b"1e9", b"-1", b"99999999999", b"${A}", b"${", b"$", b"\xc2\xb2", b"x-a: 1",
    b"true", b"[[]]", b"{}", b"''",
]  # fmt: skip


def mutated(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """The data with one to four small changes: bytes, scraps of YAML, lines doubled, moved or from another file."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice([0, 1, 2, 8, 40]))
        lines = data.splitlines(keepends=True) or [b""]
        match chance.randrange(7):
            case 0:
                data = data[:start] + bytes([chance.randrange(256)]) + data[end:]
            case 1 | 2:
                data = data[:start] + chance.choice(SCRAPS) + data[end:]
            case 3:
                data = data[:start] + data[end:]
            case 4:
                lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))
                data = b"".join(lines)
            case 5:
                chosen = lines.pop(chance.randrange(len(lines)))
                lines.insert(chance.randrange(len(lines) + 1), chance.choice([b"", b"  ", b"    "]) + chosen)
                data = b"".join(lines)
            case 6:
                lines.insert(chance.randrange(len(lines) + 1), chance.choice(chance.choice(others).splitlines(True)))
                data = b"".join(lines)
    return data
