"""The sandbox over HTTP on loopback, with both clients, in-process, and from the command line."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from subprocess import PIPE
from types import ModuleType
from typing import Any
from urllib.parse import quote, urlsplit

import attrs
import httpx
import httpx2
import pytest

from remediate import InputError
from remediate.upstreams.layer import ApiFailure, ConnectionStatus, parse
from remediate.upstreams.layer.sandbox import Hostility, Sandbox, Trouble, serving
from remediate.upstreams.layer.sandbox.hostile import DELIVERED
from remediate.upstreams.layer.sandbox.server import serve

LAPSED = Trouble(reason="QUICKBOOKS_AUTHENTICATION_FAILURE", is_retryable=True, mended_by="customer")
FORM = {"grant_type": "client_credentials", "scope": "https://sandbox.layerfi.com/sandbox", "client_id": "sandbox-id"}
CREDENTIALS = ("sandbox-id", "sandbox-secret")
COMMAND = [sys.executable, "-W", "error", "-m", "remediate", "sandbox"]


@attrs.define
class Clock:
    """A clock that stands still until it is set."""

    now_s: float = 1_750_000_000.25

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def client(request: pytest.FixtureRequest) -> ModuleType:
    return request.param


def path_of(call: str, business_id: str = "b") -> str:
    return f"/v1/businesses/{quote(business_id, safe='')}/quickbooks/{call}"


class Caller:
    """Layer's calls by one of the clients, with a token."""

    def __init__(self, http: Any) -> None:
        self.http = http
        self.renew()

    def renew(self) -> None:
        token = self.http.post("/oauth2/token", auth=CREDENTIALS, data=FORM).json()["access_token"]
        self.http.headers["authorization"] = f"Bearer {token}"

    def status(self, business_id: str = "b", **more: Any) -> Any:
        return self.http.get(path_of("connection-status", business_id), **more)

    def post(self, call: str, business_id: str = "b", **more: Any) -> Any:
        return self.http.post(path_of(call, business_id), **more)


@contextmanager
def calling(sandbox: Sandbox, client: ModuleType = httpx) -> Iterator[Caller]:
    with serving(sandbox) as url, client.Client(base_url=url, timeout=5, trust_env=False) as http:
        yield Caller(http)


# Layer's calls.


def test_the_status_is_layers_in_its_envelope_and_is_read(client: ModuleType) -> None:
    sandbox = Sandbox(clock=Clock())
    sandbox.add("b", LAPSED)
    with calling(sandbox, client) as layer:
        answer = layer.status()
    assert answer.status_code == 200
    assert set(answer.json()) == {"data", "meta"}
    assert parse(answer.content) == ConnectionStatus(
        is_connected=True,
        is_syncing=False,
        last_sync_status="SYNC_FAILURE",
        sync_failure_reason="QUICKBOOKS_AUTHENTICATION_FAILURE",
        is_retryable_failure=True,
        last_synced_at="2025-06-15T15:06:40.250000Z",
    )


def test_the_documented_order_of_work_from_a_lapse_to_a_success(client: ModuleType) -> None:
    clock = Clock()
    sandbox = Sandbox(clock=clock)
    sandbox.add("b", LAPSED)
    with calling(sandbox, client) as layer:
        url = layer.post("authorize").json()["data"]["redirect_url"]
        assert "connected again" in layer.http.get(url).text
        assert parse(layer.status().content).sync_failure_reason is not None
        triggered = layer.post("sync-from")
        assert triggered.json() == {"data": {"type": "com.layerfi.controllers.EmptyResponse"}, "meta": {}}
        again = layer.post("sync-from", json={"quickbooks_realm_ids": ["1"]})
        assert again.status_code == 409
        assert parse(again.content) == ApiFailure(type="InvalidState", error_enum="QuickbooksConnectionAlreadySyncing")
        clock.now_s += 2
        assert layer.status().json()["data"]["is_syncing"] is True
        clock.now_s += 10
        assert layer.status().json()["data"]["last_sync_status"] == "SYNC_SUCCESS"
        assert layer.http.get(url + "x").status_code == 400
    told = sandbox.report().businesses["b"]
    assert (told.triggers_received, told.triggers_accepted, told.overlapping, told.futile) == (2, 1, 1, 0)


