"""A fleet repository over SSH, by a real `sshd`: only the host that is known, only the key that is let in."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from server_side import FILES, ServerSide, signing_with

from lab.ssh_server import SshServer
from reconciler.errors import RemoteUnavailable
from reconciler.repository import Answered, Author, Mirror, Remote, StatusBranch, newest
from reconciler.repository.bare import init_bare
from signing import Signer, load_signer, write_new_key

pytestmark = pytest.mark.skipif(
    shutil.which("sshd", path="/usr/sbin:/sbin") is None, reason="no sshd; run lab/packages.sh"
)


class Site:
    """The server, one repository on it, and a device with a key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = SshServer(folder / "sshd")
        init_bare(folder / "fleet.git")
        self.side = ServerSide(folder / "fleet.git")
        self.commit = self.side.commit(FILES)
        write_new_key(self.key)
        self.server.start()
        self.server.allow([load_signer(self.key).public.line])
        self.hosts.write_text(self.server.known_hosts)

    @property
    def key(self) -> Path:
        return self.folder / "identity"

    @property
    def hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def remote(self) -> Remote:
        return Remote.parse(self.server.url(self.side.path), key_file=self.key, known_hosts=self.hosts)

    def mirror(self) -> Mirror:
        return Mirror(self.folder / "device.git", self.remote, "main")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    try:
        yield made
    finally:
        made.server.stop()


def test_a_device_fetches_and_reports_over_ssh(site: Site) -> None:
    mirror = site.mirror()
    assert mirror.fetch().commit == site.commit
    assert mirror.files(site.commit, "d1") == FILES
    assert newest(site.remote, "refs/heads/main") == Answered(site.commit)
    branch = StatusBranch(site.folder / "device.git", site.remote, "status")
    branch.append("d1", b"{}", "a report", Author("d1", "d1@x", 1_700_000_000), signing_with(Signer.generate()))
    assert site.side.content("status", "devices/d1/status.json") == b"{}"


def test_another_host_key_is_refused_and_what_was_fetched_stays(site: Site) -> None:
    mirror = site.mirror()
    seen = mirror.fetch()
    site.server.stop()
    site.server.new_host_key()
    site.server.start()
    with pytest.raises(RemoteUnavailable, match="Host key verification failed"):
        mirror.fetch()
    assert mirror.seen() == seen
    assert not (site.folder / "device.git.damaged").exists()
    # Whoever set the device up says that the host has a new key.
    site.hosts.write_text(site.server.known_hosts)
    assert mirror.fetch() == seen


def test_an_unknown_host_is_not_spoken_to(site: Site) -> None:
    site.hosts.write_text("")
    with pytest.raises(RemoteUnavailable, match="Host key verification failed"):
        site.mirror().fetch()


def test_a_key_that_is_not_let_in_is_told(site: Site) -> None:
    site.server.allow([])
    with pytest.raises(RemoteUnavailable, match="Permission denied"):
        site.mirror().fetch()


def test_a_server_that_is_away_is_told_and_the_store_is_left_alone(site: Site) -> None:
    mirror = site.mirror()
    seen = mirror.fetch()
    site.server.stop()
    with pytest.raises(RemoteUnavailable, match="cannot fetch"):
        mirror.fetch()
    assert mirror.seen() == seen
    assert not (site.folder / "device.git.damaged").exists()
