"""Which URLs may be called: https, or loopback, and nothing hidden in them.

Knows nothing of who calls, or what for.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

__all__ = ["is_safe", "is_spelt"]

_LONGEST_URL: Final = 2048
_URL: Final = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+", re.ASCII)
"""The characters of RFC 3986."""


def is_spelt(url: str) -> bool:
    """Whether a URL has only characters that may stand in one, and is no longer than 2,048 of them."""
    return len(url) <= _LONGEST_URL and _URL.fullmatch(url) is not None


def is_safe(url: str) -> bool:
    """Whether a URL is https, or http on loopback, and nothing but scheme, host, port and path."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        host.encode().decode("idna")
    except ValueError:
        return False
    if not is_spelt(url) or ".." in host or ".." in parts.path.split("/"):
        return False
    is_bare = not (parts.username or parts.password or parts.query or parts.fragment) and "@" not in parts.netloc
    return bool(host) and is_bare and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