def test_what_is_not_there_is_404_with_an_error_in_the_envelope(client: ModuleType) -> None:
    sandbox = Sandbox()
    for kind in ("archived", "disconnected"):
        sandbox.add(kind, Trouble(kind=kind))
    with calling(sandbox, client) as layer:
        for business_id, error in (("nobody", "SpecifiedIdNotFound"), ("archived", "ResourceArchived")):
            answers = [
                layer.status(business_id),
                *(layer.post(call, business_id) for call in ("sync-from", "authorize")),
            ]
            assert {answer.status_code for answer in answers} == {404}
            assert {parse(answer.content).error_enum for answer in answers} == {error}
        assert layer.status("disconnected").json()["data"]["is_connected"] is False
        for call in ("sync-from", "authorize", "unlink"):
            answer = layer.post(call, "disconnected")
            assert (answer.status_code, parse(answer.content).error_enum) == (404, "QuickbooksConnectionMissing")


def test_unlinking_disconnects() -> None:
    sandbox = Sandbox()
    sandbox.add("b")
    with calling(sandbox) as layer:
        assert layer.post("unlink").status_code == 200
        assert layer.status().json()["data"]["is_connected"] is False
        assert sandbox.mend("b", "customer")
        assert layer.status().json()["data"]["is_connected"] is True


def test_answers_may_be_bare() -> None:
    sandbox = Sandbox(enveloped=False)
    sandbox.add("b")
    with calling(sandbox) as layer:
        assert layer.status().json()["is_connected"] is True
        assert layer.status("nobody").json()["error_enum"] == "SpecifiedIdNotFound"
        assert parse(layer.status("nobody").content) == ApiFailure(
            type="ResourceNotFound", error_enum="SpecifiedIdNotFound"
        )


@pytest.mark.parametrize("body", [b"nope", b"[]", b'{"quickbooks_realm_ids": 7}', b'{"quickbooks_realm_ids": [7]}'])
def test_a_bad_sync_body_is_400_and_starts_nothing(body: bytes) -> None:
    sandbox = Sandbox()
    sandbox.add("b")
    with calling(sandbox) as layer:
        answer = layer.post("sync-from", content=body)
        assert (answer.status_code, parse(answer.content).error_enum) == (400, "InvalidPayload")
    assert sandbox.report().total.triggers_accepted == 0


ODD = [
    "a/b",
    "../x",
    "..%2Fx",
    "%2e%2e",
    "ä ö\n",
    "a?b#c",
    "%",
    "a;b=c",
    "connection-status",
    "\x1b[31m",
    "a\\b",
    "+ &",
]


def test_an_odd_id_addresses_exactly_its_business(client: ModuleType) -> None:
    sandbox = Sandbox()
    for number, business_id in enumerate(ODD):
        sandbox.add(business_id, Trouble(reason=f"REASON_{number}"))
    with calling(sandbox, client) as layer:
        for number, business_id in enumerate(ODD):
            answer = layer.status(business_id)
            assert answer.json()["data"]["sync_failure_reason"] == f"REASON_{number}", business_id
            url = layer.post("authorize", business_id).json()["data"]["redirect_url"]
            assert layer.http.get(url).status_code == 200
        assert layer.status("x").status_code == 404
        assert layer.http.get("/v1/businesses/%ff/quickbooks/connection-status").status_code == 404
    assert {one.status_calls for one in sandbox.report().businesses.values()} == {1}


# Tokens and rates.


