"""Layer's calls without an HTTP client: tokens, waits, environments, and what answers mean."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from remediate import ConfigurationError, InputError
from remediate.running import run
from remediate.secret import Secret
from remediate.upstreams.layer import ApiFailure, ConnectionStatus, Transport
from remediate.upstreams.layer.calls import Authorization, Calls, Reply, Request
from remediate.upstreams.layer.client import LayerClient
from remediate.upstreams.layer.environment import find_credentials, find_environment, is_safe
from remediate.upstreams.layer.tokens import LIFE_S, Token, Tokens

BASE = "https://layer.example"
STATUS = b'{"data": {"is_connected": true, "last_sync_status": "SYNC_SUCCESS"}}'
DATE = {"date": "Tue, 15 Jan 2030 08:00:00 GMT"}
DATE_S = 1894694400.0


class Line:
    """Answers token calls with new tokens and others with a status, unless told otherwise."""

    def __init__(self) -> None:
        self.turns = asyncio.Lock()
        self.now_s = DATE_S
        self.pauses: list[float] = []
        self.requests: list[Request] = []
        self.token: Callable[[], Reply | Transport] = self.new_token
        self.replies: list[Reply | Transport] = []
        self.life: Any = 3600
        self.refused: set[str] = set()

    def new_token(self) -> Reply:
        return Reply(200, {}, json.dumps({"access_token": f"t{len(self.tokens)}", "expires_in": self.life}).encode())

    @property
    def tokens(self) -> list[Request]:
        return [one for one in self.requests if one.url.endswith("/oauth2/token")]

    @property
    def used(self) -> list[str]:
        others = [one for one in self.requests if "oauth2" not in one.url]
        return [one.headers["authorization"].removeprefix("Bearer ") for one in others]

    async def exchange(self, request: Request) -> Reply | Transport:
        self.requests.append(request)
        if request.url.endswith("/oauth2/token"):
            await asyncio.sleep(0)
            return self.token()
        if request.headers["authorization"].removeprefix("Bearer ") in self.refused:
            await asyncio.sleep(0)
            return Reply(401, {}, b"")
        return self.replies.pop(0) if self.replies else Reply(200, {}, STATUS)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def calls(line: Line) -> Calls:
    return Calls(line, find_environment(BASE), find_credentials("me", "s3cret"), lambda: line.now_s)


def observe(calls: Calls, times: int = 1) -> list[Any]:
    async def observed() -> list[Any]:
        return list(await asyncio.gather(*(calls.observe("acme") for _ in range(times))))

    return asyncio.run(observed())


# Tokens.


def test_a_token_is_asked_for_as_documented(line: Line, calls: Calls) -> None:
    observe(calls)
    (asked,) = line.tokens
    assert (asked.method, asked.url) == ("POST", f"{BASE}/oauth2/token")
    assert asked.headers["authorization"] == "Basic bWU6czNjcmV0"
    assert asked.content == b"grant_type=client_credentials&scope=https%3A%2F%2Flayer.example%2Fsandbox&client_id=me"
    assert "s3cret" not in repr(asked)


def test_a_token_is_renewed_at_half_its_life(line: Line, calls: Calls) -> None:
    for passed_s, token in ((0, "t1"), (1799, "t1"), (1800, "t2"), (3599, "t2"), (3600, "t3")):
        line.now_s = DATE_S + passed_s
        observe(calls)
        assert line.used[-1] == token


def test_where_no_life_is_said_it_is_an_hour(line: Line, calls: Calls) -> None:
    line.token = lambda: Reply(200, {}, b'{"access_token": "x"}')
    observe(calls)
    line.now_s += LIFE_S / 2 - 1
    observe(calls)
    assert len(line.tokens) == 1


def test_while_the_renewal_fails_the_old_token_is_used_until_it_ends(line: Line, calls: Calls) -> None:
    observe(calls)
    line.token = lambda: Reply(503, {}, b"")
    line.now_s = DATE_S + 1800
    assert isinstance(observe(calls)[0], ConnectionStatus)
    assert len(line.tokens) == 2
    line.now_s = DATE_S + 2699
    observe(calls)
    assert len(line.tokens) == 2
    line.now_s = DATE_S + 2700
    observe(calls)
    assert len(line.tokens) == 3
    assert set(line.used) == {"t1"}
    line.now_s = DATE_S + 3600
    assert observe(calls) == [ApiFailure(call="token", http_status=503)]


def test_callers_that_wait_share_a_failure(line: Line, calls: Calls) -> None:
    line.token = lambda: Reply(401, {}, b'{"error": "invalid_client"}')
    assert observe(calls, 500) == [ApiFailure(call="token", http_status=401)] * 500
    assert len(line.tokens) == 1
    observe(calls)
    assert len(line.tokens) == 2


def test_callers_that_wait_share_even_a_token_that_lives_for_a_moment(line: Line, calls: Calls) -> None:
    line.life = 1e-9
    observe(calls, 100)
    assert len(line.tokens) == 1


def test_a_caller_that_is_cancelled_while_fetching_leaves_it_to_the_next(line: Line, calls: Calls) -> None:
    async def cancelled() -> list[Any]:
        tasks = [asyncio.create_task(calls.observe("acme")) for _ in range(5)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, *others = asyncio.run(cancelled())
    assert isinstance(first, asyncio.CancelledError)
    assert all(isinstance(one, ConnectionStatus) for one in others)
    assert len(line.tokens) == 2


def test_while_one_caller_renews_the_others_use_what_they_have(line: Line, calls: Calls) -> None:
    observe(calls)
    line.now_s += 1800
    observe(calls, 5)
    assert sorted(line.used) == ["t1"] * 5 + ["t2"]
    assert len(line.tokens) == 2


def test_a_late_refusal_of_an_old_token_keeps_the_new_one(line: Line) -> None:
    fetched = iter([Token(Secret(name), DATE_S + 1800, DATE_S + 3600) for name in ("one", "two")])

    async def fetch() -> Token:
        return next(fetched)

    async def refused() -> None:
        tokens = Tokens(fetch, line.turns, lambda: DATE_S)
        first = await tokens.current()
        assert isinstance(first, Token)
        tokens.reject(first)
        second = await tokens.current()
        tokens.reject(first)
        assert await tokens.current() is second
        assert second is not first

    asyncio.run(refused())


def test_a_refused_token_is_renewed_once_for_all(line: Line, calls: Calls) -> None:
    observe(calls)
    line.refused = {"t1"}
    assert all(isinstance(one, ConnectionStatus) for one in observe(calls, 20))
    assert line.used.count("t1") == 21
    assert len(line.tokens) == 2
    line.refused = {"t1", "t2", "t3"}
    assert observe(calls) == [ApiFailure(call="status", http_status=401)]
    assert line.used[-2:] == ["t2", "t3"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"access_token": null}',
        b'{"access_token": ""}',
        b'{"access_token": "a\\nb"}',
        b'{"access_token": "\xc3\xbc"}',
        b'{"access_token": "a b"}',
        b'{"access_token": "a", "expires_in": "3600"}',
        b'{"access_token": "a", "expires_in": true}',
        b'{"access_token": "a", "expires_in": 0}',
        b'{"access_token": "a", "expires_in": -1}',
        b'{"access_token": "a", "expires_in": 1e999}',
        b'{"access_token": "a", "expires_in": ' + b"9" * 400 + b"}",
        b'{"access_token": "a", "token_type": "MAC"}',
    ],
)
def test_an_answer_that_is_no_token_is_unreadable(line: Line, calls: Calls, body: bytes) -> None:
    line.token = lambda: Reply(200, {}, body)
    assert observe(calls) == [ApiFailure(call="token", http_status=200, transport="unreadable")]


def test_a_token_call_without_an_answer_says_so(line: Line, calls: Calls) -> None:
    line.token = lambda: Transport.NOT_SENT
    assert run_sync(calls) == ApiFailure(call="token", transport="not_sent")


def run_sync(calls: Calls, *realms: str) -> Any:
    return asyncio.run(calls.sync("acme", realms))


# What answers mean.


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b'{"type": "x.EmptyResponse"}', ConnectionStatus(is_syncing=True)),
        (200, b'{"data": {"type": "x.EmptyResponse"}, "meta": {}}', ConnectionStatus(is_syncing=True)),
        (204, b"", ConnectionStatus(is_syncing=True)),
        (200, b"", ApiFailure(call="sync", http_status=200, transport="unreadable")),
        (200, b"{}", ApiFailure(call="sync", http_status=200, transport="unreadable")),
        (200, b'{"errors": []}', ApiFailure(call="sync", http_status=200)),
        (404, b"<html>", ApiFailure(call="sync", http_status=404)),
        (404, None, ApiFailure(call="sync", http_status=404)),
        (409, b'{"errors": [{"type": 5}]}', ApiFailure(call="sync", http_status=409)),
        (199, b"{}", ApiFailure(call="sync", transport="unreadable")),
        (600, b"{}", ApiFailure(call="sync", transport="unreadable")),
        (503, b'{"errors": [{"type": "Unknown"}]}', ApiFailure(call="sync", http_status=503, type="Unknown")),
    ],
)
def test_what_an_answer_to_a_trigger_means(line: Line, calls: Calls, status: int, body: bytes, said: Any) -> None:
    line.replies = [Reply(status, {}, body)]
    assert run_sync(calls) == said


def test_realms_are_named_where_they_are_given(line: Line, calls: Calls) -> None:
    run_sync(calls)
    run_sync(calls, "1", "2")
    assert [one.content for one in line.requests[1:]] == [None, b'{"quickbooks_realm_ids": ["1", "2"]}']
    with pytest.raises(InputError, match="realm_ids"):
        asyncio.run(calls.sync("acme", "12"))


@pytest.mark.parametrize("url", ["https://connect.intuit.example/a?state=x#y", "http://127.0.0.1:8027/a?b=c"])
def test_a_link_is_handed_over_and_shown_nowhere(line: Line, calls: Calls, url: str) -> None:
    line.replies = [Reply(200, {}, json.dumps({"data": {"redirect_url": url}}).encode())]
    link = asyncio.run(calls.authorize("acme"))
    assert isinstance(link, Authorization)
    assert link.redirect_url == url
    assert url not in repr(link)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "http://evil.example/",
        "https://me:pw@evil.example/",
        "https://@evil.example/",
        "https:///nowhere",
        "//evil.example",
        "https://a.example/\n",
        "https://a.example/ b",
        "https://good.example\\.evil.example/",
        'https://a.example/"><script>',
        "https://\u0430pple.example/",
        "https://a.example/" + "a" * 3000,
        "",
        5,
        None,
    ],
)
def test_a_link_that_no_browser_should_open_is_unreadable(line: Line, calls: Calls, url: Any) -> None:
    line.replies = [Reply(200, {}, json.dumps({"redirect_url": url}).encode())]
    said = asyncio.run(calls.authorize("acme"))
    assert said == ApiFailure(call="authorize", http_status=200, transport="unreadable")


def test_unlinking_needs_who_ordered_it(line: Line, calls: Calls, caplog: pytest.LogCaptureFixture) -> None:
    for nobody in ("", "  ", None):
        with pytest.raises(InputError, match="ordered_by"):
            asyncio.run(calls.unlink("acme", nobody))  # type: ignore[arg-type]
    assert line.requests == []
    line.replies = [Reply(200, {}, b"{}"), Reply(200, {}, b'{"errors": []}'), Reply(404, {}, b"{}")]
    line.replies += [Reply(204, {}, b""), Reply(200, {}, b"<html>")]
    with caplog.at_level(logging.WARNING):
        assert asyncio.run(calls.unlink("acme", "Jo\x1b")) is None
    assert "`acme`, ordered by `Jo\\x1b`" in caplog.text
    assert asyncio.run(calls.unlink("acme", "Jo")) == ApiFailure(http_status=200)
    assert asyncio.run(calls.unlink("acme", "Jo")) == ApiFailure(http_status=404)
    assert asyncio.run(calls.unlink("acme", "Jo")) is None
    assert asyncio.run(calls.unlink("acme", "Jo")) == ApiFailure(http_status=200, transport="unreadable")


# Waits that were asked for.


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "30"}, 30.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "Tue, 15 Jan 2030 08:00:05 GMT", **DATE}, 5.0),
        ({"retry-after": "Tue, 15 Jan 2030 08:00:05 GMT"}, 105.0),
        ({"retry-after": "Tue, 15 Jan 2030 07:59:00 GMT", **DATE}, 0.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "Tue, 99 Jan 2030 08:00:05 GMT"}, None),
        ({"x-ratelimit-reset": f"{DATE_S + 7:.0f}", **DATE}, 7.0),
        ({"x-ratelimit-reset": "never"}, None),
        ({}, None),
    ],
)
def test_the_wait_that_a_429_asks_for(line: Line, calls: Calls, headers: dict[str, str], wait_s: float | None) -> None:
    line.now_s = DATE_S - 100
    line.replies = [Reply(429, headers, b"")]
    (said,) = observe(calls)
    assert said == ApiFailure(call="status", http_status=429, retry_after_s=wait_s)


def test_no_call_is_made_while_the_rate_limit_is_used_up(line: Line, calls: Calls) -> None:
    used_up = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{DATE_S + 2:.0f}", **DATE}
    line.replies = [Reply(200, used_up, STATUS)]
    observe(calls)
    observe(calls)
    observe(calls)
    assert line.pauses == [2.0]


def test_what_remains_is_no_reason_to_wait(line: Line, calls: Calls) -> None:
    line.replies = [Reply(200, {"x-ratelimit-remaining": "1", "x-ratelimit-reset": f"{DATE_S + 2:.0f}"}, STATUS)]
    observe(calls)
    observe(calls)
    assert line.pauses == []


@pytest.mark.parametrize("headers", [{"retry-after": "86400"}, {"x-ratelimit-reset": "999999999999"}])
def test_a_client_waits_for_a_minute_at_most(line: Line, calls: Calls, headers: dict[str, str]) -> None:
    line.replies = [Reply(429, headers, b"")]
    observe(calls)
    observe(calls)
    assert line.pauses == [60.0]


def test_a_clock_that_steps_back_holds_calls_back_once(line: Line, calls: Calls) -> None:
    line.replies = [Reply(429, {"retry-after": "5"}, b"")]
    observe(calls)
    line.now_s -= 86400
    observe(calls)
    observe(calls)
    assert line.pauses == [60.0]


# Which Layer, and who calls.


def test_the_published_environments() -> None:
    for name, host in (("sandbox", "sandbox"), ("production", "api")):
        environment = find_environment(name)
        assert environment.base_url == f"https://{host}.layerfi.com"
        assert environment.token_url == "https://auth.layerfi.com/oauth2/token"
        assert environment.scope == f"https://{host}.layerfi.com/{name}"
        assert find_environment(environment) is environment


def test_what_is_not_an_argument_comes_from_the_process_s_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYER_ENVIRONMENT", "production")
    monkeypatch.setenv("LAYER_CLIENT_ID", "theirs")
    monkeypatch.setenv("LAYER_CLIENT_SECRET", "hidden")
    assert find_environment(None).base_url == "https://api.layerfi.com"
    assert find_environment("sandbox").base_url == "https://sandbox.layerfi.com"
    found = find_credentials(None, "mine")
    assert (found.client_id.reveal(), found.client_secret.reveal()) == ("theirs", "mine")
    assert "theirs" not in repr(found)
    assert "mine" not in repr(found)


@pytest.mark.parametrize("name", ["LAYER_CLIENT_ID", "LAYER_CLIENT_SECRET", "LAYER_ENVIRONMENT"])
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for variable in ("LAYER_CLIENT_ID", "LAYER_CLIENT_SECRET", "LAYER_ENVIRONMENT"):
        monkeypatch.setenv(variable, "sandbox")
    monkeypatch.setenv(name, "")
    with pytest.raises(ConfigurationError, match=f"{name} is not set"):
        LayerClient()


@pytest.mark.parametrize("secret", ["hid\nden", "hidden\x00", "hiddenü"])
def test_a_credential_that_no_header_can_carry_is_refused_unseen(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="printable ASCII") as refused:
        find_credentials("me", secret)
    assert "hid" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://layer.example",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "ftp://127.0.0.1",
        "https://me:hidden@layer.example",
        "https://layer.example?key=hidden",
        "https://layer.example#hidden",
        "https://",
        "https://layer.example:port",
        "http://[::2]",
        "https://exa\nmple.com",
        "https://\u2603.com",
        "https://xn--a",
        "https://a..b",
        "https://a b",
        "https://a/../b",
        "https://" + "a" * 3000,
    ],
)
def test_an_address_that_is_not_safe_is_refused_unseen(url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url: expected an https URL") as refused:
        find_environment(url)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:80", "http://[::1]:8027", "http://localhost", "https://a.example/b"])
def test_https_and_loopback_are_safe(url: str) -> None:
    assert is_safe(url)


def test_a_misspelt_environment_is_told() -> None:
    with pytest.raises(ConfigurationError, match="did you mean `production`"):
        find_environment("prodction")


def test_a_coroutine_that_waits_for_a_loop_is_not_run_without_one(calls: Calls) -> None:
    with pytest.raises(RuntimeError, match="event loop"):
        run(calls.observe("acme"))
