"""What may be watched of a ledger and a runner: OpenTelemetry's own SDK reads it."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from remediate.errors import LeaseLostError
from remediate.events import Observed, Trigger, Wanted
from remediate.ledger import Ledger
from remediate.runner import Runner
from tests.layer_calls import Clock
from tests.lives import LAPSED, WELL


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryMetricReader]:
    made = InMemoryMetricReader()
    provider = MeterProvider([made])
    monkeypatch.setattr(metrics, "get_meter", provider.get_meter)
    yield made
    provider.shutdown()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


def measured(reader: InMemoryMetricReader) -> dict[str, Any]:
    """Each metric's points: their attributes, sorted, and their values."""
    data: Any = reader.get_metrics_data()
    found = [metric for one in data.resource_metrics for scope in one.scope_metrics for metric in scope.metrics]
    return {
        metric.name: {tuple(sorted(point.attributes.items())): point.value for point in metric.data.data_points}
        for metric in found
    }


def test_decisions_attempts_conflicts_and_late_triggers_are_counted(reader: InMemoryMetricReader) -> None:
    clock = Clock()
    with Ledger(clock=clock, lease_s=100) as ledger:
        claim = ledger.claim_one("acme")
        assert claim is not None
        assert ledger.claim_one("acme") is None
        wanted = (Wanted(by="x"), Observed(observation=WELL, asked_s=clock.now_s))
        trigger = ledger.record(claim, *wanted)[-1]
        assert isinstance(trigger, Trigger)
        clock.now_s += 101
        other = ledger.claim_one("acme")
        assert other is not None
        with pytest.raises(LeaseLostError):
            ledger.answered(claim, trigger.number, WELL)
        with pytest.raises(LeaseLostError):
            ledger.record(claim, *wanted)
    found = measured(reader)
    assert found["remediate.decisions"] == {(("action", "no_op"), ("rule", trigger.decision.rule)): 1}
    assert found["remediate.attempts"] == {(): 1}
    assert found["remediate.lease.conflicts"] == {(): 2}
    assert found["remediate.triggers.late"] == {(): 1}


def test_a_runner_says_how_far_the_outbox_lags_and_traces_its_work(
    reader: InMemoryMetricReader, spans: InMemorySpanExporter
) -> None:
    clock = Clock()

    async def looks(key: str) -> Any:
        return LAPSED

    async def run(ledger: Ledger) -> None:
        stop = asyncio.Event()
        runner = Runner(ledger=ledger, observe=looks, trigger=looks, send=None, idle_s=0.01, governed=False)
        running = asyncio.create_task(runner.run(stop))
        while not ledger.overview().waiting:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        stop.set()
        await running

    with Ledger(clock=clock) as ledger:
        ledger.enroll(["acme"])
        asyncio.run(run(ledger))
        clock.now_s += 70
        asyncio.run(run(ledger))
    assert measured(reader)["remediate.outbox.lag"] == {(): 70}
    finished: Any = spans.get_finished_spans()
    assert [(span.name, dict(span.attributes)) for span in finished] == [
        ("remediate.observe", {"remediate.key": "acme"}),
        ("remediate.remedy", {"remediate.key": "acme"}),
    ]


def test_without_opentelemetry_there_are_logs_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    caplog.set_level(logging.DEBUG, logger="remediate")
    with Ledger() as ledger:
        claim = ledger.claim_one("acme")
        assert claim is not None
        ledger.record(claim, Wanted(by="x"), Observed(observation=WELL, asked_s=ledger.moment(claim)))
    said = [record for record in caplog.records if getattr(record, "remediate_key", None) == "acme"]
    assert [record.getMessage().partition(":")[0] for record in said] == ["decided", "a sync may be triggered"]
    assert said[0].remediate_action == "no_op"
    assert said[1].remediate_number == 1
