"""Which addresses a device uses, and how it shows its token."""

import base64
from pathlib import Path

import pytest

from reconciler.errors import ConfigError
from reconciler.repository import Remote

GOOD = [
    "https://git.acme.example/fleet.git",
    "https://git.acme.example:8443/a/b/c",
    "https://10.0.0.1/fleet",
    "https://[2001:db8::1]/fleet",
    "http://127.0.0.1/fleet",
    "http://127.0.0.1:3000/fleet",
    "http://localhost:3000/fleet",
    "http://[::1]:3000/fleet",
]

BAD = {
    "ssh://-oProxyCommand=id/fleet": "URL_SCHEME",
    "ssh://git@-oProxyCommand=id/fleet": "URL_SCHEME",
    "ssh://-oProxyCommand=id@acme.example/fleet": "URL_INVALID",
    "ssh://git:secret@acme.example/fleet": "URL_CREDENTIALS",
    "ssh://git@acme.example:x/fleet": "URL_INVALID",
    "ssh://git@acme.example/a b": "URL_SCHEME",
    "git@acme.example:fleet": "URL_SCHEME",
    "git://acme.example/fleet": "URL_SCHEME",
    "ftp://acme.example/fleet": "URL_SCHEME",
    "file:///srv/fleet": "URL_SCHEME",
    "/srv/fleet": "URL_SCHEME",
    "fleet": "URL_SCHEME",
    "": "URL_SCHEME",
    "ext::sh -c id": "URL_SCHEME",
    "--upload-pack=id": "URL_SCHEME",
    "https://": "URL_SCHEME",
    "https:///fleet": "URL_SCHEME",
    "https:acme.example/fleet": "URL_SCHEME",
    "http://acme.example/fleet": "URL_SCHEME",
    "http://127.0.0.1.acme.example/fleet": "URL_SCHEME",
    "http://localhost.acme.example/fleet": "URL_SCHEME",
    "http://127.0.0.1@acme.example/fleet": "URL_SCHEME",
    "http://0.0.0.0/fleet": "URL_SCHEME",
    "https://acme.example/a b": "URL_SCHEME",
    "https://acme.example/a\nb": "URL_SCHEME",
    "https://acme.example/\x1b[2J": "URL_SCHEME",
    "https://acme.example/\u00e4": "URL_SCHEME",
    "https://[::1/fleet": "URL_INVALID",
    "https://ann:secret@acme.example/fleet": "URL_CREDENTIALS",
    "https://ann@acme.example/fleet": "URL_CREDENTIALS",
    "https://:secret@acme.example/fleet": "URL_CREDENTIALS",
}


@pytest.mark.parametrize("url", GOOD)
def test_a_device_uses(url: str) -> None:
    remote = Remote.parse(url)
    assert remote.url == url
    assert remote.options() == {f"protocol.{url.partition(':')[0]}.allow": "always"}


@pytest.mark.parametrize("url", BAD, ids=ascii)
def test_a_device_does_not_use(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Remote.parse(url)
    assert str(refused.value).startswith(BAD[url])
    assert str(refused.value).isprintable()


def over_ssh(folder: Path, url: str = "ssh://git@git.acme.example/fleet.git") -> Remote:
    key, hosts = folder / "identity", folder / "known_hosts"
    key.write_text("a key")
    hosts.write_text("a host")
    return Remote.parse(url, key_file=key, known_hosts=hosts)


def test_over_ssh_only_known_hosts_are_spoken_to_and_nothing_of_the_machine_counts(tmp_path: Path) -> None:
    told = over_ssh(tmp_path).options()
    assert told["protocol.ssh.allow"] == "always"
    command = told["core.sshCommand"].split()
    assert command[:2] == ["ssh", "-F/dev/null"]
    assert {"-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oIdentitiesOnly=yes", "-oProxyCommand=none"} <= set(
        command
    )
    assert f"-oUserKnownHostsFile={tmp_path}/known_hosts" in command
    assert f"-oIdentityFile={tmp_path}/identity" in command


def test_over_ssh_a_key_and_known_hosts_are_needed_and_their_names_are_plain(tmp_path: Path) -> None:
    url = "ssh://git@git.acme.example/fleet.git"
    for files in ({}, {"key_file": Path("/k")}, {"known_hosts": Path("/h")}):
        with pytest.raises(ConfigError, match="a remote over SSH needs"):
            Remote.parse(url, **files)
    for name in ("/a b", '/a"b', "/a'b", "/%h", "/a;id", "/$(id)", "/a\\b"):
        with pytest.raises(ConfigError, match="ssh could read as something else"):
            Remote.parse(url, key_file=Path(name), known_hosts=Path("/h"))
    over_ssh(tmp_path)
    (tmp_path / "identity").unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        Remote.parse(url, key_file=tmp_path / "identity", known_hosts=tmp_path / "known_hosts").options()


@pytest.mark.parametrize(
    "url",
    [
        "https://ann:hunter2@acme.example/fleet",
        "http://ann:hunter2@acme.example/fleet",
        "https://ann:hunter2@acme.example:99999/fleet",
        "https://ann:hunter2/hunter2@acme.example/fleet",
        "https://ann:hunter2 hunter2@acme.example/fleet",
        "https://ann:hunter2@hunter2@acme.example/fleet",
        "https://ann:hunter2\n@acme.example/fleet",
        "https://hunter2@[acme.example/fleet",
        "git+https://ann:hunter2@acme.example/fleet",
        "ssh://git:hunter2@[acme.example/fleet",
        "ssh://git:hunter2@acme.example:x/fleet",
        "ann:hunter2@acme.example:fleet",
    ],
    ids=ascii,
)
def test_a_password_in_an_address_is_not_told(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Remote.parse(url)
    assert "hunter2" not in str(refused.value)


def test_a_token_is_read_anew_for_every_call_and_meant_for_this_address_alone(tmp_path: Path) -> None:
    token = tmp_path / "token"
    remote = Remote.parse(GOOD[0], token_file=token)
    for secret in ("first", "second"):
        token.write_text(f"{secret}\n")
        header = remote.options()[f"http.{GOOD[0]}.extraHeader"]
        assert base64.b64decode(header.removeprefix("Authorization: Basic ")) == f"reconciler:{secret}".encode()


def test_a_token_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the token cannot be read"):
        Remote.parse(GOOD[0], token_file=tmp_path / "none").options()


def test_a_certificate_is_given_to_git(tmp_path: Path) -> None:
    assert Remote.parse(GOOD[0], ca_file=tmp_path / "ca.pem").options()["http.sslCAInfo"] == str(tmp_path / "ca.pem")
