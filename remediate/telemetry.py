"""What may be watched: a structured line of the log and, with the extra `otel`, a metric or a span.

Knows decisions and commands, and not what records them. No credential reaches it. Log records carry
their facts as attributes that begin with `remediate_`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from remediate.decision import Decision
from remediate.events import Command, Trigger, WaitUntil

__all__ = ["Telemetry"]

_log: Final = logging.getLogger("remediate")
_SCOPE: Final = "remediate"


class Telemetry:
    """Counts what happens, with the providers that OpenTelemetry's API was given; without it, only logs.

    Metrics: `remediate.decisions` by action and rule, `remediate.attempts` (syncs that were allowed),
    `remediate.lease.conflicts` (a connection was another's), `remediate.triggers.late` (a sync may
    have run beside another), `remediate.outbox.lag` (seconds that the oldest message waits). Spans:
    `remediate.remedy`, and in it `remediate.observe` and `remediate.sync`.
    """

    def __init__(self) -> None:
        self._tracer: Any = None
        self._counters: dict[str, Any] = {}
        self._lag: Any = None
        try:
            from opentelemetry import metrics, trace
        except ImportError:
            return
        meter = metrics.get_meter(_SCOPE)
        self._tracer = trace.get_tracer(_SCOPE)
        self._lag = meter.create_gauge("remediate.outbox.lag", unit="s")
        for name in ("decisions", "attempts", "lease.conflicts", "triggers.late"):
            self._counters[name] = meter.create_counter(f"remediate.{name}", unit="1")

    def commanded(self, key: str, commands: tuple[Command, ...]) -> None:
        """Something was recorded, and led to commands."""
        last = commands[-1]
        if isinstance(last, WaitUntil | Trigger) and last.decision is not None:
            self._decided(key, last.decision)
        if isinstance(last, Trigger):
            self._count("attempts")
            _log.info("a sync may be triggered", extra={"remediate_key": key, "remediate_number": last.number})

    def _decided(self, key: str, decision: Decision) -> None:
        facts = {"action": decision.action.value, "rule": decision.rule}
        self._count("decisions", facts)
        _log.debug(
            "decided: %s", decision.rule, extra={"remediate_key": key, "remediate_action": decision.action.value}
        )

    def conflicted(self, key: str) -> None:
        """Another holds a connection."""
        self._count("lease.conflicts")
        _log.info("another holds the connection", extra={"remediate_key": key})

    def late(self, key: str, number: int) -> None:
        """A sync may have run beside another's."""
        self._count("triggers.late")
        _log.warning(
            "a sync was triggered late, and may have run beside another",
            extra={"remediate_key": key, "remediate_number": number},
        )

    def lags(self, seconds: float) -> None:
        """The oldest message that was not delivered waits so long."""
        if self._lag is not None:
            self._lag.set(seconds)

    @contextmanager
    def span(self, name: str, key: str) -> Iterator[None]:
        """A span around some work for a connection."""
        if self._tracer is None:
            yield
            return
        with self._tracer.start_as_current_span(f"remediate.{name}", attributes={"remediate.key": key}):
            yield

    def _count(self, name: str, facts: dict[str, str] | None = None) -> None:
        counter = self._counters.get(name)
        if counter is not None:
            counter.add(1, facts)
