"""Senders: a webhook whose signature another implementation verifies, a function, a line of the log."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

import pytest
import standardwebhooks

from remediate import sending
from remediate.errors import ConfigurationError, DeliveryError
from remediate.ledger import Message
from remediate.sending import Webhook

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
CONTENT = json.dumps({"id": "ü/1/notice", "type": "notice", "data": {"key": "\\u00fc"}})
MESSAGE = Message(id="ü/1/notice/customer/0", kind="notice", key="ü", content=CONTENT, tries=0)


@contextmanager
def receiving(status: int, **headers: str) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """A receiver on loopback, and what it received."""
    received: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:  # whoever sent it is gone
                return
            received.append((dict(self.headers.items()), body))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook", received
        finally:
            server.shutdown()
            thread.join()


def posts(url: str, client: ModuleType, *messages: Message) -> None:
    async def post() -> None:
        async with client.AsyncClient(trust_env=False) as http:
            webhook = Webhook(url, SECRET, http=http, timeout_s=2)
            for message in messages:
                await webhook(message)
            await webhook.aclose()

    asyncio.run(post())


def test_another_implementation_verifies_the_signature(client: ModuleType) -> None:
    with receiving(204) as (url, received):
        posts(url, client, MESSAGE, MESSAGE)
    [(headers, body), (again, _)] = received
    assert standardwebhooks.Webhook(SECRET).verify(body, headers) == json.loads(CONTENT)
    assert headers["webhook-id"] == again["webhook-id"]
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify(body + b" ", headers)
    named = {name.lower() for name in headers}
    assert not named & {"authorization", "cookie"}


@pytest.mark.parametrize("status", [300, 302, 404, 410, 500])
def test_any_other_answer_is_no_delivery(client: ModuleType, status: int) -> None:
    with receiving(status, location="http://127.0.0.1:9/elsewhere") as (url, received):
        with pytest.raises(DeliveryError, match=f"answered {status}"):
            posts(url, client, MESSAGE)
        assert len(received) == 1


def test_no_answer_is_no_delivery(client: ModuleType) -> None:
    with pytest.raises(DeliveryError, match="no answer: ConnectError"):
        posts("http://127.0.0.1:9/hook", client, MESSAGE)


def test_a_webhook_has_a_client_of_its_own() -> None:
    async def post(url: str) -> None:
        webhook = Webhook(url, SECRET)
        await webhook(MESSAGE)
        await webhook.aclose()

    with receiving(200) as (url, received):
        asyncio.run(post(url))
    assert len(received) == 1


@pytest.mark.parametrize("url", ["http://example.com/hook", "https://me:pass@example.com/hook", "ftp://x", "", "/hook"])
def test_an_address_that_is_not_safe_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="webhook") as caught:
        Webhook(url, SECRET)
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_c2hvcnQ=", SECRET.removeprefix("whsec_"), "whsec_ü", "whsec_*"]
)
def test_a_secret_that_can_not_sign_is_refused_unseen(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="webhook secret") as caught:
        Webhook("https://example.com", secret)
    assert "c2hv" not in str(caught.value)


def test_no_repr_shows_the_secret() -> None:
    webhook = Webhook("https://example.com", SECRET)
    shown = repr(webhook) + repr(vars(webhook))
    asyncio.run(webhook.aclose())
    assert SECRET.removeprefix("whsec_") not in shown


def test_a_function_is_called_with_the_message() -> None:
    called: list[tuple[Any, bool]] = []

    def blocking(content: dict[str, Any]) -> None:
        called.append((content, threading.current_thread() is threading.main_thread()))

    async def awaited(content: dict[str, Any]) -> None:
        called.append((content, threading.current_thread() is threading.main_thread()))

    for function in (blocking, awaited):
        asyncio.run(sending.call(function)(MESSAGE))  # type: ignore[arg-type]  # a coroutine runs
    assert called == [(json.loads(CONTENT), False), (json.loads(CONTENT), True)]


def test_the_log_has_a_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    asyncio.run(sending.log(MESSAGE))
    [record] = caplog.records
    assert record.getMessage() == f"notice {CONTENT}"
    assert record.remediate_id == MESSAGE.id


def test_only_our_own_words_are_told_of_a_fault() -> None:
    assert sending.fault(DeliveryError("answered 500")) == "answered 500"
    assert sending.fault(ValueError("s3cret")) == "ValueError"


def test_what_a_function_leaves_to_be_awaited_is_awaited() -> None:
    called: list[str] = []

    async def post(content: dict[str, Any]) -> None:
        called.append(content["id"])

    asyncio.run(sending.call(lambda content: post(content))(MESSAGE))  # type: ignore[arg-type]  # a coroutine runs
    assert called == [json.loads(CONTENT)["id"]]
