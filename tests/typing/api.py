"""How users type it: checked by mypy, never run."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from remediate import (
    Decision,
    Engine,
    Escalate,
    Explanation,
    History,
    NoOp,
    Owner,
    Reauth,
    Record,
    Retry,
    decide,
    explain,
    from_json,
    to_json,
)
from remediate.observation import Observation
from remediate.upstreams.layer import ApiFailure, ConnectionStatus, SyncFailureReason, parse


def orchestrate(payload: bytes, business_id: str) -> float | None:
    decision = decide(payload, history=History(attempts=2), key=business_id)
    assert_type(decision, Decision)
    match decision:
        case Retry(delay_s=delay):
            return delay
        case Reauth(flow=flow):
            return len(flow)
        case Escalate(owner=owner):
            assert_type(owner, Owner)
            return None
        case NoOp():
            return decision.look_again_s


def observe() -> None:
    status = ConnectionStatus(is_connected=True, last_sync_status="SYNC_FAILURE", sync_failure_reason="NEW")
    assert_type(status.sync_failure_reason, SyncFailureReason | None)
    assert_type(decide(status).may_sync, bool)
    assert_type(decide({"is_connected": True}).look_again_s, float | None)
    assert_type(decide("{}").anomalies, tuple[str, ...])
    failure = ApiFailure(call="sync", http_status=429, retry_after_s=30)
    assert_type(parse(b"{}"), Observation)
    engine = Engine.load(Path("mine.toml"))
    assert_type(engine.decide(failure, None, "key"), Decision)
    assert_type(engine.read(b"{}"), Record)
    assert_type(Engine.bundled("layer-quickbooks").explain(failure), Explanation)
    assert_type(explain(failure).decision, Decision)
    assert_type(from_json(to_json(decide(failure), key="k")), Decision)


def mistakes() -> None:
    decide(5)  # type: ignore[arg-type]  # not a payload
    decide(b"{}", {"attempts": 2})  # type: ignore[arg-type]  # a history is a History
    ConnectionStatus(is_conected=True)  # type: ignore[call-arg]  # misspelt
    History(2)  # type: ignore[call-arg]  # keywords only
    print(decide(b"{}").delay_s)  # type: ignore[union-attr]  # only a retry has it
