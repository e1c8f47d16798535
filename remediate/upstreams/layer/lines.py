"""A request and its answer over a client of httpx or httpx2, blocking or awaited.

Imports neither library: the client that is handed in brings its own. What the calls mean is said in
:mod:`remediate.upstreams.layer.calls`.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from math import inf
from typing import Any, Final, Protocol

from remediate.errors import ConfigurationError
from remediate.upstreams.layer.calls import Reply, Request
from remediate.upstreams.layer.tokens import Turns
from remediate.upstreams.layer.vocabulary import Transport

__all__ = ["LARGEST_ANSWER", "AsyncHttp", "AsyncLine", "BlockingLine", "SyncHttp"]

LARGEST_ANSWER: Final = 1 << 20
"""The longest body that is read, bytes: a thousand times a status."""
_CONNECT_S: Final = 5.0
_PHASES: Final = 4
"""A free connection, connecting and sending, waiting for an answer, its body."""
_AS_IT_IS: Final[dict[str, Any]] = {"stream": True, "auth": None, "follow_redirects": False}


class SyncHttp(Protocol):
    """What is asked of an `httpx.Client` or an `httpx2.Client`."""

    def build_request(self, method: str, url: str, *, content: Any, headers: Any, timeout: Any) -> Any:
        """Make a request."""

    def send(self, request: Any, *, stream: bool, auth: None, follow_redirects: bool) -> Any:
        """Send it."""

    def close(self) -> None:
        """Close every connection."""


class AsyncHttp(Protocol):
    """What is asked of an `httpx.AsyncClient` or an `httpx2.AsyncClient`."""

    def build_request(self, method: str, url: str, *, content: Any, headers: Any, timeout: Any) -> Any:
        """Make a request."""

    def send(self, request: Any, *, stream: bool, auth: None, follow_redirects: bool) -> Awaitable[Any]:
        """Send it."""

    def aclose(self) -> Awaitable[None]:
        """Close every connection."""


class _TooMuchError(Exception):
    """A body is too long or too slow."""


class _Body:
    """A body that is read, up to a length and for a time; no repr shows it."""

    def __init__(self, within_s: float) -> None:
        self._late_s = time.monotonic() + within_s
        self._content = bytearray()

    def add(self, piece: bytes) -> None:
        self._content += piece
        if len(self._content) > LARGEST_ANSWER or time.monotonic() > self._late_s:
            raise _TooMuchError

    @property
    def content(self) -> bytes:
        return bytes(self._content)


class _Line(ABC):
    """A request and its answer over either library; what differs between sync and async is left open."""

    turns: Turns

    def __init__(self, http: SyncHttp | AsyncHttp, kind: str, timeout_s: float) -> None:
        if not 0 < timeout_s < inf:
            raise ConfigurationError("timeout_s: expected a finite number of seconds above 0")
        errors = _library_of(http, kind)
        self._http: Any = http
        self._timeout_s = timeout_s
        self._not_sent = tuple(
            getattr(errors, name)
            for name in ("ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol")
        )
        self._told = errors.HTTPStatusError
        self._failed = (errors.HTTPError, errors.StreamError, OSError, _TooMuchError)

    async def exchange(self, request: Request) -> Reply | Transport:
        built = self._http.build_request(
            request.method,
            request.url,
            content=request.content,
            headers={**request.headers, "accept-encoding": "identity"},
            timeout=(min(_CONNECT_S, self._timeout_s), self._timeout_s, self._timeout_s, self._timeout_s),
        )
        try:
            response = await self._send(built)
        except self._told as error:  # a hook of the client's owner has raised for the status
            response = error.response
        except self._not_sent:
            return Transport.NOT_SENT
        except self._failed:
            return Transport.NO_ANSWER
        content = None
        with suppress(*self._failed):  # without a body the status speaks
            try:
                content = await self._content(response)
            finally:
                await self._close(response)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status_code, headers, content)

    async def _content(self, response: Any) -> bytes | None:
        """The body; None: it is encoded (which a bomb is too), too long or too slow."""
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            return None
        body = _Body(self._timeout_s)
        if response.is_stream_consumed:  # as a transport for tests may hand it over
            body.add(response.content)
        else:
            await self._read(response, body)
        return body.content

    @abstractmethod
    async def _send(self, request: Any) -> Any:
        """Send a request, and give its answer as soon as the headers are there."""

    @abstractmethod
    async def _read(self, response: Any, body: _Body) -> None:
        """Add the body, as it comes. No frame keeps a piece while it waits for the next: it may hold a token."""

    @abstractmethod
    async def _close(self, response: Any) -> None:
        """Give the connection back, or close it where the body was not read to its end."""

    @abstractmethod
    async def pause(self, seconds: float) -> None:
        """Let so many seconds pass."""


class _ThreadTurns:
    """A lock between threads, as the calls want it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    async def acquire(self) -> object:
        return self._lock.acquire()

    def release(self) -> None:
        self._lock.release()

    def locked(self) -> bool:
        return self._lock.locked()


class BlockingLine(_Line):
    """Over a blocking client."""

    def __init__(self, http: SyncHttp, timeout_s: float, sleep: Callable[[float], None]) -> None:
        super().__init__(http, "Client", timeout_s)
        self.turns: Turns = _ThreadTurns()
        self._sleep = sleep

    async def pause(self, seconds: float) -> None:
        self._sleep(seconds)

    async def _send(self, request: Any) -> Any:
        return self._http.send(request, **_AS_IT_IS)

    async def _read(self, response: Any, body: _Body) -> None:
        for piece in response.iter_raw():
            body.add(piece)
            del piece

    async def _close(self, response: Any) -> None:
        response.close()


class AsyncLine(_Line):
    """Over an awaited client."""

    def __init__(self, http: AsyncHttp, timeout_s: float, sleep: Callable[[float], Awaitable[None]]) -> None:
        super().__init__(http, "AsyncClient", timeout_s)
        self.turns: Turns = asyncio.Lock()
        self._sleep = sleep

    async def exchange(self, request: Request) -> Reply | Transport:
        """One exchange, bounded as a whole, however slowly an answer comes."""
        try:
            async with asyncio.timeout(_PHASES * self._timeout_s):
                return await super().exchange(request)
        except TimeoutError:
            return Transport.NO_ANSWER

    async def pause(self, seconds: float) -> None:
        await self._sleep(seconds)

    async def _send(self, request: Any) -> Any:
        return await self._http.send(request, **_AS_IT_IS)

    async def _read(self, response: Any, body: _Body) -> None:
        async with aclosing(response.aiter_raw()) as pieces:
            async for piece in pieces:
                body.add(piece)
                del piece

    async def _close(self, response: Any) -> None:
        await response.aclose()


def _library_of(http: object, kind: str) -> Any:
    """The library whose client this is, or is derived from."""
    for name in ("httpx", "httpx2"):
        library = sys.modules.get(name)
        if library is not None and isinstance(http, getattr(library, kind)):
            return library
    raise ConfigurationError(f"http: expected a `{kind}` of httpx or httpx2")
