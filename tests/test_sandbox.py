"""The sandbox over HTTP on loopback, with both clients: Layer's calls, tokens, rates, scripts."""

from __future__ import annotations

from types import ModuleType

import attrs
import pytest

from remediate import InputError
from remediate.upstreams.layer import ApiFailure, ConnectionStatus, parse
from remediate.upstreams.layer.sandbox import Sandbox, Trouble, serving
from tests.layer_calls import CREDENTIALS, FORM, LAPSED, Clock, calling, path_of

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
        for business_id, error in (("nobody", "ResourceNotFound"), ("archived", "ResourceArchived")):
            answers = [
                layer.status(business_id),
                *(layer.post(call, business_id) for call in ("sync-from", "authorize")),
            ]
            assert {answer.status_code for answer in answers} == {404}
            assert {parse(answer.content).type for answer in answers} == {error}
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
        assert layer.status("nobody").json()["type"] == "ResourceNotFound"
        assert parse(layer.status("nobody").content) == ApiFailure(type="ResourceNotFound")


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
