"""The same status table in other engines: checked on every combination, then timed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import pytest

from benchmarks import material
from benchmarks.conftest import Measure
from benchmarks.material import COMBINATIONS, PARTS
from benchmarks.measuring import Round, Work
from benchmarks.peers.rules import Peer, Table, table_of
from remediate import Engine
from remediate.decision import headline

_ROUNDS: Final = 30
_BASES: Final = 4
"""How many observations of each combination are decided while a peer, which is slower, answers one."""


def _zen(table: Table) -> Peer:
    pytest.importorskip("zen")
    from benchmarks.peers.zen_table import ZenTable

    return ZenTable(table)


def _cel(table: Table, *, ready: bool = True) -> Peer:
    pytest.importorskip("cel")
    from benchmarks.peers.cel_expression import CelExpression

    return CelExpression(table, ready=ready)


def _cedar(table: Table) -> Peer:
    pytest.importorskip("cedarpy")
    from benchmarks.peers.cedar_policies import CedarPolicies

    return CedarPolicies(table)


_PEERS: Final[dict[str, Callable[[Table], Peer]]] = {
    "peers.zen": _zen,
    "peers.cel": _cel,
    "peers.cel_dict": partial(_cel, ready=False),
    "peers.cedar": _cedar,
}


@pytest.fixture(scope="session")
def table(engine: Engine) -> Table:
    return table_of(engine)


@pytest.mark.parametrize("name", _PEERS)
def test_peer(name: str, table: Table, engine: Engine, measure: Measure) -> None:
    peer = _PEERS[name](table)
    differing = [
        (one, found, ours)
        for one in COMBINATIONS
        if (found := peer.answer(peer.context(material.raw(one))))
        != (ours := headline(engine.decide(material.observation(one))))
    ]
    assert differing == []

    def fresh(part: int) -> Round:
        contexts, rehearsed = ([peer.context(material.raw(one)) for one in PARTS[part]] for _ in range(2))
        statuses = [material.observation(one) for one in PARTS[part] for _ in range(_BASES)]
        return Round(
            measured=_each(peer.answer, contexts),
            times=len(contexts),
            base=_each(engine.decide, statuses),
            base_times=len(statuses),
            warm_up=_each(peer.answer, rehearsed),
        )

    measure(name, fresh, rounds=_ROUNDS, parts=len(PARTS))


def _each(function: Callable[[Any], object], arguments: list[Any]) -> Work:
    def work() -> None:
        for argument in arguments:
            function(argument)

    return work
