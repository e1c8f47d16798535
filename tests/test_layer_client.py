"""Layer's client over real HTTP against the sandbox, and over transports that are made up."""

from __future__ import annotations

import asyncio
import logging
import traceback
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import httpx
import pytest

from remediate.errors import ConfigurationError, InputError
from remediate.upstreams.layer import ApiFailure, ConnectionStatus
from remediate.upstreams.layer.client import AsyncLayerClient, Authorization, LayerClient
from remediate.upstreams.layer.lines import LARGEST_ANSWER
from remediate.upstreams.layer.sandbox import Hostility, Sandbox, serving
from tests.layer_calls import CREDENTIALS
from tests.thoroughness import WHOLE

STATUS = b'{"data": {"is_connected": true, "is_syncing": false, "last_sync_status": "SYNC_SUCCESS"}}'
TOKEN = b'{"access_token": "the-token", "expires_in": 3600}'
BASE = "https://layer.example"


def never(_: float) -> None:
    return None


async def never_async(_: float) -> None:
    return None


def ask_sync(client: ModuleType, url: str, call: str, ids: list[str], **more: Any) -> list[Any]:
    limits = client.Limits(max_connections=100)
    with (
        client.Client(trust_env=False, limits=limits) as http,
        LayerClient(*CREDENTIALS, url, http=http, sleep=never, **more) as layer,
        ThreadPoolExecutor(len(ids)) as pool,
    ):
        return list(pool.map(getattr(layer, call), ids))


def ask_async(client: ModuleType, url: str, call: str, ids: list[str], **more: Any) -> list[Any]:
    async def asked() -> list[Any]:
        limits = client.Limits(max_connections=100)
        async with client.AsyncClient(trust_env=False, limits=limits) as http:
            layer = AsyncLayerClient(*CREDENTIALS, url, http=http, sleep=never_async, **more)
            return list(await asyncio.gather(*(getattr(layer, call)(one) for one in ids)))

    return asyncio.run(asked())


Asking = Callable[..., list[Any]]
either_way = pytest.mark.parametrize("asking", [ask_sync, ask_async])

LOST = {"transport": "no_answer"}
UNREADABLE = {"http_status": 200, "transport": "unreadable"}
EXPECTED: dict[Hostility, dict[str, Any]] = {
    Hostility.HANG: LOST,
    Hostility.RESET_BEFORE: LOST,
    Hostility.RESET_AFTER: LOST,
    Hostility.TRUNCATED: UNREADABLE,
    Hostility.WRONG_TYPES: UNREADABLE,
    Hostility.NOT_JSON: UNREADABLE,
    Hostility.HTML: UNREADABLE,
    Hostility.EMPTY: UNREADABLE,
    Hostility.ARRAY: UNREADABLE,
    Hostility.RATE_LIMITED: {"http_status": 429, "type": "BadRequest"},
    Hostility.RATE_LIMITED_S: {"http_status": 429, "type": "BadRequest", "retry_after_s": 2.0},
    Hostility.RATE_LIMITED_DATE: {"http_status": 429, "type": "BadRequest", "retry_after_s": 3.0},
    Hostility.REDIRECT: {"http_status": 302},
    Hostility.ENDLESS: UNREADABLE,
    Hostility.SLOW: UNREADABLE,
    Hostility.SERVER_ERROR: {"http_status": 500, "type": "Unknown"},
    Hostility.UNAVAILABLE: {"http_status": 503},
    Hostility.BAD_GZIP: UNREADABLE,
    Hostility.ERRORS_IN_200: {"http_status": 200, "type": "Unknown"},
    Hostility.NULL_DATA: UNREADABLE,
    Hostility.DEEP: UNREADABLE,
    Hostility.FORBIDDEN: {"http_status": 403, "type": "AuthFailure"},
    Hostility.NOT_FOUND_PAGE: {"http_status": 404},
}


def test_every_hostility_has_its_answer() -> None:
    assert set(EXPECTED) | {Hostility.UNAUTHORISED} == set(Hostility)


