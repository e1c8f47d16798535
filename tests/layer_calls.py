"""Layer's calls by either HTTP client, or over a bare socket, to a sandbox that is served."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from urllib.parse import quote, urlsplit

import attrs
import httpx

from remediate.upstreams.layer.sandbox import Sandbox, Trouble, serving

LAPSED = Trouble(reason="QUICKBOOKS_AUTHENTICATION_FAILURE", is_retryable=True, mended_by="customer")
FORM = {"grant_type": "client_credentials", "scope": "https://sandbox.layerfi.com/sandbox", "client_id": "sandbox-id"}
CREDENTIALS = ("sandbox-id", "sandbox-secret")


@attrs.define
class Clock:
    """A clock that stands still until it is set."""

    now_s: float = 1_750_000_000.25

    def __call__(self) -> float:
        return self.now_s


def path_of(call: str, business_id: str = "b") -> str:
    return f"/v1/businesses/{quote(business_id, safe='')}/quickbooks/{call}"


class Caller:
    """Layer's calls by one of the clients, with a token."""

    def __init__(self, http: Any) -> None:
        self.http = http
        self.renew()

    def renew(self) -> None:
        token = self.http.post("/oauth2/token", auth=CREDENTIALS, data=FORM).json()["access_token"]
        self.http.headers["authorization"] = f"Bearer {token}"

    def status(self, business_id: str = "b", **more: Any) -> Any:
        return self.http.get(path_of("connection-status", business_id), **more)

    def post(self, call: str, business_id: str = "b", **more: Any) -> Any:
        return self.http.post(path_of(call, business_id), **more)


@contextmanager
def calling(sandbox: Sandbox, client: ModuleType = httpx) -> Iterator[Caller]:
    with serving(sandbox) as url, client.Client(base_url=url, timeout=5, trust_env=False) as http:
        yield Caller(http)


def exchange(url: str, token: str, call: str = "sync-from", longest_s: float = 5) -> tuple[bytes, str]:
    """What comes back over a socket, and how it ends: `closed`, `reset` or `silence`."""
    to = urlsplit(url)
    assert to.hostname is not None
    method = "GET" if call == "connection-status" else "POST"
    head = f"{method} {path_of(call)} HTTP/1.1\r\nhost: {to.netloc}\r\nauthorization: {token}\r\nconnection: close\r\n"
    came = b""
    with socket.create_connection((to.hostname, to.port), timeout=longest_s) as plain:
        plain.sendall(f"{head}content-length: 0\r\n\r\n".encode())
        try:
            while piece := plain.recv(65_536):
                came += piece
        except ConnectionResetError:
            return came, "reset"
        except TimeoutError:
            return came, "silence"
    return came, "closed"
