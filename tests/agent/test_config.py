"""What apps may ask of the device: `spec.admission.allow` of its own settings."""

from pathlib import Path

import pytest

from reconciler.agent.settings.config import load_config
from reconciler.errors import ConfigError

SETTINGS = """\
apiVersion: fleet/v1
kind: Agent
metadata: {name: press}
spec:
  remote: {url: https://git.example/fleet}
  trust: {mode: commits, allowedSigners: signers}
  identity: key
  admission: {allow: ALLOW}
"""


def loaded(folder: Path, allow: str) -> frozenset[str]:
    path = folder / "reconciler.yaml"
    path.write_text(SETTINGS.replace("ALLOW", allow))
    return load_config(path).allow


def test_grants_are_read(tmp_path: Path) -> None:
    assert loaded(tmp_path, "[privileged, 'bind:/srv']") == {"privileged", "bind:/srv"}


@pytest.mark.parametrize(
    ("allow", "told"),
    [
        ("[privleged]", "'privleged' grants nothing"),
        ("[{bind: /srv}]", "`allow[0]` must be text, not a mapping"),
        ("[bind, null]", "`allow[1]` must be text, not nothing"),
        ("privileged", "`allow` must be a list, not text"),
    ],
)
def test_what_is_no_grant_is_told_once(allow: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, allow)
    lines = str(caught.value).splitlines()
    assert told in lines[0]
    assert "grants nothing" not in "".join(lines[1:])