@pytest.mark.parametrize(("method", "call"), [("observe", "status"), ("sync", "sync"), ("authorize", "authorize")])
def test_every_hostility_is_an_observation(way: tuple[ModuleType, bool], method: str, call: str) -> None:
    client, is_async = way
    asking = ask_async if is_async else ask_sync
    sandbox = Sandbox(patience_s=2, calls_per_s=None)
    for hostility in Hostility:
        sandbox.add(hostility)
        sandbox.disturb(hostility, hostility)
    with serving(sandbox) as url:
        answers = dict(zip(Hostility, asking(client, url, method, list(Hostility), timeout_s=0.8), strict=True))
        report = sandbox.report()
    true = answers.pop(Hostility.UNAUTHORISED)
    assert isinstance(true, Authorization if call == "authorize" else ConnectionStatus)
    assert answers == {one: ApiFailure(call=call, **fields) for one, fields in EXPECTED.items()}
    if call == "sync":
        received = {one: report.businesses[one].triggers_received for one in Hostility}
        assert received == {one: int(one.takes_effect or one is Hostility.UNAUTHORISED) for one in Hostility}


@either_way
def test_a_revoked_token_is_renewed_once(asking: Asking, client: ModuleType) -> None:
    sandbox = Sandbox(calls_per_s=None)
    sandbox.add("b")
    seen: list[Any] = []

    def revoking() -> float:
        return 1_750_000_000.0

    with serving(sandbox) as url, client.Client(trust_env=False) as http:
        layer = LayerClient(*CREDENTIALS, url, http=http, sleep=never, clock=revoking)
        seen.append(layer.observe("b"))
        sandbox.revoke_tokens()
        seen.append(layer.observe("b"))
    assert all(isinstance(one, ConnectionStatus) for one in seen)
    assert (sandbox.report().total.tokens_issued, sandbox.report().total.answered_401) == (2, 1)


@either_way
def test_unauthorised_for_ever_is_an_answer_after_two_calls(asking: Asking, client: ModuleType) -> None:
    sandbox = Sandbox(calls_per_s=None)
    sandbox.add("b")
    sandbox.disturb("b", Hostility.UNAUTHORISED, times=None)
    with serving(sandbox) as url:
        [answer] = asking(client, url, "observe", ["b"])
    assert answer == ApiFailure(call="status", http_status=401, type="AuthFailure")
    assert (sandbox.report().businesses["b"].answered_401, sandbox.report().total.tokens_issued) == (2, 2)


@pytest.mark.parametrize(("asking", "callers"), [(ask_sync, 200), (ask_async, 1000 if WHOLE else 300)])
def test_any_number_of_callers_fetch_one_token(asking: Asking, callers: int, client: ModuleType) -> None:
    sandbox = Sandbox(calls_per_s=None)
    sandbox.add("b")
    with serving(sandbox) as url:
        answers = asking(client, url, "observe", ["b"] * callers, timeout_s=20)
    assert all(isinstance(one, ConnectionStatus) for one in answers)
    assert sandbox.report().total.tokens_issued == 1


@either_way
@pytest.mark.parametrize("odd", ["../x", "a/b", "ü", "a?b#c", "%2e%2e", "...", " ", "x" * 512])
def test_an_odd_id_addresses_that_business(asking: Asking, client: ModuleType, odd: str) -> None:
    sandbox = Sandbox(calls_per_s=None)
    sandbox.add(odd)
    with serving(sandbox) as url:
        [answer] = asking(client, url, "observe", [odd])
    assert isinstance(answer, ConnectionStatus)
    assert sandbox.report().businesses[odd].status_calls == 1


def answering(**headers: str) -> Callable[[Any], Any]:
    return lambda request: (200, STATUS, headers)


def mocked(client: ModuleType, answer: Callable[[Any], Any], **more: Any) -> tuple[LayerClient, list[Any]]:
    """A client whose calls, but for the token's, are answered so; and the requests that were made."""
    requests: list[Any] = []

    def handle(request: Any) -> Any:
        requests.append(request)
        if request.url.path == "/oauth2/token":
            return client.Response(200, content=iter([TOKEN]))
        status, body, headers = answer(request)
        return client.Response(status, content=iter([body]), headers=headers)

    http = client.Client(transport=client.MockTransport(handle), **more)
    return LayerClient(*CREDENTIALS, BASE, http=http, sleep=never), requests


