"""JSON to a decision, in decodes by msgspec of the same bytes into the same class."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle, islice
from typing import Any, Final

import attrs
import msgspec
import pytest

from benchmarks import material
from benchmarks.conftest import Measure
from benchmarks.material import COMBINATIONS
from benchmarks.measuring import Round, Work
from remediate import Engine, NoOp, Reauth, Retry
from remediate.upstreams.layer import ApiFailure, ConnectionStatus

_ROUNDS: Final = 60
_BATCH: Final = 1_500
_HEALTHY: Final = ("true", "false", "SYNC_SUCCESS", "absent", "absent")
_FAILING: Final = ("true", "false", "SYNC_FAILURE", "QUICKBOOKS_SERVICE_UNAVAILABLE", "true")
_REFUSED: Final = ("true", "false", "SYNC_FAILURE", "QUICKBOOKS_AUTHENTICATION_FAILURE", "false")
_FAILURES: Final = ("QuickbooksTokenExpired", "QuickbooksBrokenConnection", "QuickbooksOAuthError")


class _Envelope(msgspec.Struct):
    data: ConnectionStatus
    meta: dict[str, Any]


def _full(combination: material.Combination) -> Callable[[], list[bytes]]:
    return lambda: [material.payload(combination) for _ in range(_BATCH)]


def _minimal() -> list[bytes]:
    """Two fields; so little can't differ, so they are equal bytes in memory of their own."""
    return [bytes(bytearray(b'{"is_connected": true, "last_sync_status": "SYNC_SUCCESS"}')) for _ in range(_BATCH)]


def _table() -> list[bytes]:
    return [material.payload(one, present=bool(i % 2)) for i, one in enumerate(COMBINATIONS)]


def _enveloped() -> list[bytes]:
    return [b'{"data": ' + material.payload(_REFUSED) + b', "meta": {}}' for _ in range(_BATCH)]


def _failures() -> list[bytes]:
    words = islice(cycle(_FAILURES), _BATCH)
    return [f'{{"error_enum": "{word}", "type": "AuthFailure"}}'.encode() for word in words]


@attrs.frozen
class _Case:
    """A row: the JSON, the class that msgspec fills, what is answered, and whether a key comes along."""

    name: str
    batch: Callable[[], list[bytes]]
    cls: type[Any]
    answer: type[Any] | None
    keyed: bool = False


_CASES: Final = (
    _Case("wire.full", _full(_HEALTHY), ConnectionStatus, NoOp),
    _Case("wire.full_retry", _full(_FAILING), ConnectionStatus, Retry),
    _Case("wire.full_retry_keyed", _full(_FAILING), ConnectionStatus, Retry, keyed=True),
    _Case("wire.minimal", _minimal, ConnectionStatus, NoOp),
    _Case("wire.table", _table, ConnectionStatus, None),
    _Case("wire.envelope", _enveloped, _Envelope, Reauth),
    _Case("wire.failure", _failures, ApiFailure, Reauth),
)


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.name)
def test_from_json(case: _Case, engine: Engine, measure: Measure) -> None:
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(case.cls).decode
    for content in case.batch():
        decision, decoded = engine.decide(content), decode(content)
        assert decision == engine.decide(decoded.data if isinstance(decoded, _Envelope) else decoded)
        assert case.answer is None or isinstance(decision, case.answer)

    def fresh(_: int) -> Round:
        contents = case.batch()
        times = len(contents)
        measured = _decided(engine, contents, material.keys(times) if case.keyed else None)
        return Round(measured=measured, times=times, base=_decoded(decode, contents), base_times=times)

    measure(case.name, fresh, rounds=_ROUNDS)


def _decided(engine: Engine, contents: list[bytes], keys: list[str] | None) -> Work:
    decide = engine.decide

    def alone() -> None:
        for content in contents:
            decide(content)

    def keyed() -> None:
        for content, key in zip(contents, keys or (), strict=True):
            decide(content, None, key)

    return alone if keys is None else keyed


def _decoded(decode: Callable[[bytes], Any], contents: list[bytes]) -> Work:
    def work() -> None:
        for content in contents:
            decode(content)

    return work
