"""Layer over HTTP: its calls with httpx or httpx2, sync and async.

The only module of this upstream that knows an HTTP client. What the calls mean is said in
:mod:`remediate.upstreams.layer.calls`. It drives the policy's transport schedule, and so stands
above the engine, though it lives in its upstream's folder.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any, Final, Protocol, Self

import httpx
import tenacity

import remediate
from remediate import waiting
from remediate.decision import Decision
from remediate.errors import ConfigurationError
from remediate.history import History
from remediate.observation import Observation
from remediate.retrying import Strategies
from remediate.running import run
from remediate.upstreams.layer.calls import Authorization, Calls, Reply, Request
from remediate.upstreams.layer.environment import Environment, find_credentials, find_environment
from remediate.upstreams.layer.tokens import Turns
from remediate.upstreams.layer.vocabulary import ApiFailure, Transport

__all__ = ["LARGEST_ANSWER", "TIMEOUT_S", "AsyncLayerClient", "Authorization", "LayerClient"]

LARGEST_ANSWER: Final = 1 << 20
"""The longest body that is read, bytes: a thousand times a status."""
TIMEOUT_S: Final = 30.0
"""How long an answer may take: Layer answers a status or a trigger within seconds."""
_CONNECT_S: Final = 5.0
_CONNECTIONS: Final = 100
_LIMITS: Final = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
_AS_IT_IS: Final[dict[str, Any]] = {"stream": True, "auth": None, "follow_redirects": False}

Decide = Callable[[Any, History, str | None], Decision]


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
        errors = _library_of(http, kind)
        self._http: Any = http
        self._timeout_s = timeout_s
        self._not_sent = tuple(
            getattr(errors, name)
            for name in ("ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol")
        )
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
        except self._not_sent:
            return Transport.NOT_SENT
        except self._failed:
            return Transport.NO_ANSWER
        try:
            content = await self._content(response)
        except self._failed:
            content = None
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


class _BlockingLine(_Line):
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


class _AsyncLine(_Line):
    def __init__(self, http: AsyncHttp, timeout_s: float, sleep: Callable[[float], Awaitable[None]]) -> None:
        super().__init__(http, "AsyncClient", timeout_s)
        self.turns: Turns = asyncio.Lock()
        self._sleep = sleep

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


class LayerClient:
    """Layer's calls, blocking. Safe to share between threads; a context closes it.

    Every way in which a call can fail is an answer, an
    :class:`~remediate.upstreams.layer.ApiFailure`. A token is fetched once for all callers, renewed
    at half its life, and renewed once where Layer refuses it.

    Args:
        client_id: the credentials; None: LAYER_CLIENT_ID of the process's environment.
        client_secret: likewise LAYER_CLIENT_SECRET.
        environment: `sandbox`, `production`, the base URL of another, or an
            :class:`~remediate.upstreams.layer.environment.Environment`; None: LAYER_ENVIRONMENT.
        http: an `httpx.Client` or `httpx2.Client`, which its owner closes; None: one of its own.
        decide: how failures of the status call are answered; None: by the default policy.
        timeout_s: how long connecting (at most 5 s), sending, waiting for an answer, its body, and
            waiting for a free connection may take, seconds each; default 30.
        sleep: how to wait, seconds; default :func:`remediate.waiting.sleep`.
        clock: seconds since the epoch; default :func:`time.time`.

    Raises:
        ConfigurationError: credentials or environment are missing or can't be used.
    """

    def __init__(
        self,
        client_id: str | None = None,
        client_secret: str | None = None,
        environment: Environment | str | None = None,
        *,
        http: SyncHttp | None = None,
        decide: Decide | None = None,
        timeout_s: float = TIMEOUT_S,
        sleep: Callable[[float], None] = waiting.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        where, who = find_environment(environment), find_credentials(client_id, client_secret)
        self._http: SyncHttp = http or httpx.Client(limits=_LIMITS)
        self._is_ours = http is None
        self._calls = Calls(_BlockingLine(self._http, timeout_s, sleep), where, who, clock)
        self._decide = decide or remediate.decide
        self._sleep = sleep

    def status(self, business_id: str) -> Observation:
        """Ask for the status; where asking fails, ask again on the policy's schedule, until it is used up.

        Returns:
            A :class:`~remediate.upstreams.layer.ConnectionStatus`, or the last failure.

        Raises:
            InputError: the id is empty, dots alone, longer than 512 characters, or no text. So does
                every call here.
        """
        retrying = tenacity.Retrying(sleep=self._sleep, **_asking(self._decide, business_id))
        answer: Observation = retrying(self.observe, business_id)
        return answer

    def observe(self, business_id: str) -> Observation:
        """Ask for the status once, for who decides about a failure elsewhere."""
        return run(self._calls.observe(business_id))

    def sync(self, business_id: str, realm_ids: Iterable[str] = ()) -> Observation:
        """Trigger a sync. It is sent once: a trigger without an answer may have been received.

        Args:
            business_id: whose.
            realm_ids: QuickBooks companies; none: all that are connected.

        Returns:
            A status that is syncing, where it was accepted; else a failure.
        """
        return run(self._calls.sync(business_id, realm_ids))

    def authorize(self, business_id: str) -> Authorization | ApiFailure:
        """Ask for a URL at which the customer authorises."""
        return run(self._calls.authorize(business_id))

    def unlink(self, business_id: str, *, ordered_by: str) -> ApiFailure | None:
        """Disconnect QuickBooks from the business, which can't be taken back. Nothing else calls this.

        Args:
            business_id: whose.
            ordered_by: the human who ordered it; it is logged.

        Returns:
            None where it was done.
        """
        return run(self._calls.unlink(business_id, ordered_by))

    def close(self) -> None:
        """Close the connections, unless they are another's."""
        if self._is_ours:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncLayerClient:
    """Layer's calls, awaited, in one event loop of asyncio; all else as of :class:`LayerClient`."""

    def __init__(
        self,
        client_id: str | None = None,
        client_secret: str | None = None,
        environment: Environment | str | None = None,
        *,
        http: AsyncHttp | None = None,
        decide: Decide | None = None,
        timeout_s: float = TIMEOUT_S,
        sleep: Callable[[float], Awaitable[None]] = waiting.sleep_async,
        clock: Callable[[], float] = time.time,
    ) -> None:
        where, who = find_environment(environment), find_credentials(client_id, client_secret)
        self._http: AsyncHttp = http or httpx.AsyncClient(limits=_LIMITS)
        self._is_ours = http is None
        self._calls = Calls(_AsyncLine(self._http, timeout_s, sleep), where, who, clock)
        self._decide = decide or remediate.decide
        self._sleep = sleep

    async def status(self, business_id: str) -> Observation:
        """As :meth:`LayerClient.status`."""
        retrying = tenacity.AsyncRetrying(sleep=self._sleep, **_asking(self._decide, business_id))
        answer: Observation = await retrying(self.observe, business_id)
        return answer

    async def observe(self, business_id: str) -> Observation:
        """As :meth:`LayerClient.observe`."""
        return await self._calls.observe(business_id)

    async def sync(self, business_id: str, realm_ids: Iterable[str] = ()) -> Observation:
        """As :meth:`LayerClient.sync`."""
        return await self._calls.sync(business_id, realm_ids)

    async def authorize(self, business_id: str) -> Authorization | ApiFailure:
        """As :meth:`LayerClient.authorize`."""
        return await self._calls.authorize(business_id)

    async def unlink(self, business_id: str, *, ordered_by: str) -> ApiFailure | None:
        """As :meth:`LayerClient.unlink`."""
        return await self._calls.unlink(business_id, ordered_by)

    async def aclose(self) -> None:
        """As :meth:`LayerClient.close`."""
        if self._is_ours:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _asking(decide: Decide, business_id: str) -> dict[str, Any]:
    """For tenacity: ask again while asking fails and the policy retries that; the last answer counts."""
    follow = Strategies(decide, business_id)

    def retry(state: tenacity.RetryCallState) -> bool:
        outcome = state.outcome
        return outcome is not None and not outcome.failed and not outcome.result().describes and follow.retry(state)

    def last(state: tenacity.RetryCallState) -> Any:
        return None if state.outcome is None else state.outcome.result()

    return {"retry": retry, "wait": follow.wait, "stop": follow.stop, "retry_error_callback": last}


def _library_of(http: object, kind: str) -> Any:
    """The library whose client this is, or is derived from."""
    for name in ("httpx", "httpx2"):
        library = sys.modules.get(name)
        if library is not None and isinstance(http, getattr(library, kind)):
            return library
    raise ConfigurationError(f"http: expected a `{kind}` of httpx or httpx2")
