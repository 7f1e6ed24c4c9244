"""The agent's own settings: what apps may ask of the device, and what is told of them."""

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


def with_status(folder: Path, status: str) -> Path:
    path = folder / "reconciler.yaml"
    path.write_text(SETTINGS.replace("admission: {allow: ALLOW}", f"status: {status}"))
    return path


def test_what_services_write_is_told_only_when_somebody_asks(tmp_path: Path) -> None:
    assert load_config(with_status(tmp_path, "{}")).status.log_lines == 0
    assert load_config(with_status(tmp_path, "{logLines: 20}")).status.log_lines == 20


@pytest.mark.parametrize("lines", ["21", "-1", "many", "true"])
def test_no_more_lines_are_told_than_a_report_has_room_for(lines: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="logLines"):
        load_config(with_status(tmp_path, f"{{logLines: {lines}}}"))
