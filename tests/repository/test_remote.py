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
    "ssh://git@acme.example/fleet": "URL_SCHEME",
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


def test_a_password_in_an_address_is_not_told() -> None:
    with pytest.raises(ConfigError) as refused:
        Remote.parse("https://ann:hunter2@acme.example/fleet")
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
