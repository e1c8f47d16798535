"""Troubles of single connections, and the people who end them: told, asked, or of themselves.

Knows the world's connections and nothing of who tells anybody.
"""

from __future__ import annotations

from math import exp, log
from random import Random

import attrs

from remediate.decision import Owner
from remediate.simulation.loop import Loop
from remediate.simulation.troubles import KINDS, Trouble
from remediate.simulation.world import Connection, World

__all__ = ["People"]

_ACTS_S = 12 * 3600.0
"""The median of how long people take; two in three act within 6 to 24 hours."""
_ACTS_SPREAD = 0.69
_HEALS_SPREAD = 1.0
_OF_THEMSELVES = 0.2
_NEW_REASON = "QUICKBOOKS_SOMETHING_NEW"
_WRONG_FLAG = 0.05
_NEW = 0.02
_DAY_S = 86_400.0


@attrs.define
class _End:
    """The end of a trouble, as it is planned."""

    connection: Connection
    trouble: Trouble


class People:
    """Who is told and asked, and what they do.

    Attributes:
        told: customers told, and when.
        told_in_vain: those of them whose trouble was not theirs.
        asked_in_vain: tickets for what heals by itself.
        tickets: all tickets.
    """

    def __init__(self, world: World, seed: int, loop: Loop) -> None:
        self.world, self.loop = world, loop
        self.told: list[tuple[str, float]] = []
        self.told_in_vain = 0
        self.asked_in_vain = 0
        self.tickets = 0
        self._acting: set[str] = set()
        self._luck = Random(f"{seed}/people")
        self._rate = world.scenario.troubles_a_day * world.scenario.connections / _DAY_S
        if self._rate > 0:
            loop.at(self._luck.expovariate(self._rate), self._befalls)

    def _befalls(self, _: object) -> None:
        """A connection gets into trouble."""
        luck, now_s = self._luck, self.loop.now_s
        self.loop.at(now_s + luck.expovariate(self._rate), self._befalls)
        connection = luck.choice(self.world.connections)
        kind = luck.choices(KINDS, [one.share for one in KINDS])[0]
        lasts_s = self._drawn_s(kind.heals_s or 2 * _ACTS_S, _HEALS_SPREAD)
        acts_alone = luck.random() < _OF_THEMSELVES
        if connection.trouble is not None:
            return
        trouble = connection.trouble = Trouble(
            kind=kind,
            reason=_NEW_REASON if luck.random() < _NEW else kind.reason,
            retryable=kind.retryable != (luck.random() < _WRONG_FLAG),
        )
        if kind.mended_by is None or (acts_alone and kind.mended_by == Owner.CUSTOMER):
            self.loop.at(now_s + lasts_s, self._ends, _End(connection, trouble))

    def _ends(self, end: _End) -> None:
        if end.connection.trouble is end.trouble:
            end.connection.trouble = None

    def _mends(self, end: _End) -> None:
        self._acting.discard(end.connection.key)
        self._ends(end)
        self.world.on_mended(end.connection)

    def tell(self, connection: Connection) -> None:
        """The customer is told that they have to act."""
        self.told.append((connection.key, self.loop.now_s))
        self._ask(connection, Owner.CUSTOMER)

    def ask(self, connection: Connection, owner: Owner) -> None:
        """A ticket is opened."""
        self.tickets += 1
        self._ask(connection, owner)

    def _ask(self, connection: Connection, owner: Owner) -> None:
        trouble = connection.trouble
        if owner == Owner.CUSTOMER:
            self.told_in_vain += trouble is None or trouble.mended_by != Owner.CUSTOMER
        else:
            self.asked_in_vain += trouble is None or trouble.mended_by is None
        if trouble is not None and trouble.mended_by is not None and connection.key not in self._acting:
            self._acting.add(connection.key)
            self.loop.at(self.loop.now_s + self._drawn_s(_ACTS_S, _ACTS_SPREAD), self._mends, _End(connection, trouble))

    def _drawn_s(self, median_s: float, spread: float) -> float:
        return exp(log(median_s) + spread * self._luck.gauss(0.0, 1.0))
