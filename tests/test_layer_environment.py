"""Which Layer is called, and with which credentials."""

from __future__ import annotations

import pytest

from remediate import ConfigurationError
from remediate.addresses import is_safe
from remediate.upstreams.layer.client import LayerClient
from remediate.upstreams.layer.environment import find_credentials, find_environment


def test_the_published_environments() -> None:
    for name, host in (("sandbox", "sandbox"), ("production", "api")):
        environment = find_environment(name)
        assert environment.base_url == f"https://{host}.layerfi.com"
        assert environment.token_url == "https://auth.layerfi.com/oauth2/token"
        assert environment.scope == f"https://{host}.layerfi.com/{name}"
        assert find_environment(environment) is environment


def test_what_is_not_an_argument_comes_from_the_process_s_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYER_ENVIRONMENT", "production")
    monkeypatch.setenv("LAYER_CLIENT_ID", "theirs")
    monkeypatch.setenv("LAYER_CLIENT_SECRET", "hidden")
    assert find_environment(None).base_url == "https://api.layerfi.com"
    assert find_environment("sandbox").base_url == "https://sandbox.layerfi.com"
    found = find_credentials(None, "mine")
    assert (found.client_id.reveal(), found.client_secret.reveal()) == ("theirs", "mine")
    assert "theirs" not in repr(found)
    assert "mine" not in repr(found)


@pytest.mark.parametrize("name", ["LAYER_CLIENT_ID", "LAYER_CLIENT_SECRET", "LAYER_ENVIRONMENT"])
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for variable in ("LAYER_CLIENT_ID", "LAYER_CLIENT_SECRET", "LAYER_ENVIRONMENT"):
        monkeypatch.setenv(variable, "sandbox")
    monkeypatch.setenv(name, "")
    with pytest.raises(ConfigurationError, match=f"{name} is not set"):
        LayerClient()


@pytest.mark.parametrize("secret", ["hid\nden", "hidden\x00", "hiddenü"])
def test_a_credential_that_no_header_can_carry_is_refused_unseen(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="printable ASCII") as refused:
        find_credentials("me", secret)
    assert "hid" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://layer.example",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "ftp://127.0.0.1",
        "https://me:hidden@layer.example",
        "https://layer.example?key=hidden",
        "https://layer.example#hidden",
        "https://",
        "https://layer.example:port",
        "http://[::2]",
        "https://exa\nmple.com",
        "https://\u2603.com",
        "https://xn--a",
        "https://a..b",
        "https://a b",
        "https://a/../b",
        "https://" + "a" * 3000,
    ],
)
def test_an_address_that_is_not_safe_is_refused_unseen(url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url: expected an https URL") as refused:
        find_environment(url)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:80", "http://[::1]:8027", "http://localhost", "https://a.example/b"])
def test_https_and_loopback_are_safe(url: str) -> None:
    assert is_safe(url)


def test_a_misspelt_environment_is_told() -> None:
    with pytest.raises(ConfigurationError, match="did you mean `production`"):
        find_environment("prodction")
