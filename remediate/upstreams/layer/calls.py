"""Layer's calls as requests and replies: what is sent, what an answer means, and when a call is made again.

Knows no HTTP client: a request is exchanged by what is handed in, see :class:`Line`. Every way in
which a call can fail is an observation.
"""

from __future__ import annotations

import json
import logging
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import inf
from typing import Final, Protocol
from urllib.parse import quote, urlencode

import attrs

from remediate.addresses import is_safe, is_spelt
from remediate.errors import InputError, printable
from remediate.observation import Observation
from remediate.upstreams.layer.environment import Credentials, Environment
from remediate.upstreams.layer.tokens import Token, Tokens, Turns, read_token
from remediate.upstreams.layer.vocabulary import ApiFailure, Call, ConnectionStatus, Transport
from remediate.upstreams.layer.wire import read_answer
from remediate.upstreams.payloads import json_object

__all__ = ["Authorization", "Calls", "Line", "Reply", "Request"]

_log: Final = logging.getLogger("remediate.layer")

_LONGEST_ID: Final = 512
_LONGEST_PAUSE_S: Final = 60.0
"""A client holds its calls back for no longer; the policy decides about the rest of a longer wait."""
_UNAUTHORIZED: Final = 401
_TOO_MANY: Final = 429
_NO_CONTENT: Final = 204
_REFUSED_FROM: Final = 300


@attrs.frozen
class Request:
    """What is sent. The headers and the body may carry credentials."""

    method: str
    url: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    content: bytes | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Reply:
    """What came back.

    Attributes:
        headers: by their names in lower case.
        content: the body; None: it was cut off, too long, too slow or encoded.
    """

    http_status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    content: bytes | None = attrs.field(repr=False)


class Line(Protocol):
    """How requests are exchanged and time passes."""

    turns: Turns

    async def exchange(self, request: Request) -> Reply | Transport:
        """Send a request, once; what came back, or how it failed."""

    async def pause(self, seconds: float) -> None:
        """Let so many seconds pass."""


@attrs.frozen
class Authorization:
    """Where the customer authorises.

    Attributes:
        redirect_url: a URL that they open in a browser. It lets whoever has it connect an account:
            give it to the customer, and write it nowhere; no repr shows it.
    """

    redirect_url: str = attrs.field(repr=False)


class Calls:
    """Layer's calls over a line, each made once, but for a token that has to be renewed.

    Args:
        line: how requests are exchanged.
        environment: which Layer.
        credentials: who calls.
        clock: seconds since the epoch.
    """

    def __init__(
        self, line: Line, environment: Environment, credentials: Credentials, clock: Callable[[], float]
    ) -> None:
        self._line = line
        self._environment = environment
        self._credentials = credentials
        self._clock = clock
        self._tokens = Tokens(self._fetch_token, line.turns, clock)
        self._free_s = -inf

    async def observe(self, business_id: str) -> Observation:
        """Ask for the status."""
        reply = await self._call(Call.STATUS, "GET", self._url(business_id, "connection-status"))
        return reply if isinstance(reply, ApiFailure) else _observed(Call.STATUS, reply, self._clock())

    async def sync(self, business_id: str, realm_ids: Iterable[str]) -> Observation:
        """Trigger a sync; a status that is syncing: it was accepted."""
        realms = list(realm_ids)
        if isinstance(realm_ids, str) or not all(isinstance(one, str) for one in realms):
            raise InputError("expected strings", field="realm_ids")
        body = {"quickbooks_realm_ids": realms} if realms else None
        reply = await self._call(Call.SYNC, "POST", self._url(business_id, "sync-from"), body)
        if isinstance(reply, ApiFailure):
            return reply
        if reply.http_status == _NO_CONTENT:
            return ConnectionStatus(is_syncing=True)
        answer = _observed(Call.SYNC, reply, self._clock())
        if not isinstance(answer, ConnectionStatus):
            return answer
        return ConnectionStatus(is_syncing=True) if answer.is_syncing else _unreadable(Call.SYNC, reply)

    async def authorize(self, business_id: str) -> Authorization | ApiFailure:
        """Ask for a URL at which the customer authorises."""
        reply = await self._call(Call.AUTHORIZE, "POST", self._url(business_id, "authorize"))
        if isinstance(reply, ApiFailure):
            return reply
        answer = _opened(reply)
        inner = answer.get("data", answer)
        url = inner.get("redirect_url") if isinstance(inner, Mapping) else None
        if reply.http_status < _REFUSED_FROM and isinstance(url, str) and _is_openable(url):
            return Authorization(url)
        return _failed(Call.AUTHORIZE, reply, self._clock())

    async def unlink(self, business_id: str, ordered_by: str) -> ApiFailure | None:
        """Disconnect QuickBooks on somebody's order; None: done."""
        if not isinstance(ordered_by, str) or not ordered_by.strip():
            raise InputError("expected who ordered it", field="ordered_by")
        _log.warning("unlinking `%s`, ordered by `%s`", printable(business_id), printable(ordered_by))
        reply = await self._call(None, "POST", self._url(business_id, "unlink"))
        if isinstance(reply, ApiFailure):
            return reply
        if reply.http_status == _NO_CONTENT or _observed(Call.STATUS, reply, self._clock()).describes:
            return None
        return _failed(None, reply, self._clock())

    def _url(self, business_id: str, operation: str) -> str:
        return f"{self._environment.base_url}/v1/businesses/{_segment(business_id)}/quickbooks/{operation}"

    async def _call(self, call: Call | None, method: str, url: str, body: object = None) -> Reply | ApiFailure:
        """Call with a token; one that is refused is renewed once. The refused call had no effect."""
        content = None if body is None else json.dumps(body).encode()
        is_renewed = False
        while True:
            token = await self._tokens.current()
            if isinstance(token, ApiFailure):
                return token
            reply = await self._exchange(call, Request(method, url, _headers(token, content), content))
            if isinstance(reply, ApiFailure) or reply.http_status != _UNAUTHORIZED:
                return reply
            self._tokens.reject(token)
            if is_renewed:
                return reply
            is_renewed = True

    async def _exchange(self, call: Call | None, request: Request) -> Reply | ApiFailure:
        pause_s = self._free_s - self._clock()
        if pause_s > 0:
            await self._line.pause(min(pause_s, _LONGEST_PAUSE_S))
            self._free_s = -inf
        reply = await self._line.exchange(request)
        if isinstance(reply, Transport):
            return ApiFailure(call=call, transport=reply)
        if not 200 <= reply.http_status <= 599:
            return ApiFailure(call=call, transport=Transport.UNREADABLE)
        wait_s = _asked_wait_s(reply, self._clock())
        if wait_s is not None:
            self._free_s = self._clock() + min(wait_s, _LONGEST_PAUSE_S)
        return reply

    async def _fetch_token(self) -> Token | ApiFailure:
        reply = await self._exchange(Call.TOKEN, _token_request(self._environment, self._credentials))
        if isinstance(reply, ApiFailure):
            return reply
        if reply.http_status >= _REFUSED_FROM:
            return _failed(Call.TOKEN, reply, self._clock())
        return read_token(_opened(reply), reply.http_status, self._clock())


