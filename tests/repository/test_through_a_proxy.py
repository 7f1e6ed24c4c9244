"""A fleet repository that is reached by a proxy: fetched and reported to through it, and through nothing else."""

from pathlib import Path

import pytest
from server_side import FILES, ServerSide, signing_with

from lab.git_server import GitServer
from lab.http_proxy import http_proxy
from reconciler.errors import ConfigError, RemoteUnavailable
from reconciler.repository import Author, Mirror, Remote, StatusBranch
from signing import Signer

PASSWORD = "s3cret/with@signs:and colons"


@pytest.fixture
def side(git: GitServer) -> ServerSide:
    git.create("fleet")
    side = ServerSide(git.path("fleet"))
    side.commit(FILES)
    return side


def test_fetches_and_reports_go_through_it(git: GitServer, side: ServerSide, tmp_path: Path) -> None:
    with http_proxy() as proxy:
        remote = Remote.parse(git.url("fleet"), proxy=proxy.url)
        assert Mirror(tmp_path / "device.git", remote, "main").fetch().branch == "main"
        fetched = proxy.passed
        way = StatusBranch(tmp_path / "device.git", remote, "status")
        way.append("d1", b"one", "d1: one", Author("d1", "d1@x", 1), signing_with(Signer.generate()))
        assert fetched >= 2 and proxy.passed > fetched
    with pytest.raises(RemoteUnavailable):
        Mirror(tmp_path / "device.git", remote, "main").fetch()


def test_its_password_is_told_to_it_and_to_nobody_else(git: GitServer, side: ServerSide, tmp_path: Path) -> None:
    file = tmp_path / "proxy"
    file.write_text(f"plant:{PASSWORD}\n")
    with http_proxy(f"plant:{PASSWORD}") as proxy:
        remote = Remote.parse(git.url("fleet"), proxy=proxy.url, proxy_file=file)
        assert Mirror(tmp_path / "device.git", remote, "main").fetch().branch == "main"
        file.write_text("plant:another")
        with pytest.raises(RemoteUnavailable) as caught:
            Mirror(tmp_path / "device.git", remote, "main").fetch()
        assert proxy.refused > 0
    assert "another" not in str(caught.value) and "s3cret" not in str(caught.value)
    assert "407" in str(caught.value)


@pytest.mark.parametrize(
    "proxy",
    ["10.0.0.1:8080", "ftp://p:1", "http://", "http://-x:1", "http://p:1/path", "http://p:1 ", "--upload-pack=x"],
)
def test_what_is_no_proxy_is_refused(proxy: str) -> None:
    with pytest.raises(ConfigError, match="URL_INVALID"):
        Remote.parse("https://git.acme.example/fleet.git", proxy=proxy)


def test_a_password_does_not_stand_in_the_settings() -> None:
    with pytest.raises(ConfigError, match="URL_CREDENTIALS") as caught:
        Remote.parse("https://git.acme.example/fleet.git", proxy="http://ann:hunter2@p:1")
    assert "hunter2" not in str(caught.value)


def test_what_cannot_be_is_told(tmp_path: Path) -> None:
    url = "https://git.acme.example/fleet.git"
    with pytest.raises(ConfigError, match="without `proxy`"):
        Remote.parse(url, proxy_file=tmp_path / "x")
    with pytest.raises(ConfigError, match="over SSH goes by no `proxy`"):
        Remote.parse("ssh://git@h/x", key_file=Path("/k"), known_hosts=Path("/h"), proxy="http://p:1")
    (tmp_path / "x").write_text("nocolon")
    with pytest.raises(ConfigError, match="USER:PASSWORD"):
        Remote.parse(url, proxy="http://p:1", proxy_file=tmp_path / "x").options()
