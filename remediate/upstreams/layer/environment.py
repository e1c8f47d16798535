"""Which Layer is called, and as whom: environments and credentials, from arguments or the process's environment.

Knows no HTTP client, and shows no credential.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

import attrs

from remediate.addresses import is_safe
from remediate.errors import ConfigurationError, did_you_mean, printable
from remediate.secret import Secret

__all__ = ["ENVIRONMENTS", "Credentials", "Environment", "find_credentials", "find_environment"]

_CLIENT_ID: Final = "LAYER_CLIENT_ID"
_CLIENT_SECRET: Final = "LAYER_CLIENT_SECRET"  # noqa: S105  # the name of one
_ENVIRONMENT: Final = "LAYER_ENVIRONMENT"


@attrs.frozen(kw_only=True)
class Environment:
    """One of Layer's environments.

    Attributes:
        base_url: of its API, without a slash at its end.
        token_url: of the token call.
        scope: what a token is asked for.

    Raises:
        ConfigurationError: a URL is neither https nor on loopback, or carries credentials.
    """

    base_url: str
    token_url: str
    scope: str

    @property
    def is_encrypted(self) -> bool:
        """Whether every call is; otherwise it has to stay on this machine, and no proxy may see it."""
        return self.base_url.startswith("https:") and self.token_url.startswith("https:")

    def __attrs_post_init__(self) -> None:
        for field in ("base_url", "token_url"):
            if not is_safe(getattr(self, field)):
                raise ConfigurationError(
                    f"{field}: expected an https URL (http on loopback alone) without credentials, query or fragment"
                )


ENVIRONMENTS: Final[Mapping[str, Environment]] = {
    "sandbox": Environment(
        base_url="https://sandbox.layerfi.com",
        token_url="https://auth.layerfi.com/oauth2/token",  # noqa: S106  # a URL
        scope="https://sandbox.layerfi.com/sandbox",
    ),
    "production": Environment(
        base_url="https://api.layerfi.com",
        token_url="https://auth.layerfi.com/oauth2/token",  # noqa: S106  # a URL
        scope="https://api.layerfi.com/production",
    ),
}
"""The published ones."""


@attrs.frozen(kw_only=True)
class Credentials:
    """Who calls."""

    client_id: Secret
    client_secret: Secret


def find_environment(given: Environment | str | None) -> Environment:
    """The environment that is meant.

    Args:
        given: one, the name of a published one, or the base URL of another (whose token call is
            `/oauth2/token` and whose scope ends in `/sandbox`); None: what LAYER_ENVIRONMENT says.

    Raises:
        ConfigurationError: it is not said, not known, or not safe.
    """
    if isinstance(given, Environment):
        return given
    name = os.environ.get(_ENVIRONMENT) if given is None else given
    if not name:
        raise ConfigurationError(f"{_ENVIRONMENT} is not set: say `sandbox` or `production`")
    if "://" in name:
        base = name.rstrip("/")
        return Environment(base_url=base, token_url=f"{base}/oauth2/token", scope=f"{base}/sandbox")
    if name not in ENVIRONMENTS:
        hint = did_you_mean(name, ENVIRONMENTS)
        raise ConfigurationError(f"unknown environment `{printable(name)}`{hint}: say `sandbox`, `production` or a URL")
    return ENVIRONMENTS[name]


def find_credentials(client_id: str | None, client_secret: str | None) -> Credentials:
    """The credentials from arguments, or from LAYER_CLIENT_ID and LAYER_CLIENT_SECRET where those are None.

    Raises:
        ConfigurationError: one is not said, or is no printable ASCII.
    """
    return Credentials(
        client_id=Secret(_said(client_id, _CLIENT_ID)), client_secret=Secret(_said(client_secret, _CLIENT_SECRET))
    )


def _said(given: str | None, variable: str) -> str:
    text = os.environ.get(variable) if given is None else given
    if not text:
        raise ConfigurationError(f"{variable} is not set")
    if not (text.isascii() and text.isprintable()):
        raise ConfigurationError(f"{variable}: expected printable ASCII")
    return text
