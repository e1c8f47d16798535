"""Layer's HTTP interface over a sandbox: an ASGI application, and its control page.

Knows HTTP and the sandbox; what a business goes through is the world's, and how an answer goes
wrong is the hostilities'.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Final
from urllib.parse import parse_qs, quote, unquote_to_bytes

import attrs
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from remediate.upstreams.layer.sandbox.answers import (
    Answer,
    failure,
    html,
    json_answer,
    refused,
    status_fields,
    success,
)
from remediate.upstreams.layer.sandbox.control import control
from remediate.upstreams.layer.sandbox.delivery import Connection
from remediate.upstreams.layer.sandbox.door import Room
from remediate.upstreams.layer.sandbox.hostile import DELIVERED, Hostility, spoilt
from remediate.upstreams.layer.sandbox.sandbox import Sandbox
from remediate.upstreams.layer.sandbox.world import Refusal
from remediate.upstreams.layer.vocabulary import Call, ErrorEnum, ErrorType

__all__ = ["VISIT", "App"]

VISIT: Final = "/_sandbox/authorise"
"""The page at which a customer authorises again."""

_CALLS: Final[Mapping[tuple[str, str], Call | None]] = {
    ("GET", "connection-status"): Call.STATUS,
    ("POST", "sync-from"): Call.SYNC,
    ("POST", "authorize"): Call.AUTHORIZE,
    ("POST", "unlink"): None,
}
_EMPTY: Final = "com.layerfi.controllers.EmptyResponse"
_STATUS: Final = "QuickBooks_Connection_Status"
_AUTHORIZE: Final = "QuickBooks_Authorize_Url"
_LOST: Final = Answer(0, b"", {})
_COUNTED: Final = {401: "answered_401", 429: "answered_429"}


@attrs.frozen
class _Asked:
    """One of Layer's calls: its segments decoded one by one, so that an id may hold a slash."""

    call: Call | None
    business_id: str | None
    operation: str


class App:
    """Layer's endpoints, the customer's page, and `/_sandbox/`.

    Args:
        sandbox: what it is the outside of.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._operations: Mapping[str, Callable[[str, Request, bytes], Answer]] = {
            "connection-status": self._status,
            "sync-from": self._sync,
            "authorize": self._authorize,
            "unlink": self._unlink,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            ConnectionResetError: a hostility resets the connection, and the server gives no transport.
        """
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        connection = Connection(scope, receive, send, self._sandbox.patience_s)
        segments = _segments(scope)
        if segments is None:
            await self._send(connection, html(404, "Not found"))
        elif segments[0] == "_sandbox":
            await self._send(connection, self._inside(request, segments[1:], body))
        else:
            await self._outside(connection, request, segments, body)

    def _inside(self, request: Request, segments: list[str], body: bytes) -> Answer:
        if (request.method, segments) == ("GET", ["authorise"]):
            known = self._sandbox.visit(request.query_params.get("state", ""))
            return html(200, "QuickBooks is connected again") if known else html(400, "This link is not valid")
        return control(self._sandbox, request.method, segments, body)

    async def _outside(self, connection: Connection, request: Request, segments: list[str], body: bytes) -> None:
        asked = _asked(request.method, segments)
        if asked is None:
            await self._send(connection, html(404, "Not found"))
            return
        room = self._room() if asked.business_id is not None else None
        turned_away = self._turned_away(asked, request, room)
        hostility = None if turned_away else self._sandbox.hostility(asked.business_id, asked.call)
        if turned_away is not None:
            answer = turned_away
        elif hostility is None or hostility.takes_effect:
            answer = self._answer(asked, request, body)
        else:
            answer = _LOST
        await self._deliver(connection, asked, answer, hostility, room)

    async def _deliver(
        self, connection: Connection, asked: _Asked, answer: Answer, hostility: Hostility | None, room: Room | None
    ) -> None:
        if hostility is not None and hostility not in DELIVERED:
            answer = spoilt(hostility, answer, self._sandbox.clock())
        if answer.status in _COUNTED:
            with self._sandbox.world() as (world, _):
                world.count(_COUNTED[answer.status], asked.business_id)
        if room is not None:
            answer = attrs.evolve(answer, headers={**answer.headers, **_rate_headers(room)})
        if hostility in DELIVERED:
            await connection.disturb(hostility, self._dated(answer))
        else:
            await self._send(connection, answer)

    async def _send(self, connection: Connection, answer: Answer) -> None:
        await connection.answer(self._dated(answer))

    def _dated(self, answer: Answer) -> Answer:
        """The Date is the sandbox's, so that a Retry-After date can be read beside it."""
        return attrs.evolve(answer, headers={"date": formatdate(self._sandbox.clock(), usegmt=True), **answer.headers})

    def _room(self) -> Room | None:
        with self._sandbox.world() as (_, now_s):
            return None if self._sandbox.bucket is None else self._sandbox.bucket.take(now_s)

    def _turned_away(self, asked: _Asked, request: Request, room: Room | None) -> Answer | None:
        """The answer to a call above the rate, or to one of Layer's calls without a valid token."""
        if asked.business_id is None:
            return None
        if room is not None and not room.is_free:
            limited = self._failure(429, ErrorType.BAD_REQUEST, "Too many requests.")
            return attrs.evolve(limited, headers={**limited.headers, "retry-after": "1"})
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        with self._sandbox.world() as (_, now_s):
            if scheme.lower() == "bearer" and self._sandbox.tokens.is_valid(token.strip(), now_s):
                return None
        denied = self._failure(401, ErrorType.AUTH_FAILURE, "The access token is missing, unknown or expired.")
        return attrs.evolve(denied, headers={**denied.headers, "www-authenticate": "Bearer"})

    def _answer(self, asked: _Asked, request: Request, body: bytes) -> Answer:
        if asked.business_id is None:
            return self._token(request, body)
        return self._operations[asked.operation](asked.business_id, request, body)

    def _status(self, business_id: str, request: Request, body: bytes) -> Answer:
        with self._sandbox.world() as (world, now_s):
            status = world.status(business_id, now_s)
        if isinstance(status, Refusal):
            return self._refused(status)
        return success(_STATUS, status_fields(status), enveloped=self._sandbox.enveloped)

    def _sync(self, business_id: str, request: Request, body: bytes) -> Answer:
        if not _is_sync_body(body):
            words = "quickbooks_realm_ids has to be an array of strings."
            return self._failure(400, ErrorType.INVALID_PARAMETERS, words, ErrorEnum.INVALID_PAYLOAD)
        with self._sandbox.world() as (world, now_s):
            return self._empty(world.trigger(business_id, now_s))

    def _authorize(self, business_id: str, request: Request, body: bytes) -> Answer:
        with self._sandbox.world() as (world, now_s):
            refusal = world.authorise(business_id, now_s)
        if refusal is not None:
            return self._refused(refusal)
        base = str(request.base_url).rstrip("/")
        url = f"{base}{VISIT}?state={quote(self._sandbox.invite(business_id))}"
        return success(_AUTHORIZE, {"redirect_url": url}, enveloped=self._sandbox.enveloped)

    def _unlink(self, business_id: str, request: Request, body: bytes) -> Answer:
        with self._sandbox.world() as (world, now_s):
            return self._empty(world.unlink(business_id, now_s))

    def _token(self, request: Request, body: bytes) -> Answer:
        """The token call. Its answers are not enveloped, and its errors are those of OAuth."""
        sandbox = self._sandbox
        given = _credentials(request.headers.get("authorization", ""))
        wanted = f"{sandbox.client_id}:{sandbox.client_secret}".encode()
        if given is None or not hmac.compare_digest(given, wanted):
            return json_answer(401, {"error": "invalid_client"}, {"www-authenticate": "Basic"})
        fault = _form_fault(body, sandbox.client_id)
        if fault is not None:
            return json_answer(400, {"error": fault})
        with sandbox.world() as (world, now_s):
            token = sandbox.tokens.issue(now_s)
            world.count("tokens_issued")
        return json_answer(
            200, {"access_token": token, "expires_in": int(sandbox.tokens.life_s), "token_type": "Bearer"}
        )

    def _empty(self, refusal: Refusal | None) -> Answer:
        return success(_EMPTY, {}, enveloped=self._sandbox.enveloped) if refusal is None else self._refused(refusal)

    def _refused(self, refusal: Refusal) -> Answer:
        return refused(refusal, enveloped=self._sandbox.enveloped)

    def _failure(self, status: int, kind: ErrorType, words: str, error: ErrorEnum | None = None) -> Answer:
        return failure(status, kind, words, error, enveloped=self._sandbox.enveloped)