@pytest.mark.parametrize("bad", ["", ".", "..", "x" * 513, "\ud800", None, 7, b"b"])
@pytest.mark.parametrize("method", ["status", "observe", "sync", "authorize"])
def test_an_id_that_can_not_be_one_is_refused(client: ModuleType, method: str, bad: Any) -> None:
    layer, requests = mocked(client, answering())
    with pytest.raises(InputError) as caught:
        getattr(layer, method)(bad)
    assert caught.value.field == "business_id"
    assert requests == []


def test_a_redirect_is_not_followed(client: ModuleType) -> None:
    layer, requests = mocked(
        client, lambda request: (302, b"", {"location": "https://elsewhere.example/"}), follow_redirects=True
    )
    assert layer.observe("b") == ApiFailure(call="status", http_status=302)
    assert {request.url.host for request in requests} == {"layer.example"}


def test_only_our_own_credentials_and_encoding_are_sent(client: ModuleType) -> None:
    layer, requests = mocked(client, answering(), auth=("other", "other"), headers={"accept-encoding": "gzip"})
    assert isinstance(layer.observe("b"), ConnectionStatus)
    pair = b64encode(":".join(CREDENTIALS).encode()).decode()
    assert [one.headers["authorization"] for one in requests] == [f"Basic {pair}", "Bearer the-token"]
    assert {one.headers["accept-encoding"] for one in requests} == {"identity"}


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "x", "identity, gzip"])
def test_an_encoded_body_is_not_read(client: ModuleType, encoding: str) -> None:
    layer, _ = mocked(client, lambda request: (200, STATUS, {"content-encoding": encoding}))
    assert layer.observe("b") == ApiFailure(call="status", **UNREADABLE)


@pytest.mark.parametrize(("longer", "is_read"), [(0, True), (1, False)])
def test_a_body_is_read_up_to_a_mebibyte(client: ModuleType, longer: int, is_read: bool) -> None:
    body = STATUS.ljust(LARGEST_ANSWER + longer)
    layer, _ = mocked(client, lambda request: (200, body, {}))
    assert isinstance(layer.observe("b"), ConnectionStatus) is is_read


@pytest.mark.parametrize("said", [503, 500, 429, 408])
def test_a_trigger_is_sent_once_whatever_happens(client: ModuleType, said: int) -> None:
    layer, requests = mocked(client, lambda request: (said, b"", {}))
    assert layer.sync("b") == ApiFailure(call="sync", http_status=said)
    assert len(requests) == 2


def test_a_status_is_asked_for_until_the_schedule_is_spent(client: ModuleType) -> None:
    layer, requests = mocked(client, lambda request: (503, b"", {}))
    assert layer.status("b") == ApiFailure(call="status", http_status=503)
    assert len(requests) == 1 + 9  # the token; and the first asking, and eight more


def test_a_status_is_asked_for_until_it_is_given(client: ModuleType) -> None:
    said = iter([(503, b"", {}), (200, b"<html>", {}), (200, STATUS, {})])
    layer, requests = mocked(client, lambda request: next(said))
    assert isinstance(layer.status("b"), ConnectionStatus)
    assert len(requests) == 1 + 3


def test_a_bad_status_is_an_answer(client: ModuleType) -> None:
    bad = b'{"is_connected": true, "last_sync_status": "SYNC_FAILURE", "is_retryable_failure": true}'
    layer, requests = mocked(client, lambda request: (200, bad, {}))
    assert isinstance(layer.status("b"), ConnectionStatus)
    assert len(requests) == 2