def test_a_token_is_asked_for_as_documented(client: ModuleType) -> None:
    with serving(Sandbox(token_life_s=60)) as url, client.Client(base_url=url, trust_env=False) as http:
        answer = http.post("/oauth2/token", auth=CREDENTIALS, data=FORM)
        assert answer.status_code == 200
        assert answer.json() == {
            "access_token": answer.json()["access_token"],
            "expires_in": 60,
            "token_type": "Bearer",
        }
        for auth in (None, ("sandbox-id", "wrong"), ("wrong", "sandbox-secret")):
            refused = http.post("/oauth2/token", auth=auth, data=FORM)
            assert (refused.status_code, refused.json()) == (401, {"error": "invalid_client"})
        for wrong, said in (
            ({"grant_type": "password"}, "unsupported_grant_type"),
            ({"scope": ""}, "invalid_scope"),
            ({"client_id": "other"}, "invalid_client"),
        ):
            refused = http.post("/oauth2/token", auth=CREDENTIALS, data=FORM | wrong)
            assert (refused.status_code, refused.json()) == (400, {"error": said})
        assert http.post("/oauth2/token", auth=CREDENTIALS, content=b"\xff").json() == {"error": "invalid_request"}
        assert http.post("/oauth2/token", headers={"authorization": "Basic é".encode()}).status_code == 401


def test_a_token_expires_and_is_revoked_and_none_is_401(client: ModuleType) -> None:
    clock = Clock()
    sandbox = Sandbox(clock=clock)
    sandbox.add("b")
    with calling(sandbox, client) as layer:
        clock.now_s += 3599
        assert layer.status().status_code == 200
        clock.now_s += 1
        expired = layer.status()
        assert (expired.status_code, expired.headers["www-authenticate"]) == (401, "Bearer")
        assert parse(expired.content) == ApiFailure(type="AuthFailure")
        layer.renew()
        assert layer.status().status_code == 200
        sandbox.revoke_tokens()
        assert layer.post("sync-from").status_code == 401
        assert layer.status(headers={"authorization": "Basic x"}).status_code == 401
    told = sandbox.report()
    assert (told.total.answered_401, told.total.tokens_issued, told.total.triggers_received) == (3, 2, 0)


