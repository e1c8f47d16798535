"""The token of Layer's calls: fetched once for many callers, renewed in time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from remediate.secret import Secret
from remediate.upstreams.layer import ApiFailure, ConnectionStatus, Transport
from remediate.upstreams.layer.calls import Calls, Reply
from remediate.upstreams.layer.tokens import LIFE_S, Token, Tokens
from tests.lines import BASE, DATE_S, Line, observe


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
    assert asyncio.run(calls.sync("acme", ())) == ApiFailure(call="token", transport="not_sent")
