"""The files that an import makes: all of them are computed first, then written, and none is ever overwritten."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from reconciler.errors import ManifestError, PermissionDenied, Problem, ReconcilerError
from reconciler.reading import parse, plain, to_yaml


def yaml_file(path: str, comment: str, document: object) -> bytes:
    """A YAML file of ours that certainly reads back as what was meant. Raises ManifestError when none does."""
    # Through JSON, so that no value stands in two places: YAML would write the second as an alias.
    whole = json.loads(json.dumps(document))
    # JSON is YAML too, and quotes what looks like a number to YAML 1.2 and not to 1.1, such as 1e3.
    for body in (to_yaml(whole), json.dumps(whole, indent=2, ensure_ascii=False) + "\n"):
        content = f"# {comment}\n{body}".encode()
        try:
            if plain(parse(content, path)) == whole:
                return content
        except ManifestError as error:
            failed = error.problems[0]
        else:
            failed = Problem(path, "a character that YAML cannot hold", "remove control characters from the input")
    raise ManifestError([failed])


def check_absent(folder: Path, files: Mapping[str, bytes]) -> None:
    """Raises ReconcilerError for the first file that exists."""
    for path in files:
        if os.path.lexists(folder / path):
            advice = "give the import another name with `--app`, or remove the file"
            raise ReconcilerError("the file is there already, and nothing was written", where=path, advice=advice)


def write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write every file, or none. Raises ReconcilerError."""
    check_absent(folder, files)
    written: list[Path] = []
    try:
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            with (folder / path).open("xb") as file:
                written.append(folder / path)
                file.write(content)
    except OSError as error:
        for done in written:
            done.unlink(missing_ok=True)
        kind = PermissionDenied if isinstance(error, PermissionError) else ReconcilerError
        reason = error.strerror or "it failed"
        raise kind(f"cannot write, so nothing was written: {reason}", where=path, advice="check the folder") from error
