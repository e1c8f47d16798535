"""How messages of the outbox reach people: a signed webhook, a function of yours, a line in the log.

Knows no ledger. The only room of senders that imports an HTTP client; no secret is in an error or a log.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import inspect
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import httpx

from remediate.addresses import is_safe
from remediate.errors import ConfigurationError, DeliveryError, printable
from remediate.ledger import Message
from remediate.secret import Secret

__all__ = ["Send", "Webhook", "call", "fault", "log"]

Send = Callable[[Message], Awaitable[None]]
"""Delivers a message; raises where it did not."""

_log: Final = logging.getLogger("remediate.sending")
_PREFIX: Final = "whsec_"
_SHORTEST_KEY: Final = 24
"""Bytes of a signing key, of the Standard Webhooks specification, which allows 24 to 64."""
_LONGEST_KEY: Final = 64


async def log(message: Message) -> None:
    """Write a message to the log `remediate.sending` as one line, at level WARNING, for somebody has to act."""
    _log.warning(
        "%s %s", message.kind, message.content, extra={"remediate_id": message.id, "remediate_key": message.key}
    )


def call(function: Callable[[dict[str, Any]], object]) -> Send:
    """A sender that calls a function with the message as an object.

    Args:
        function: blocking, in which case a thread calls it, or a coroutine function. Where it raises
            an exception, the message is tried again.
    """

    async def send(message: Message) -> None:
        content = json.loads(message.content)
        if inspect.iscoroutinefunction(function):
            await function(content)
            return
        made = await asyncio.to_thread(function, content)
        if inspect.isawaitable(made):
            await made

    return send


class Webhook:
    """A sender that posts messages, signed as the Standard Webhooks specification has it.

    A receiver verifies `webhook-id`, `webhook-timestamp` and `webhook-signature`, and tells a
    repetition by `webhook-id`. Any answer from 200 to 299 says that it was received; redirects are
    not followed, and no answer's body is read.

    Args:
        url: https, or http on loopback, without credentials or query.
        secret: `whsec_` and 24 to 64 bytes in base64; it signs, and is shown nowhere.
        http: an `AsyncClient` of httpx or httpx2; None: one of its own.
        timeout_s: how long each phase of a call may take, seconds; default 10.

    Raises:
        ConfigurationError: the URL or the secret can't be used.
    """

    def __init__(self, url: str, secret: str, *, http: Any = None, timeout_s: float = 10.0) -> None:
        if not is_safe(url):
            raise ConfigurationError("webhook: expected an https URL (http on loopback alone) without credentials")
        self._url = url
        self._secret = Secret(_checked(secret))
        self._is_ours = http is None
        self._http = http or httpx.AsyncClient(trust_env=url.startswith("https:"))
        self._timeout_s = timeout_s

    async def __call__(self, message: Message) -> None:
        """Post a message.

        Raises:
            DeliveryError: it was not received.
        """
        body = message.content.encode()
        identity = "msg_" + hashlib.sha256(message.id.encode()).hexdigest()[:32]
        moment = str(int(time.time()))
        headers = {
            "content-type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": moment,
            "webhook-signature": _signature(self._secret, f"{identity}.{moment}.".encode() + body),
        }
        try:
            request = self._http.build_request(
                "POST", self._url, content=body, headers=headers, timeout=self._timeout_s
            )
            answer = await self._http.send(request, stream=True, auth=None, follow_redirects=False)
            await answer.aclose()
        except Exception as error:  # whatever an HTTP client raises, the message was not delivered
            raise DeliveryError(f"no answer: {type(error).__name__}") from None
        if not 200 <= answer.status_code <= 299:
            raise DeliveryError(f"answered {answer.status_code}")

    async def aclose(self) -> None:
        """Close the connections, unless they are another's."""
        if self._is_ours:
            await self._http.aclose()


def _checked(secret: str) -> str:
    """The base64 of a signing key."""
    encoded = secret.removeprefix(_PREFIX)
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY or not secret.startswith(_PREFIX):
        raise ConfigurationError(
            f"webhook secret: expected `{_PREFIX}` and {_SHORTEST_KEY} to {_LONGEST_KEY} bytes in base64"
        )
    return encoded


def _signature(secret: Secret, content: bytes) -> str:
    key = base64.b64decode(secret.reveal())
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def fault(error: BaseException) -> str:
    """What may be told of a failed delivery: a foreign exception's text may hold anything."""
    return str(error) if isinstance(error, DeliveryError) else printable(type(error).__name__)
