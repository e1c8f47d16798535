"""Layer's JSON: the four shapes, what is refused, and that nothing else is ever raised."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remediate import Engine, History, InputError, Record
from remediate.decision import headline
from remediate.upstreams.layer import UPSTREAM, ApiFailure, Call, ConnectionStatus, parse, read
from remediate.upstreams.layer import wire as layer_wire
from remediate.upstreams.layer.plain import plain
from remediate.upstreams.payloads import json_object
from remediate.wire import dumps
from tests.oracle import STATUS_AXES

ENGINE = Engine.bundled()
SECRET = "s3cr3t-t0k3n"
BROKEN = {"type": "AuthFailure", "description": "...", "error_enum": "QuickbooksBrokenConnection", "meta": None}
FAILED = ApiFailure(error_enum="QuickbooksBrokenConnection", type="AuthFailure")
SYNCING = ConnectionStatus(is_syncing=True)
HEALTHY = {"is_connected": True, "last_sync_status": "SYNC_SUCCESS"}
WELL = ConnectionStatus(**HEALTHY)


@pytest.mark.parametrize(
    ("payload", "observation"),
    [
        ({}, ConnectionStatus()),
        ({"type": None, "error_enum": None}, ConnectionStatus()),
        (HEALTHY, WELL),
        ({**HEALTHY, "type": "QuickbooksConnectionStatus"}, WELL),
        ({**HEALTHY, "errors": None}, WELL),
        ({**HEALTHY, "history": None, "call": None, "retry_after_s": None}, WELL),
        ({**HEALTHY, "observation": None, "http_status": None, "transport": None}, WELL),
        ({"data": HEALTHY, "meta": {}}, WELL),
        ({"data": {"type": "com.layerfi.QuickbooksConnectionStatus", **HEALTHY}}, WELL),
        ({"data": {}}, ConnectionStatus()),
        (BROKEN, FAILED),
        ({"error_enum": "QuickbooksBrokenConnection", "type": "AuthFailure", "is_connected": True}, FAILED),
        ({"type": "Conflict"}, ApiFailure(type="Conflict")),
        ({"type": "Conflict", "is_connected": None}, ApiFailure(type="Conflict")),
        ({"error_enum": "Brand New"}, ApiFailure(error_enum="Brand New")),
        ({"errors": [BROKEN, {"type": "Unknown"}]}, FAILED),
        ({"errors": []}, ApiFailure()),
        ({"errors": [{}]}, ApiFailure()),
        ({"errors": [BROKEN], "data": None}, FAILED),
        ({"data": {"type": "com.layerfi.controllers.EmptyResponse"}, "meta": {}}, SYNCING),
        ({"type": "com.layerfi.controllers.EmptyResponse"}, SYNCING),
        ({"observation": {"type": "EmptyResponse"}, "call": "sync", "http_status": 200}, SYNCING),
        ({"observation": HEALTHY, "http_status": 299}, WELL),
        ({"observation": HEALTHY, "tenant": "t", "at": 5, "call_id": 7}, WELL),
        ({"observation": {"data": HEALTHY}, "call": "status"}, WELL),
        ({"http_status": 200}, ConnectionStatus()),
        ({"observation": HEALTHY, "http_status": 300}, ApiFailure(http_status=300)),
        ({"observation": HEALTHY, "transport": "unreadable"}, ApiFailure(transport="unreadable")),
        ({"http_status": 503, "call": "sync"}, ApiFailure(http_status=503, call="sync")),
        (
            {"http_status": 401, "observation": {"errors": [BROKEN]}},
            ApiFailure(http_status=401, type="AuthFailure", error_enum="QuickbooksBrokenConnection"),
        ),
        ({"http_status": 500, "observation": {"data": None}}, ApiFailure(http_status=500)),
        ({"http_status": 302, "observation": {"redirect_url": SECRET}}, ApiFailure(http_status=302)),
        (
            {"observation": BROKEN, "call": "token"},
            ApiFailure(call="token", type="AuthFailure", error_enum="QuickbooksBrokenConnection"),
        ),
        ({"transport": "not_sent", "retry_after_s": 3}, ApiFailure(transport="not_sent", retry_after_s=3)),
        ({"observation": HEALTHY, "retry_after_s": -3}, ConnectionStatus(**HEALTHY, retry_after_s=-3)),
    ],
)
def test_a_shape_is_told_apart(payload: dict[str, Any], observation: object) -> None:
    assert parse(payload) == observation
    assert parse(json.dumps(payload).encode()) == observation


def test_an_accepted_sync_is_in_progress() -> None:
    decision = ENGINE.decide({"data": {"type": "com.layerfi.controllers.EmptyResponse"}})
    assert headline(decision) == "no_op in_progress"
    assert decision.look_again_s == 30


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"is_connected": "true"}, "is_connected"),
        ({"is_connected": 1}, "is_connected"),
        ({"is_syncing": []}, "is_syncing"),
        ({"is_retryable_failure": 0}, "is_retryable_failure"),
        ({"last_sync_status": 5}, "last_sync_status"),
        ({"sync_failure_reason": {}}, "sync_failure_reason"),
        ({"last_synced_at": 1752483600}, "last_synced_at"),
        ({"data": {"is_connected": "yes"}}, "is_connected"),
        ({"data": None}, "data"),
        ({"data": None, **HEALTHY}, "data"),
        ({"data": []}, "data"),
        ({"errors": {}}, "errors"),
        ({"errors": "no"}, "errors"),
        ({"errors": [7]}, "errors"),
        ({"error_enum": 7}, "error_enum"),
        ({"type": 7}, "type"),
        ({"errors": [{"type": 7}]}, "type"),
        ({**HEALTHY, "history": {}}, "history"),
        ({**HEALTHY, "call": "status"}, "call"),
        ({**HEALTHY, "retry_after_s": 3}, "retry_after_s"),
        ({**BROKEN, "retry_after_s": 3}, "retry_after_s"),
        ({"data": HEALTHY, "history": {}}, "history"),
        ({"call": "sync"}, "call"),
        ({"observation": {**HEALTHY, "history": {}}}, "history"),
        ({"observation": []}, "observation"),
        ({"observation": "x", "http_status": 500}, "observation"),
        ({"observation": {}, "call": "sink"}, "call"),
        ({"observation": {}, "call": 1}, "call"),
        ({"transport": "carrier pigeon"}, "transport"),
        ({"http_status": 99}, "http_status"),
        ({"http_status": 600}, "http_status"),
        ({"http_status": "429"}, "http_status"),
        ({"http_status": 429.0}, "http_status"),
        ({"http_status": True}, "http_status"),
        ({"http_status": 429, "retry_after_s": "30"}, "retry_after_s"),
        ({"http_status": 429, "retry_after_s": True}, "retry_after_s"),
        ({"http_status": 429, "history": []}, "history"),
        ({"http_status": 429, "history": {"attempts": -1}}, "history.attempts"),
        ({"http_status": 429, "history": {"attempts": 1.5}}, "history.attempts"),
        ({"http_status": 429, "history": {"repaired": "no"}}, "history.repaired"),
        ({"http_status": 429, "history": {"attemps": 1}}, "history.attemps"),
        ({"http_status": 429, "histroy": {"attempts": 48}}, "histroy"),
        ({"http_status": 429, "retry_after": 30}, "retry_after"),
        ({"key": 7, **HEALTHY}, "key"),
        ({"key": "a", "observation": {"is_connected": 0}}, "is_connected"),
        ({"access_token": SECRET, "expires_in": 3600}, "access_token"),
        ({"redirect_url": SECRET}, "redirect_url"),
        ({"data": {"type": "AuthorizeResponse", "redirect_url": SECRET}}, "redirect_url"),
        ({"type": "EmptyResponse", "access_token": SECRET}, "access_token"),
        ({"observation": {"access_token": SECRET}}, "access_token"),
    ],
)
def test_bad_input_names_its_field_and_never_its_value(payload: dict[str, Any], field: str) -> None:
    for form in (payload, json.dumps(payload).encode(), json.dumps(payload)):
        with pytest.raises(InputError) as refused:
            read(form)
        assert refused.value.field == field
        assert SECRET not in str(refused.value) + repr(refused.value)
        assert "pigeon" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"nope", "not JSON"),
        (b'{"a": NaN}', "not JSON"),
        (b"[]", "got an array"),
        (b"null", "got null"),
        (b"5", "got a number"),
        (b'"text"', "got a string"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b'{"x": "\xff"}', "not UTF-8 at byte 7"),
        (b'{"last_sync_status": "\\ud8"}', "not JSON"),
        (b'{"x": "\\ud800"}', None),
        (b'{"x": ' + b"9" * 400 + b"}", None),
        (b'{"x":' * 64 + b"1" + b"}" * 64, None),
        (b'{"x":' * 65 + b"1" + b"}" * 65, "nested deeper than 64"),
        (b'{"x":' + b"[" * 63 + b"]" * 63 + b"}", None),
        (b'{"x":' + b"[" * 64 + b"]" * 64 + b"}", "nested deeper than 64"),
        (b'{"x":' * 100_000, "nested deeper than 64"),
        ("{\ud800}", "lone surrogates"),
    ],
)
def test_what_is_no_json_object_says_why(content: bytes | str, said: str | None) -> None:
    if said is None:
        assert parse(content) == ConnectionStatus()
        return
    with pytest.raises(InputError) as refused:
        parse(content)
    assert said in str(refused.value)
    assert refused.value.field is None


@pytest.mark.parametrize("field", ["last_sync_status", "sync_failure_reason", "error_enum", "key"])
def test_a_lone_surrogate_in_an_object_is_refused(field: str) -> None:
    with pytest.raises(InputError) as refused:
        parse({field: "\ud800"})
    assert refused.value.field == field


def test_an_object_that_holds_itself_is_refused() -> None:
    one: list[object] = []
    one += [one, one]
    with pytest.raises(InputError, match="nested deeper"):
        parse({"x": one})


def test_of_duplicate_keys_the_last_counts() -> None:
    assert parse(b'{"is_connected": 5, "is_connected": true}') == ConnectionStatus(is_connected=True)
    assert parse(b'{"is_connected": true, "is_connected": null}') == ConnectionStatus()
    assert parse(b'{"error_enum": "X", "error_enum": null}') == ConnectionStatus()
    assert parse(b'{"is_connected": true, "data": 1, "data": {}}') == ConnectionStatus()


def test_a_record_carries_its_history_and_its_key() -> None:
    history = {"attempts": 2, "failing_for_s": 5400, "syncing_for_s": 0, "since_attempt_s": 20, "repaired": None}
    record = read({"key": "acme", "observation": HEALTHY, "history": history})
    assert record == Record(
        observation=WELL, key="acme", history=History(attempts=2, failing_for_s=5400, since_attempt_s=20)
    )
    assert read({**HEALTHY, "key": "acme"}) == Record(observation=WELL, key="acme")
    assert read({"data": HEALTHY, "key": "acme"}).key == "acme"


def test_what_is_said_to_decide_goes_before_what_a_record_says() -> None:
    record = {"http_status": 503, "key": "a", "history": {"attempts": 2}}
    assert ENGINE.decide(record) == ENGINE.decide(ApiFailure(http_status=503), History(attempts=2), "a")
    assert ENGINE.decide(record, History(attempts=3), "b") == ENGINE.decide(
        ApiFailure(http_status=503), History(attempts=3), "b"
    )


def test_memory_views_and_bytearrays_are_bytes() -> None:
    content = json.dumps(HEALTHY).encode()
    assert parse(bytearray(content)) == parse(memoryview(content)) == WELL


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
published = st.sampled_from([*UPSTREAM.words, *Call, "not_sent", "no_answer", "unreadable", "x.EmptyResponse"])
fields = st.sampled_from(
    [*STATUS_AXES, "last_synced_at", "type", "error_enum", "data", "errors", "meta", "observation", "http_status"]
    + ["transport", "call", "retry_after_s", "history", "key", "attempts", "repaired", "access_token", "redirect_url"]
)
plausible = st.recursive(
    st.none() | st.booleans() | published | st.integers(0, 600) | st.floats() | st.just({}),
    lambda inner: st.dictionaries(fields, inner, max_size=6) | st.lists(inner, max_size=2),
    max_leaves=20,
)


@given(json_values | plausible)
def test_reading_any_json_value_raises_nothing_but_our_error(value: Any) -> None:
    outcomes = []
    for form in (value, json.dumps(value), _bytes(value)):
        try:
            outcomes.append(read(form))
        except InputError as refused:
            outcomes.append(refused.field)
    assert outcomes[1] == outcomes[2]


def _bytes(value: object) -> bytes:
    return json.dumps(value).encode()


@given(st.binary() | plausible.map(_bytes).flatmap(lambda b: st.integers(0, len(b)).map(lambda i: b[:i])))
@example(b'{"a": ' + b"1" * 5_000 + b"}")
@example(b'{"http_status": 429, "retry_after_s": ' + b"1" * 5_000 + b"}")
@example(b'{"http_status": 429, "retry_after_s": 1e999}')
@example(b'{"is_connected": true, "x": 1e999, "y": -1e999}')
def test_reading_any_bytes_raises_nothing_but_our_error(content: bytes) -> None:
    try:
        ENGINE.decide(content)
    except InputError as refused:
        assert refused.message


@given(st.dictionaries(fields | st.text(max_size=3), plausible, max_size=8))
def test_the_short_way_reads_what_the_long_way_reads(value: dict[str, Any]) -> None:
    content = _bytes(value)
    try:
        short = plain(content)
    except Exception as error:
        pytest.fail(f"the short way raised {error!r}")
    if short is not None:
        assert layer_wire._record(json_object(content)) == Record(observation=short)


@pytest.mark.parametrize(
    "content",
    [
        b'{"\\u0064ata": {"is_connected": true}, "is_connected": false}',
        b'{"data": {"type": "x.\\u0045mptyResponse"}}',
        b'{"data": {"\\u0074ype": "x.EmptyResponse"}}',
        b'{"error\\u005fenum": "X", "is_connected": true}',
        b'{"data": {"access\\u005ftoken": "x"}}',
        b'{"data": {}, "data": null}',
        b'{"is\\u005fconnected": true}',
    ],
)
def test_an_escaped_name_is_that_name(content: bytes) -> None:
    short = plain(content)
    try:
        long = layer_wire._record(json_object(content))
    except InputError:
        assert short is None
    else:
        assert short in (None, long.observation)


def test_the_short_way_is_taken() -> None:
    assert plain(json.dumps(HEALTHY).encode()) == WELL
    assert plain(json.dumps({"data": {"type": "Status", **HEALTHY}, "meta": {}}).encode()) == WELL
    assert plain(json.dumps({"data": {"data": HEALTHY}}).encode()) is None
    assert plain(b'{"data": {"type": "x.EmptyResponse"}}') is None
    assert plain(json.dumps({"key": "x", **HEALTHY}).encode()) is None
    assert plain(json.dumps(BROKEN).encode()) == FAILED
    assert plain(json.dumps({"errors": [BROKEN, 5]}).encode()) == FAILED
    assert plain(b'{"errors": []}') == ApiFailure()
    assert plain(b'{"errors": [{"type": "Conflict", "call": "sync"}]}') is None
    assert plain(b'{"errors": [], "data": {}}') is None
    assert plain(b'{"type": "Conflict"}') is None


optional = st.none() | st.sampled_from([True, False])
statuses = st.builds(
    ConnectionStatus,
    is_connected=optional,
    is_syncing=optional,
    last_sync_status=st.none() | published,
    sync_failure_reason=st.none() | published,
    is_retryable_failure=optional,
    last_synced_at=st.none() | st.just("2025-07-14T09:00:00Z"),
    retry_after_s=st.none() | st.floats(),
)
failures = st.builds(
    ApiFailure,
    call=st.none() | st.sampled_from(list(Call)),
    error_enum=st.none() | published,
    type=st.none() | published,
    http_status=st.none() | st.integers(300, 599),
    transport=st.none() | st.sampled_from(["not_sent", "no_answer", "unreadable"]),
    retry_after_s=st.none() | st.floats(),
)
histories = st.none() | st.builds(History, attempts=st.integers(0, 60), failing_for_s=st.floats(0, 1e6))


@given(st.builds(Record, observation=statuses | failures, history=histories, key=st.none() | st.just("acme")))
def test_a_record_that_is_written_reads_back(record: Record) -> None:
    written = dumps(UPSTREAM.write(record))
    again = read(written)
    waits = record.observation.retry_after_s
    if waits is None or 0 < waits < math.inf:
        assert again == record
    assert ENGINE.decide(again) == ENGINE.decide(record)


def test_messages_hold_no_control_characters() -> None:
    with pytest.raises(InputError) as refused:
        read({"http_status": 500, "history": {"a\x1b[31m\u202e": 1}})
    assert str(refused.value).isprintable()
    with pytest.raises(InputError) as unread:
        read(b"\x1b[31m")
    assert str(unread.value).isprintable()


def test_msgspec_still_says_truncated_as_the_reader_expects() -> None:
    with pytest.raises(msgspec.DecodeError, match="^Input data was truncated$"):
        msgspec.json.decode(b'{"a":')
