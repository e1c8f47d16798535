"""Layer's calls without an HTTP client: what answers mean, and the waits that they ask for."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from remediate import InputError
from remediate.running import run
from remediate.upstreams.layer import ApiFailure, ConnectionStatus
from remediate.upstreams.layer.calls import Authorization, Calls, Reply
from tests.lines import DATE, DATE_S, STATUS, Line, observe


def run_sync(calls: Calls, *realms: str) -> Any:
    return asyncio.run(calls.sync("acme", realms))


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
            asyncio.run(calls.unlink("acme", nobody))
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


def test_a_coroutine_that_waits_for_a_loop_is_not_run_without_one(calls: Calls) -> None:
    with pytest.raises(RuntimeError, match="event loop"):
        run(calls.observe("acme"))
