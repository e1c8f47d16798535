"""The turn of a worker's attempt among those that the fleet's leader grants.

Knows rows and how the fleet stands. Where nobody leads, everybody's turn is now.
"""

from __future__ import annotations

import attrs
import sqlalchemy as sa

from remediate.errors import UnreadableStateError
from remediate.events import Wanted
from remediate.fleet import Fleet, Wants
from remediate.ledger import governing, rows
from remediate.ledger.database import Transaction
from remediate.ledger.fleet import FleetStanding, read_fleet
from remediate.ledger.recording import Claim, Recorder
from remediate.ledger.schema import FREE, GRANTED, WAITING, connections

__all__ = ["Later", "Turns"]


@attrs.frozen(kw_only=True)
class Later:
    """It is not an attempt's turn.

    Attributes:
        because: why, in words.
        seconds: when to come again, seconds.
    """

    because: str
    seconds: float


@attrs.frozen(kw_only=True)
class Turns:
    """Gives workers their turns.

    Attributes:
        recorder: who holds what they claim.
        fleet: the governor's parameters.
    """

    recorder: Recorder
    fleet: Fleet

    def held(self, tx: Transaction, key: str) -> Claim | None:
        """Hold a connection, due or not; None: another holds it."""
        rows.enroll(tx, [key], None)
        row = rows.locked(tx, key)
        if row is None or row.leased_until_s > tx.now_s:
            return None
        [leased] = rows.lease(tx, [key], self.recorder.holder, self.recorder.lease_s)
        claim = self.recorder.claimed(tx, leased)
        if claim is None:
            raise UnreadableStateError("what is remembered of the connection can't be read")
        return claim

    def ask(self, tx: Transaction, key: str, by: str) -> Claim | Later | None:
        """Hold a connection and ask for a turn, or say when to come again; None: another holds it."""
        claim = self.held(tx, key)
        fleet = read_fleet(tx)
        row = rows.locked(tx, key)
        if claim is None or row is None or fleet is None or fleet.leader is None or row.stage == GRANTED:
            return claim
        if fleet.is_held:
            return self._later(tx, claim, by, fleet)
        if row.stage == FREE:
            since_s = tx.now_s if row.overdue_s is None else row.overdue_s
            governing.tell(tx, [Wants(key=key, due_s=since_s, tenant=row.tenant)])
            rows.update(tx, key, stage=WAITING, arrival=None, overdue_s=since_s)
        return claim

    def is_granted(self, tx: Transaction, claim: Claim) -> bool:
        """Whether the turn of a claim has come, or nobody says when it does."""
        row = tx.row(sa.select(connections).where(connections.c.key == claim.key))
        if row is None or row.token != claim.token or row.stage != WAITING:
            return True
        fleet = read_fleet(tx)
        return fleet is None or fleet.leader is None

    def put_off(self, tx: Transaction, claim: Claim, by: str) -> Later | None:
        """Wait no longer; None: its turn has come."""
        fleet = read_fleet(tx)
        row = rows.locked(tx, claim.key)
        if row is None or row.token != claim.token or row.stage != WAITING or fleet is None or fleet.leader is None:
            return None
        return self._later(tx, claim, by, fleet)

    def _later(self, tx: Transaction, claim: Claim, by: str, fleet: FleetStanding) -> Later:
        """It is held no longer, and a runner does what is wanted in its turn."""
        rows.update(tx, claim.key, leased_until_s=0.0, holder=None)
        row = rows.locked(tx, claim.key)
        if row is not None:
            self.recorder.take(tx, row, [Wanted(by=by)], token=None)
        probe_s = fleet.governed.next_probe_s
        ahead_s = self.fleet.probe_first_s if probe_s is None else max(1.0, probe_s - tx.now_s)
        return Later(because=fleet.because(None if row is None else row.tenant), seconds=ahead_s)