def _segments(scope: Scope) -> list[str] | None:
    """The path's segments, each decoded by itself; None: they are not UTF-8."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    try:
        return [unquote_to_bytes(segment).decode() for segment in raw.partition(b"?")[0].split(b"/")[1:]]
    except UnicodeDecodeError:
        return None


def _asked(method: str, segments: list[str]) -> _Asked | None:
    match segments:
        case ["oauth2", "token"] if method == "POST":
            return _Asked(Call.TOKEN, None, "token")
        case ["v1", "businesses", business_id, "quickbooks", operation] if (method, operation) in _CALLS:
            return _Asked(_CALLS[method, operation], business_id, operation)
    return None


def _rate_headers(room: Room) -> dict[str, str]:
    return {
        "x-ratelimit-limit": str(room.limit),
        "x-ratelimit-remaining": str(room.remaining),
        "x-ratelimit-reset": str(room.reset_s),
    }


def _is_sync_body(body: bytes) -> bool:
    """Nothing, or an object whose realms are strings."""
    if not body.strip():
        return True
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return False
    realms = value.get("quickbooks_realm_ids", []) if isinstance(value, dict) else None
    return isinstance(realms, list) and all(isinstance(realm, str) for realm in realms)


def _credentials(header: str) -> bytes | None:
    scheme, _, encoded = header.partition(" ")
    try:
        return base64.b64decode(encoded.strip(), validate=True) if scheme.lower() == "basic" else None
    except (binascii.Error, ValueError):
        return None


def _form_fault(body: bytes, client_id: str) -> str | None:
    """OAuth's word for what is wrong with the form; None: nothing."""
    try:
        form = {name: values[-1] for name, values in parse_qs(body.decode(), strict_parsing=True).items()}
    except ValueError:
        return "invalid_request"
    if form.get("grant_type") != "client_credentials":
        return "unsupported_grant_type"
    if not form.get("scope", "").endswith(("/sandbox", "/production")):
        return "invalid_scope"
    return None if form.get("client_id") == client_id else "invalid_client"
