"""Wheels of the reconciler: made of this tree, and made into other versions that behave in other ways."""

import io
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import reconciler

ROOT = Path(__file__).parent.parent.parent


def make_wheel(folder: Path) -> Path:
    """The wheel of what Git knows of this tree, by pip."""
    source, out = folder / "source", folder / "wheel"
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    for name in (one for one in listed.stdout.split("\0") if one and (ROOT / one).is_file()):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    flags = ("--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check")
    pip = [sys.executable, "-m", "pip", "wheel", *flags, "--wheel-dir", str(out), str(source)]
    subprocess.run(pip, check=True, capture_output=True)
    (made,) = out.glob("*.whl")
    return made


def renumbered(wheel: bytes, version: str, changes: Mapping[str, tuple[str, str]] = {}) -> bytes:
    """The same program as another version; in some of its files, one text in place of another."""
    was = reconciler.__version__
    changes = {"reconciler/__init__.py": (f'"{was}"', f'"{version}"'), **changes}
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(wheel)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename in changes:
                before, after = changes[entry.filename]
                assert before.encode() in content, f"{entry.filename} holds no {before!r}"
                content = content.replace(before.encode(), after.encode(), 1)
            new.writestr(entry.filename.replace(f"-{was}.dist-info/", f"-{version}.dist-info/"), content)
    return made.getvalue()