def test_calls_above_the_rate_are_429_until_the_next_second(client: ModuleType) -> None:
    clock = Clock()
    sandbox = Sandbox(clock=clock, calls_per_s=3)
    sandbox.add("b")
    with calling(sandbox, client) as layer:
        answers = [layer.status() for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
        assert {answer.headers["x-ratelimit-limit"] for answer in answers} == {"3"}
        assert {answer.headers["x-ratelimit-reset"] for answer in answers} == {str(int(clock.now_s) + 1)}
        assert answers[3].headers["retry-after"] == "1"
        clock.now_s += 1
        assert layer.status().status_code == 200
    assert sandbox.report().businesses["b"].answered_429 == 1


def test_without_a_rate_nothing_is_said_of_one() -> None:
    sandbox = Sandbox(calls_per_s=None)
    sandbox.add("b")
    with calling(sandbox) as layer:
        assert not [name for name in layer.status().headers if name.startswith("x-ratelimit")]
    with pytest.raises(InputError, match="calls_per_s"):
        Sandbox(calls_per_s=0)


# Hostilities, one by one, at the socket.


def exchange(url: str, token: str, call: str = "sync-from", longest_s: float = 5) -> tuple[bytes, str]:
    """What comes back over a socket, and how it ends: `closed`, `reset` or `silence`."""
    to = urlsplit(url)
    assert to.hostname is not None
    method = "GET" if call == "connection-status" else "POST"
    head = f"{method} {path_of(call)} HTTP/1.1\r\nhost: {to.netloc}\r\nauthorization: {token}\r\nconnection: close\r\n"
    came = b""
    with socket.create_connection((to.hostname, to.port), timeout=longest_s) as plain:
        plain.sendall(f"{head}content-length: 0\r\n\r\n".encode())
        try:
            while piece := plain.recv(65_536):
                came += piece
        except ConnectionResetError:
            return came, "reset"
        except TimeoutError:
            return came, "silence"
    return came, "closed"


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
    assert len(body) > 500_000


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


def test_a_client_that_leaves_a_hang_or_a_stream_frees_it(client: ModuleType) -> None:
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


# From another process.


def test_a_business_is_scripted_over_http(client: ModuleType) -> None:
    sandbox = Sandbox()
    script = {
        "troubles": [{"reason": "QUICKBOOKS_VALIDATION_ERROR", "is_retryable": False, "mended_by": "support"}],
        "hostilities": [{"hostility": "unavailable", "call": "status", "times": 2}],
    }
    with calling(sandbox, client) as layer:
        assert layer.http.put("/_sandbox/businesses/a%2Fb", json=script).status_code == 200
        assert [layer.status("a/b").status_code for _ in range(3)] == [503, 503, 200]
        assert layer.status("a/b").json()["data"]["sync_failure_reason"] == "QUICKBOOKS_VALIDATION_ERROR"
        for by, mended in (("customer", False), ("support", True)):
            answer = layer.http.post("/_sandbox/businesses/a%2Fb/mend", json={"by": by})
            assert (answer.status_code, answer.json()) == (200, {"mended": mended})
        assert layer.post("sync-from", "a/b").status_code == 200
        report = layer.http.get("/_sandbox/report").json()
        assert report == attrs.asdict(sandbox.report())
        assert report["businesses"]["a/b"]["triggers_accepted"] == report["total"]["triggers_accepted"] == 1
        assert layer.http.post("/_sandbox/revoke-tokens").status_code == 200
        assert layer.status("a/b").status_code == 401
        everyone = {"hostilities": [{"hostility": "forbidden", "call": "token"}]}
        assert layer.http.put("/_sandbox/hostilities", json=everyone).status_code == 200
        assert layer.http.post("/oauth2/token", auth=CREDENTIALS, data=FORM).status_code == 403


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        (b"nope", None, "not JSON"),
        (b"[]", None, "expected a JSON object, got an array"),
        (b"\xff", None, "not JSON"),
        (b"[" * 100_000, None, "not JSON"),
        (b'{"trouble": []}', None, "unknown key `trouble` (did you mean `troubles`?)"),
        (b'{"troubles": {}}', "troubles", "expected an array, got an object"),
        (b'{"troubles": [{"kind": "archivd"}]}', "troubles.0.kind", "did you mean `archived`?"),
        (b'{"troubles": [{}, {"is_retryable": "yes"}]}', "troubles.1.is_retryable", "expected true or false"),
        (b'{"troubles": [{"begins_s": NaN}]}', "troubles.0.begins_s", "expected a finite number"),
        (b'{"troubles": [{"heals_after_s": true}]}', "troubles.0.heals_after_s", "expected a number"),
        (b'{"troubles": [{"mended_by": "me"}]}', "troubles.0.mended_by", "unknown value `me`"),
        (b'{"hostilities": [{"call": "sync"}]}', "hostilities.0", "the key `hostility` is missing"),
        (b'{"hostilities": [{"hostility": "hang", "times": 1.5}]}', "hostilities.0.times", "expected a whole number"),
        (b'{"hostilities": [{"hostility": "hang", "call": "token"}]}', "hostilities", "about no business"),
    ],
)
def test_a_bad_script_is_refused_with_its_field(body: bytes, field: str | None, said: str) -> None:
    with calling(Sandbox()) as layer:
        answer = layer.http.put("/_sandbox/businesses/b", content=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["field"] == field
        assert said in answer.json()["error"]["message"]
        assert layer.status().status_code == 404


def test_paths_that_are_not_there_are_404() -> None:
    with calling(Sandbox()) as layer:
        for method, path in (
            ("GET", "/"),
            ("GET", "/_sandbox/nothing"),
            ("DELETE", "/_sandbox/report"),
            ("POST", path_of("connection-status")),
            ("GET", "/oauth2/token"),
            ("GET", "/v1/businesses/b/quickbooks/connection-status/more"),
        ):
            assert layer.http.request(method, path).status_code == 404, path
        mended = layer.http.post("/_sandbox/businesses/nobody/mend", json={"by": "customer"})
        assert (mended.status_code, mended.json()["error"]["message"]) == (404, "there is no such business")


# In-process.


def test_it_is_called_in_process_too(client: ModuleType) -> None:
    sandbox = Sandbox(patience_s=0.1)
    sandbox.add("a/..%2F", LAPSED)

    async def work() -> None:
        transport = client.ASGITransport(app=sandbox.app)
        async with client.AsyncClient(transport=transport, base_url="http://layer.test") as http:
            token = (await http.post("/oauth2/token", auth=CREDENTIALS, data=FORM)).json()["access_token"]
            http.headers["authorization"] = f"Bearer {token}"
            path = path_of("connection-status", "a/..%2F")
            assert (await http.get(path)).json()["data"]["last_sync_status"] == "SYNC_FAILURE"
            url = (await http.post(path_of("authorize", "a/..%2F"))).json()["data"]["redirect_url"]
            assert url.startswith("http://layer.test/_sandbox/")
            assert (await http.get(url)).status_code == 200
            for hostility in (Hostility.HANG, Hostility.RESET_BEFORE, Hostility.RESET_AFTER):
                sandbox.disturb("a/..%2F", hostility)
                with pytest.raises(ConnectionResetError):
                    await http.get(path)
            for hostility in (Hostility.TRUNCATED, Hostility.SLOW, Hostility.ENDLESS, Hostility.HTML):
                sandbox.disturb("a/..%2F", hostility)
                assert (await http.get(path)).status_code == 200
            assert sandbox.mend("a/..%2F", "customer") is False

    asyncio.run(work())


# Serving.


def test_it_stops_at_once_whatever_hangs_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    sandbox = Sandbox()
    sandbox.add("b")
    for hostility in (Hostility.HANG, Hostility.SLOW, Hostility.ENDLESS):
        sandbox.disturb("b", hostility, call="status")
    ends: list[str] = []

    def call(url: str, token: str) -> None:
        ends.append(exchange(url, token, "connection-status", longest_s=10)[1])

    with calling(sandbox) as layer:
        to = str(layer.http.base_url), layer.http.headers["authorization"]
        threads = [threading.Thread(target=call, args=to) for _ in range(3)]
        for thread in threads:
            thread.start()
        while sandbox.report().total.status_calls < 3:
            time.sleep(0.01)
        time.sleep(0.05)
        began = time.monotonic()
    assert time.monotonic() - began < 1
    for thread in threads:
        thread.join()
    assert len(ends) == 3
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_only_loopback_is_served(host: str) -> None:
    with pytest.raises(InputError, match="loopback"), serving(Sandbox(), host=host):
        pass
    with pytest.raises(InputError, match="loopback"):
        serve(Sandbox(), 0, print, host=host)


def test_the_port_that_was_asked_for_is_served_and_is_taken_then() -> None:
    with serving(Sandbox(), host="localhost") as url:
        port = urlsplit(url).port
        assert port is not None
        with pytest.raises(OSError, match="in use"), serving(Sandbox(), port=port):
            pass
    with serving(Sandbox(), port=port) as again:
        assert again == url


def test_many_callers_at_once_are_all_counted() -> None:
    sandbox = Sandbox(calls_per_s=None, accepts_overlaps=True)
    sandbox.add("b")

    async def work(url: str, token: str) -> None:
        async with httpx.AsyncClient(base_url=url, headers={"authorization": token}, trust_env=False) as http:
            await asyncio.gather(*(http.post(path_of("sync-from")) for _ in range(60)))

    with calling(sandbox) as layer:
        asyncio.run(work(str(layer.http.base_url), layer.http.headers["authorization"]))
    told = sandbox.report().businesses["b"]
    assert (told.triggers_accepted, told.overlapping, told.max_in_flight) == (60, 59, 60)


def test_the_sandbox_is_no_part_of_what_users_import() -> None:
    script = "import sys, remediate.upstreams.layer; remediate.decide({}); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not [name for name in loaded if "sandbox" in name or name in ("starlette", "uvicorn", "asyncio")]
    script = "import sys; from remediate.upstreams.layer.sandbox import Sandbox; Sandbox(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"starlette", "uvicorn", "asyncio"} & set(loaded)


# From the command line.


@contextmanager
def commanded(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str, dict[str, str]]]:
    """The command, its URL, and the settings that it tells."""
    environment = {**os.environ, "NO_COLOR": "1"}
    started = [*COMMAND, "--port", "0", *map(str, arguments)]
    with subprocess.Popen(started, stdout=PIPE, stderr=PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            told = "".join(process.stdout.readline() for _ in range(5))
            yield process, url, dict(re.findall(r"(LAYER_\w+)=(\S+)", told))
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_a_signal_and_then_reports(number: signal.Signals) -> None:
    with commanded("--count", "3", "--accept-overlaps") as (process, url, told):
        assert told["LAYER_ENVIRONMENT"] == url
        assert (told["LAYER_CLIENT_ID"], told["LAYER_CLIENT_SECRET"]) == CREDENTIALS
        with httpx.Client(base_url=url, trust_env=False) as http:
            layer = Caller(http)
            assert layer.status("business-0001").status_code == 200
            assert layer.status("business-0004").status_code == 404
            assert [layer.post("sync-from", "business-0003").status_code for _ in range(2)] == [200, 200]
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "")
    assert re.search(r"^triggers_accepted +2$", out, re.MULTILINE)
    assert "business-0003: 2 futile, 1 overlapping" in out


