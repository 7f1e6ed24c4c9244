"""Versions of the reconciler as they come: wheels that are whole, and what is none."""

import io
import stat
import zipfile
from pathlib import Path

import pytest

from reconciler.agent.versions.unpacked import MAX_BYTES, MAX_FILES, Versions
from reconciler.errors import UpdateRefused

ENTRY = "reconciler/agent/__main__.py"
GOOD = {ENTRY: b"print('hi')\n", "signing/x.py": b"", "git_edge_reconciler-0.2.0.dist-info/METADATA": b"Name: x\n"}


def wheel(files: dict[str, bytes], mode: int = 0) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr(entry, content)
    return made.getvalue()


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(tmp_path)


def test_a_wheel_is_unpacked_once_under_a_name_that_tells_it(versions: Versions) -> None:
    name = versions.store("0.2.0", wheel(GOOD))
    assert name.startswith("0.2.0-")
    assert (versions.home(name) / ENTRY).read_bytes() == GOOD[ENTRY]
    assert list((versions.home(name) / "reconciler/agent/__pycache__").iterdir()), "it is compiled"
    assert versions.store("0.2.0", wheel(GOOD)) == name
    assert versions.store("0.2.0", wheel({**GOOD, "signing/x.py": b"1\n"})) != name, "another one is not the same"
    assert versions.name_of(str(versions.home(name))) == name
    assert versions.name_of("/usr/lib/python3") == ""


def test_half_of_one_is_none(versions: Versions) -> None:
    """As a power cut leaves it: beside, and never under its name."""
    name = versions.store("0.2.0", wheel(GOOD))
    half = versions.home(f".{name}.new")
    versions.home(name).rename(half)
    assert not versions.has(name)
    assert versions.store("0.2.0", wheel(GOOD)) == name
    assert not half.exists()


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({**GOOD, "../outside.py": b""}, "holds '../outside.py'"),
        ({**GOOD, "reconciler/../../outside.py": b""}, "nothing of reconciler 0.2.0"),
        ({**GOOD, "/etc/passwd": b""}, "holds '/etc/passwd'"),
        ({**GOOD, "reconciler//twice.py": b""}, "nothing of reconciler 0.2.0"),
        ({**GOOD, "yaml/__init__.py": b""}, "holds 'yaml/__init__.py'"),
        ({**GOOD, "sitecustomize.py": b""}, "holds 'sitecustomize.py'"),
        ({**GOOD, "git_edge_reconciler-0.3.0.dist-info/METADATA": b""}, "nothing of reconciler 0.2.0"),
        ({"signing/x.py": b""}, f"holds no {ENTRY}"),
        ({}, f"holds no {ENTRY}"),
        ({**GOOD, "reconciler/big.py": b"\0" * (MAX_BYTES + 1)}, "more than a reconciler"),
        ({**GOOD, **{f"reconciler/{n}.py": b"" for n in range(MAX_FILES)}}, "more than a reconciler"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_is_nothing_of_it_is_refused_and_nothing_is_left(
    files: dict[str, bytes], told: str, versions: Versions, tmp_path: Path
) -> None:
    with pytest.raises(UpdateRefused, match=r"^reconciler/git_edge_reconciler-0\.2\.0-py3-none-any\.whl: ") as refused:
        versions.store("0.2.0", wheel(files))
    assert told in str(refused.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFCHR | 0o600])
def test_a_link_or_device_is_refused(mode: int, versions: Versions) -> None:
    with pytest.raises(UpdateRefused, match=r"nothing of reconciler 0\.2\.0"):
        versions.store("0.2.0", wheel(GOOD, mode))


@pytest.mark.parametrize("raw", [b"", b"not a zip", wheel(GOOD)[:-30], wheel(GOOD)[:200] + b"\0" * 200])
def test_what_is_no_archive_is_refused(raw: bytes, versions: Versions) -> None:
    with pytest.raises(UpdateRefused, match="it is no wheel"):
        versions.store("0.2.0", raw)


def test_content_that_differs_from_its_checksum_is_refused(versions: Versions) -> None:
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(ENTRY, b"a" * 100)
    raw = stored.getvalue().replace(b"a" * 100, b"b" * 100)
    with pytest.raises(UpdateRefused, match="Bad CRC"):
        versions.store("0.2.0", raw)


def test_a_damaged_stream_is_refused(versions: Versions) -> None:
    raw = bytearray(wheel({ENTRY: bytes(range(256)) * 40}))
    raw[60:64] = b"\xff\xff\xff\xff"
    with pytest.raises(UpdateRefused, match="it is no wheel"):
        versions.store("0.2.0", bytes(raw))


def test_a_compression_that_nobody_asked_for_is_refused(versions: Versions) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr(ENTRY, b"x")
    with pytest.raises(UpdateRefused, match=r"nothing of reconciler 0\.2\.0"):
        versions.store("0.2.0", made.getvalue())


def test_what_did_not_prove_itself_is_unpacked_anew(versions: Versions) -> None:
    name = versions.store("0.2.0", wheel(GOOD))
    (versions.home(name) / "signing/x.py").write_bytes(b"torn")
    versions.remove(name)
    assert versions.store("0.2.0", wheel(GOOD)) == name
    assert (versions.home(name) / "signing/x.py").read_bytes() == b""


def test_only_what_is_needed_is_kept(versions: Versions) -> None:
    one, two = versions.store("0.2.0", wheel(GOOD)), versions.store("0.2.0", wheel({**GOOD, "signing/x.py": b"1\n"}))
    versions.sweep({two, ""})
    assert (versions.has(one), versions.has(two)) == (False, True)
