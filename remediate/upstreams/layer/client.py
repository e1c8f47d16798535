"""Layer over HTTP: its calls with httpx or httpx2, sync and async.

The only module of this upstream that imports an HTTP client. What the calls mean is said in
:mod:`remediate.upstreams.layer.calls`. It drives the policy's transport schedule, and so stands
above the engine, though it lives in its upstream's folder.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Self

import httpx
import tenacity

import remediate
from remediate import waiting
from remediate.decision import Decision
from remediate.history import History
from remediate.observation import Observation
from remediate.retrying import Strategies
from remediate.running import run
from remediate.upstreams.layer.calls import Authorization, Calls
from remediate.upstreams.layer.environment import Environment, find_credentials, find_environment
from remediate.upstreams.layer.lines import AsyncHttp, AsyncLine, BlockingLine, SyncHttp
from remediate.upstreams.layer.vocabulary import ApiFailure

__all__ = ["TIMEOUT_S", "AsyncLayerClient", "Authorization", "LayerClient"]

TIMEOUT_S: Final = 30.0
"""How long an answer may take: Layer answers a status or a trigger within seconds."""
_CONNECTIONS: Final = 100
_LIMITS: Final = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)

Decide = Callable[[Any, History, str | None], Decision]


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
            waiting for a free connection may take, seconds each; default 30. An awaited call ends
            after four times this in any case; a blocking one can be kept by headers that drip.
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
        self._http: SyncHttp = http or httpx.Client(limits=_LIMITS, trust_env=where.is_encrypted)
        self._is_ours = http is None
        self._calls = Calls(BlockingLine(self._http, timeout_s, sleep), where, who, clock)
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
        self._http: AsyncHttp = http or httpx.AsyncClient(limits=_LIMITS, trust_env=where.is_encrypted)
        self._is_ours = http is None
        self._calls = Calls(AsyncLine(self._http, timeout_s, sleep), where, who, clock)
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
