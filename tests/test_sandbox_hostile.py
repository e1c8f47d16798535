"""Every hostility does what it says, at the socket and to both clients."""

from __future__ import annotations

import gzip
import json
import re
import time
import zlib
from email.utils import parsedate_to_datetime
from types import ModuleType
from typing import Any

import httpx
import pytest

from remediate.upstreams.layer import ConnectionStatus, parse
from remediate.upstreams.layer.sandbox import Hostility, Sandbox, serving
from remediate.upstreams.layer.sandbox.hostile import DELIVERED
from tests.layer_calls import CREDENTIALS, FORM, Clock, calling, exchange, path_of


def hostile(hostility: Hostility, call: str = "sync-from", **settings: Any) -> tuple[Sandbox, bytes, bytes, str]:
    """The sandbox afterwards, the head, the body, and the end of one call to it."""
    sandbox = Sandbox(**{"patience_s": 0.2, **settings})
    sandbox.add("b")
    sandbox.disturb("b", hostility)
    with calling(sandbox) as layer:
        token = layer.http.headers["authorization"]
        came, end = exchange(str(layer.http.base_url), token, call)
        assert layer.status().json()["data"]["is_connected"] is True  # the next call is answered well
    head, _, body = came.partition(b"\r\n\r\n")
    return sandbox, head.lower(), body, end


@pytest.mark.parametrize("hostility", Hostility)
def test_each_takes_effect_or_not_as_it_says(hostility: Hostility) -> None:
    sandbox, *_ = hostile(hostility)
    assert sandbox.report().businesses["b"].triggers_accepted == hostility.takes_effect


@pytest.mark.parametrize("hostility", [Hostility.RESET_BEFORE, Hostility.RESET_AFTER])
def test_a_reset_is_one(hostility: Hostility) -> None:
    _, head, body, end = hostile(hostility)
    assert (head, body, end) == (b"", b"", "reset")


def test_a_hang_says_nothing_and_ends_in_a_reset() -> None:
    began = time.monotonic()
    _, head, _, end = hostile(Hostility.HANG, patience_s=0.3)
    assert (head, end) == (b"", "reset")
    assert time.monotonic() - began > 0.3


def test_a_truncated_answer_is_shorter_than_it_says() -> None:
    _, head, body, end = hostile(Hostility.TRUNCATED)
    said = re.search(rb"content-length: (\d+)", head)
    assert said is not None
    assert 0 < len(body) < int(said[1])
    assert end == "closed"


def test_an_endless_body_goes_on_until_patience_ends() -> None:
    _, head, body, _ = hostile(Hostility.ENDLESS, call="connection-status", patience_s=0.3)
    assert b"transfer-encoding: chunked" in head
    assert b"content-length" not in head
    assert len(body) > 200_000


def test_a_slow_answer_drips_and_is_the_true_one() -> None:
    sandbox = Sandbox(patience_s=0.4)
    sandbox.add("b")
    sandbox.disturb("b", Hostility.SLOW)
    with calling(sandbox) as layer, layer.http.stream("GET", path_of("connection-status")) as answer:
        began = time.monotonic()
        pieces = list(answer.iter_raw())
        assert time.monotonic() - began > 0.15
    assert len(pieces) >= 5
    assert isinstance(parse(b"".join(pieces)), ConnectionStatus)


def leave(http: Any, client: ModuleType) -> None:
    """Ask for a status, and be gone a moment later."""
    try:
        with http.stream("GET", path_of("connection-status"), timeout=0.05) as answer:
            next(answer.iter_raw())
    except client.TimeoutException:
        pass


def test_a_client_may_leave_a_hang_or_a_stream(client: ModuleType) -> None:
    for hostility in (Hostility.HANG, Hostility.ENDLESS, Hostility.SLOW):
        sandbox = Sandbox()
        sandbox.add("b")
        sandbox.disturb("b", hostility)
        with calling(sandbox, client) as layer:
            leave(layer.http, client)
            assert layer.status().status_code == 200


PLAIN = sorted(set(Hostility) - DELIVERED - {Hostility.BAD_GZIP})
SHOWN = {
    Hostility.WRONG_TYPES: (200, "application/json", lambda body: json.loads(body)["data"]["is_connected"] == "yes"),
    Hostility.NOT_JSON: (200, "application/json", lambda body: body.startswith(b"{") and b"}" not in body),
    Hostility.HTML: (200, "text/html", lambda body: body.startswith(b"<!doctype")),
    Hostility.EMPTY: (200, "application/json", lambda body: body == b""),
    Hostility.ARRAY: (200, "application/json", lambda body: isinstance(json.loads(body), list)),
    Hostility.RATE_LIMITED: (429, "application/json", lambda body: "errors" in json.loads(body)),
    Hostility.RATE_LIMITED_S: (429, "application/json", lambda body: "errors" in json.loads(body)),
    Hostility.RATE_LIMITED_DATE: (429, "application/json", lambda body: "errors" in json.loads(body)),
    Hostility.REDIRECT: (302, "", lambda body: body == b""),
    Hostility.SERVER_ERROR: (500, "application/json", lambda body: "errors" in json.loads(body)),
    Hostility.UNAVAILABLE: (503, "text/html", lambda body: body.startswith(b"<!doctype")),
    Hostility.ERRORS_IN_200: (200, "application/json", lambda body: "errors" in json.loads(body)),
    Hostility.NULL_DATA: (200, "application/json", lambda body: json.loads(body)["data"] is None),
    Hostility.DEEP: (200, "application/json", lambda body: body.count(b"[") == 10_000),
    Hostility.UNAUTHORISED: (401, "application/json", lambda body: "errors" in json.loads(body)),
    Hostility.FORBIDDEN: (403, "application/json", lambda body: "errors" in json.loads(body)),
    Hostility.NOT_FOUND_PAGE: (404, "text/html", lambda body: body.startswith(b"<!doctype")),
}


