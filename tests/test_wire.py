"""Decisions as JSON: fields, bytes that never vary, and back again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediate import Engine, Escalate, History, InputError, NoOp, Reauth, Retry, explain, from_json, to_json
from remediate.decision import NextSteps, PolicyStamp
from remediate.wire import dumps, explanation_dict
from tests.combos import status
from tests.oracle import STATUS_COMBINATIONS

ENGINE = Engine.bundled()
SHARED = ["may_sync", "look_again_s", "evidence", "anomalies", "rule", "because", "next_steps", "policy"]
DOWN = {
    "is_connected": True,
    "last_sync_status": "SYNC_FAILURE",
    "sync_failure_reason": "QUICKBOOKS_SERVICE_UNAVAILABLE",
}


@pytest.mark.parametrize(
    ("payload", "own"),
    [
        (DOWN, ["schedule", "repeats", "attempt", "delay_s", "ceiling_s"]),
        ({"error_enum": "PlaidConnectionBroken"}, ["flow", "system"]),
        ({"http_status": 401}, ["owner", "scope"]),
        ({"last_sync_status": "SYNC_SUCCESS"}, ["cause"]),
    ],
)
def test_a_decision_is_one_object_tagged_by_its_action(payload: dict[str, Any], own: list[str]) -> None:
    decision = ENGINE.decide(payload, key="acme")
    value = json.loads(to_json(decision))
    assert list(value) == ["action", *own, *SHARED]
    assert value["action"] == decision.action
    assert list(value["next_steps"]) == ["customer", "support", "engineering", "provider"]
    assert list(value["policy"]) == ["name", "revision", "sha256"]
    assert list(json.loads(to_json(decision, key="acme"))) == ["key", *value]
    for name in own:
        assert value[name] == getattr(decision, name)


def test_every_decision_reads_back_as_it_was() -> None:
    for combination in STATUS_COMBINATIONS:
        for history in (None, History(attempts=48), History(repaired=True)):
            decision = ENGINE.decide(status(combination), history, "k")
            again = from_json(to_json(decision))
            assert again == decision
            assert type(again) is type(decision)
            assert to_json(again) == to_json(decision)
            assert from_json(to_json(decision, key="k")) == decision


text = st.text(st.characters(exclude_categories=["Cs"]))
maybe = st.none() | text
shared = {
    "may_sync": st.booleans(),
    "look_again_s": st.none() | st.floats(0, 1e9),
    "anomalies": st.lists(text, max_size=3).map(tuple),
    "rule": text,
    "because": text,
    "next_steps": st.builds(NextSteps, customer=maybe, support=maybe, engineering=maybe, provider=maybe),
    "policy": st.builds(PolicyStamp, name=text, revision=text, sha256=text),
}
seconds = st.floats(0, 1e9)
timed = {"attempt": st.integers(1, 10**9), "delay_s": seconds, "ceiling_s": seconds}
decisions = (
    st.builds(Retry, schedule=text, repeats=text, **timed, **shared)
    | st.builds(Reauth, system=text, **shared)
    | st.builds(Escalate, **shared)
    | st.builds(NoOp, **shared)
)


@given(decisions)
def test_any_decision_reads_back_as_it_was(decision: Retry | Reauth | Escalate | NoOp) -> None:
    written = to_json(decision)
    assert from_json(written) == decision
    assert written.decode("ascii").isprintable()


HEALTHY = json.loads(to_json(ENGINE.decide({"last_sync_status": "SYNC_SUCCESS"})))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"action": "panic"}, "action"),
        ({"action": None}, "action"),
        ({"surprise": 1}, None),
        ({"cause": "boredom"}, "cause"),
        ({"cause": 3}, "cause"),
        ({"may_sync": 1}, "may_sync"),
        ({"look_again_s": "soon"}, "look_again_s"),
        ({"look_again_s": True}, "look_again_s"),
        ({"look_again_s": 1e300}, "look_again_s"),
        ({"anomalies": "none"}, "anomalies"),
        ({"anomalies": [1]}, "anomalies.0"),
        ({"next_steps": {"customer": 3}}, "next_steps.customer"),
        ({"next_steps": {"custmer": None}}, "next_steps"),
        ({"policy": None}, "policy"),
        ({"policy": {"name": "n", "revision": "1"}}, "policy"),
        ({"rule": None}, "rule"),
    ],
)
def test_what_is_no_decision_is_refused_with_its_field(change: dict[str, Any], field: str | None) -> None:
    with pytest.raises(InputError) as refused:
        from_json(json.dumps(HEALTHY | change))
    assert refused.value.field == field


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, "\ud800", b"{}"])
def test_what_is_no_json_object_is_refused(content: bytes | str) -> None:
    with pytest.raises(InputError):
        from_json(content)


@given(st.binary())
def test_reading_any_bytes_raises_nothing_but_our_error(content: bytes) -> None:
    with pytest.raises(InputError):
        from_json(content)


SCRIPT = """
import hashlib
from remediate import Engine, History, to_json
from tests.combos import status
from tests.oracle import STATUS_COMBINATIONS
engine, told = Engine.bundled(), hashlib.sha256()
for n, combination in enumerate(STATUS_COMBINATIONS):
    told.update(to_json(engine.decide(status(combination), History(attempts=n % 5), f"key {n % 7}")))
print(told.hexdigest())
"""


def test_the_bytes_are_the_same_in_processes_with_different_hash_seeds() -> None:
    def told(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        ran = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
        )
        return ran.stdout

    assert len({told(seed) for seed in ("0", "1", "4242")}) == 1


def test_what_is_written_is_printable_ascii() -> None:
    assert dumps({"k": "\x00\x1b\x7f\x9b\u202e\u2028é"}) == '{"k": "\\u0000\\u001b\\u007f\\u009b\\u202e\\u2028\\u00e9"}'
    with pytest.raises(ValueError, match="JSON"):
        dumps(float("nan"))


def test_an_explanation_is_one_object() -> None:
    value = explanation_dict(explain(DOWN, key="acme"))
    assert json.loads(dumps(value))["decision"]["action"] == "retry"
    assert value["key"] == "acme"
    assert value["limit"] == "transient"
    assert value["changes"]