@pytest.mark.parametrize("kind", ["token", "status"])
def test_no_frame_of_ours_shows_a_secret(client: ModuleType, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    def interrupted(request: Any) -> Any:
        if kind == "token" or request.url.path != "/oauth2/token":
            raise KeyboardInterrupt
        return client.Response(200, content=iter([TOKEN]))

    http = client.Client(transport=client.MockTransport(interrupted))
    layer = LayerClient(*CREDENTIALS, BASE, http=http)
    with pytest.raises(KeyboardInterrupt) as caught:
        layer.observe("b")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [str(frame.locals) for frame in shown.stack if "/remediate/" in frame.filename]
    text = caplog.text + repr(layer) + "".join(ours)
    pair = b64encode(":".join(CREDENTIALS).encode()).decode()
    assert ours
    assert [one for one in (CREDENTIALS[1], pair, "the-token") if one in text] == []


def test_no_log_shows_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sandbox = Sandbox(calls_per_s=None)
    sandbox.add("b")
    with serving(sandbox) as url, httpx.Client(trust_env=False) as http:
        layer = LayerClient(*CREDENTIALS, url, http=http)
        made = layer.authorize("b")
        assert isinstance(made, Authorization)
        assert layer.unlink("b", ordered_by="Ada") is None
    state = made.redirect_url.partition("state=")[2]
    assert "Ada" in caplog.text
    assert [one for one in (CREDENTIALS[1], "Bearer ", "Basic ", state) if one in caplog.text + repr(made)] == []


@pytest.mark.parametrize("http", [object(), "httpx", 7])
def test_what_is_no_client_is_refused(http: Any) -> None:
    with pytest.raises(ConfigurationError, match="httpx"):
        LayerClient(*CREDENTIALS, BASE, http=http)


def test_headers_that_drip_do_not_keep_an_awaited_call(client: ModuleType) -> None:
    async def dripping() -> Any:
        hung_up = asyncio.Event()

        async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\n")
            while not writer.is_closing():
                writer.write(b"X: y\r\n")
                await asyncio.sleep(0.05)
            hung_up.set()

        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            async with client.AsyncClient(trust_env=False) as http:
                layer = AsyncLayerClient(*CREDENTIALS, url, http=http, timeout_s=0.1)
                answer = await asyncio.wait_for(layer.observe("b"), 2)
            await asyncio.wait_for(hung_up.wait(), 2)
        return answer

    assert asyncio.run(dripping()) == ApiFailure(call="token", transport="no_answer")


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY"])
def test_no_proxy_sees_what_is_for_loopback(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    sandbox = Sandbox()
    sandbox.add("b")
    with serving(sandbox) as url, LayerClient(*CREDENTIALS, url) as layer:
        assert isinstance(layer.observe("b"), ConnectionStatus)


def test_a_hook_that_raises_for_the_status_hides_it_not(client: ModuleType) -> None:
    def raises(response: Any) -> None:
        response.raise_for_status()

    sandbox = Sandbox()
    with serving(sandbox) as url, client.Client(trust_env=False, event_hooks={"response": [raises]}) as http:
        layer = LayerClient(*CREDENTIALS, url, http=http)
        assert layer.sync("nobody") == ApiFailure(call="sync", http_status=404)


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf")])
def test_a_time_out_that_is_none_is_refused(timeout_s: float) -> None:
    with pytest.raises(ConfigurationError, match="timeout_s"):
        LayerClient(*CREDENTIALS, BASE, timeout_s=timeout_s)


def test_an_answer_that_its_transport_has_read_is_read(client: ModuleType) -> None:
    def answer(request: Any) -> Any:
        if request.url.path == "/oauth2/token":
            return client.Response(200, json={"access_token": "x"})
        return client.Response(200, content=STATUS)

    with client.Client(transport=client.MockTransport(answer)) as http:
        assert isinstance(LayerClient(*CREDENTIALS, BASE, http=http).observe("b"), ConnectionStatus)


def test_a_client_of_the_other_kind_is_refused(client: ModuleType) -> None:
    with client.Client() as http, pytest.raises(ConfigurationError, match="`AsyncClient` of httpx or httpx2"):
        AsyncLayerClient(*CREDENTIALS, BASE, http=http)