@pytest.mark.parametrize("hostility", PLAIN)
def test_every_other_answer_is_what_it_says(hostility: Hostility, client: ModuleType) -> None:
    sandbox = Sandbox()
    sandbox.add("b")
    sandbox.disturb("b", hostility, call="status", times=2)
    with calling(sandbox, client) as layer:
        assert layer.post("authorize").status_code == 200
        status, kind, is_so = SHOWN[hostility]
        for _ in range(2):
            answer = layer.status()
            assert answer.status_code == status
            assert answer.headers.get("content-type", "").startswith(kind)
            assert is_so(answer.content)
        assert layer.status().status_code == 200
    told = sandbox.report().businesses["b"]
    assert (told.answered_401, told.answered_429) == (2 * (status == 401), 2 * (status == 429))


def test_every_hostility_is_tested_by_its_name() -> None:
    assert set(SHOWN) == set(PLAIN)


def test_a_gzip_that_is_none(client: ModuleType) -> None:
    _, head, body, _ = hostile(Hostility.BAD_GZIP)
    assert b"content-encoding: gzip" in head
    with pytest.raises((OSError, EOFError, zlib.error)):
        gzip.decompress(body)
    sandbox = Sandbox()
    sandbox.add("b")
    sandbox.disturb("b", Hostility.BAD_GZIP)
    with calling(sandbox, client) as layer, pytest.raises(client.DecodingError):
        layer.status()


def test_when_to_come_back_is_said_in_three_ways() -> None:
    clock = Clock()
    sandbox = Sandbox(clock=clock)
    sandbox.add("b")
    for hostility in (Hostility.RATE_LIMITED, Hostility.RATE_LIMITED_S, Hostility.RATE_LIMITED_DATE):
        sandbox.disturb("b", hostility)
    with calling(sandbox) as layer:
        silent, in_seconds, at_a_date = (layer.status().headers for _ in range(3))
    assert "retry-after" not in silent
    assert in_seconds["retry-after"] == "2"
    wait = parsedate_to_datetime(at_a_date["retry-after"]) - parsedate_to_datetime(at_a_date["date"])
    assert wait.total_seconds() == 3


def test_a_redirect_leads_to_a_host_that_can_not_be() -> None:
    _, head, *_ = hostile(Hostility.REDIRECT)
    assert b"location: http://elsewhere.invalid/" in head


@pytest.mark.parametrize("hostility", Hostility)
def test_the_token_call_is_disturbed_like_any_other(hostility: Hostility) -> None:
    sandbox = Sandbox(patience_s=0.1)
    sandbox.disturb(None, hostility, call="token")
    with serving(sandbox) as url, httpx.Client(base_url=url, trust_env=False) as http:
        try:
            body = http.post("/oauth2/token", auth=CREDENTIALS, data=FORM).content
            good = isinstance(json.loads(body).get("access_token"), str)
        except (httpx.HTTPError, ValueError, RecursionError, AttributeError):
            good = False
        assert good == (hostility in (Hostility.SLOW, Hostility.ENDLESS))
        assert sandbox.report().total.tokens_issued == hostility.takes_effect
        assert http.post("/oauth2/token", auth=CREDENTIALS, data=FORM).status_code == 200


def test_everyone_may_be_disturbed_and_calmed() -> None:
    sandbox = Sandbox()
    sandbox.add("b")
    sandbox.add("c")
    with calling(sandbox) as layer:
        sandbox.disturb(None, Hostility.UNAVAILABLE, times=None)
        assert {layer.status(one).status_code for one in "bcb"} == {503}
        sandbox.calm(None)
        assert layer.status().status_code == 200


def test_a_call_that_is_turned_away_meets_no_hostility_and_uses_none_up() -> None:
    sandbox = Sandbox()
    sandbox.add("b")
    sandbox.disturb("b", Hostility.UNAVAILABLE)
    with calling(sandbox) as layer:
        sandbox.revoke_tokens()
        assert layer.status().status_code == 401
        layer.renew()
        assert [layer.status().status_code for _ in range(2)] == [503, 200]