def _token_request(environment: Environment, credentials: Credentials) -> Request:
    """The token call, whose parts no frame keeps while it is made."""
    client_id = credentials.client_id.reveal()
    pair = b64encode(f"{client_id}:{credentials.client_secret.reveal()}".encode()).decode()
    form = {"grant_type": "client_credentials", "scope": environment.scope, "client_id": client_id}
    headers = {
        "accept": "application/json",
        "authorization": f"Basic {pair}",
        "content-type": "application/x-www-form-urlencoded",
    }
    return Request("POST", environment.token_url, headers, urlencode(form).encode())


def _segment(business_id: str) -> str:
    """An id as one segment of a path, whatever it holds."""
    if not isinstance(business_id, str):
        raise InputError("expected a string", field="business_id")
    if business_id in ("", ".", "..") or len(business_id) > _LONGEST_ID:
        raise InputError(f"expected an id of 1 to {_LONGEST_ID} characters, not dots alone", field="business_id")
    try:
        return quote(business_id, safe="")
    except UnicodeEncodeError:
        raise InputError("expected text without lone surrogates", field="business_id") from None


def _headers(token: Token, content: bytes | None) -> dict[str, str]:
    headers = {"accept": "application/json", "authorization": f"Bearer {token.secret.reveal()}"}
    return headers if content is None else {**headers, "content-type": "application/json"}


def _observed(call: Call, reply: Reply, now_s: float) -> Observation:
    """What a reply says; a body that is none of Layer's, below 300: that it can't be read."""
    wait_s = _retry_after_s(reply, now_s)
    if reply.content is None and reply.http_status < _REFUSED_FROM:
        return _unreadable(call, reply, wait_s)
    try:
        return read_answer(call, reply.http_status, reply.content or b"", wait_s)
    except InputError:
        return _unreadable(call, reply, wait_s)


def _failed(call: Call | None, reply: Reply, now_s: float) -> ApiFailure:
    """A reply to a call that has no status for an answer: a failure in any case."""
    observed = _observed(call or Call.STATUS, reply, now_s)
    if isinstance(observed, ApiFailure):
        return attrs.evolve(observed, call=call)
    return _unreadable(call, reply)


def _unreadable(call: Call | None, reply: Reply, wait_s: float | None = None) -> ApiFailure:
    return ApiFailure(call=call, http_status=reply.http_status, transport=Transport.UNREADABLE, retry_after_s=wait_s)


def _opened(reply: Reply) -> Mapping[str, object]:
    """The object in a reply; an empty one where it is none."""
    try:
        return json_object(reply.content or b"")
    except InputError:
        return {}


def _is_openable(url: str) -> bool:
    """Whether a browser may be sent there: https, or http on loopback."""
    bare = url.partition("?")[0].partition("#")[0]
    return is_safe(bare) and is_spelt(url)


_SECONDS: Final = re.compile(r"\d{1,12}(\.\d{1,9})?", re.ASCII)


def _retry_after_s(reply: Reply, now_s: float) -> float | None:
    """What Retry-After asks for, as seconds or as a date; for a 429 without one, what the rate limit says."""
    text = reply.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    at_s = _date_s(text)
    if at_s is not None:
        return max(0.0, at_s - _sent_s(reply, now_s))
    return _reset_in_s(reply, now_s) if reply.http_status == _TOO_MANY else None


def _asked_wait_s(reply: Reply, now_s: float) -> float | None:
    """How long no further call is welcome; None: it is."""
    if reply.http_status == _TOO_MANY:
        return _retry_after_s(reply, now_s)
    return _reset_in_s(reply, now_s) if reply.headers.get("x-ratelimit-remaining", "").strip() == "0" else None


def _reset_in_s(reply: Reply, now_s: float) -> float | None:
    text = reply.headers.get("x-ratelimit-reset", "").strip()
    return max(0.0, float(text) - _sent_s(reply, now_s)) if _SECONDS.fullmatch(text) else None


def _sent_s(reply: Reply, now_s: float) -> float:
    """When the reply was sent, by its sender's clock, to which its other times belong; else by ours."""
    at_s = _date_s(reply.headers.get("date", ""))
    return now_s if at_s is None else at_s


def _date_s(text: str) -> float | None:
    """An HTTP date in seconds since the epoch; None: it is none."""
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    try:
        return (at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    except OverflowError:
        return None