def test_the_command_reads_businesses_and_its_clock_runs_faster(tmp_path: Path) -> None:
    file = tmp_path / "mine.ndjson"
    file.write_text('{"id": "x", "troubles": [{"reason": "NEW", "heals_after_s": 0.1}]}\n\n{"id": "y"}\n')
    with commanded("--businesses", file, "--speed", "1000") as (process, url, _):
        with httpx.Client(base_url=url, trust_env=False) as http:
            layer = Caller(http)
            assert layer.post("sync-from", "x").status_code == 200
            time.sleep(0.05)
            assert layer.status("x").json()["data"]["last_sync_status"] == "SYNC_SUCCESS"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert process.returncode == 0


def run(*arguments: str | Path, before: str = "pass") -> subprocess.CompletedProcess[str]:
    script = f"import sys; {before}; from remediate.cli.app import main; main()"
    ran = [sys.executable, "-W", "error", "-c", script, "sandbox", *map(str, arguments)]
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "TERM": "dumb"}
    return subprocess.run(ran, capture_output=True, text=True, timeout=20, env=environment)


def test_bad_businesses_are_all_told_and_nothing_is_served(tmp_path: Path) -> None:
    file = tmp_path / "mine.ndjson"
    file.write_text('{"id": "x"}\n{"id": "x"}\n\n{"troubles": []}\nnope\n{"id": "y", "troubles": [{"kind": "stck"}]}\n')
    ran = run("--businesses", file)
    assert (ran.returncode, ran.stdout) == (1, "")
    second, fourth, fifth, sixth = ran.stderr.splitlines()
    assert second.endswith("line 2: `id`: the same as in line 1")
    assert fourth.endswith("line 4: the key `id` is missing")
    assert "line 5: not JSON" in fifth
    assert "line 6: `troubles.0.kind`: unknown value `stck` (did you mean `stuck`?)" in sixth


def test_wrong_usage_of_the_command_exits_2(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, said in (
            (("--businesses", "nowhere.ndjson"), "nowhere.ndjson: can't be read: No such file"),
            (("--businesses", "x", "--count", "3"), "--count is for a sandbox without a file"),
            (("--speed", "0"), "--speed: expected a finite number above 0"),
            (("--port", "70000"), "less than or equal to 65535"),
            (("--port", port), f"port {port}: can't be had: Address already in use"),
        ):
            ran = run(*arguments)
            assert (ran.returncode, ran.stdout) == (2, ""), arguments
            assert said in ran.stderr


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra_the_command_names_it(missing: str) -> None:
    ran = run("--port", "0", before=f"sys.modules['{missing}'] = None")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "pip install 'remediate-engine[demo]'" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_command_has_help_with_an_example() -> None:
    ran = run("--help")
    assert ran.returncode == 0
    assert "Example: remediate sandbox" in ran.stdout
