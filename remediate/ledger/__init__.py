"""What is remembered of every connection, who may act on it now, and what others are asked for: in a database."""

from __future__ import annotations

from remediate.ledger.attempting import Attempt
from remediate.ledger.database import IN_MEMORY
from remediate.ledger.fleet import FleetBook, FleetStanding, Given
from remediate.ledger.leading import Leader, Led, Tenant
from remediate.ledger.ledger import LEASE_S, Claim, Ledger
from remediate.ledger.posting import Message
from remediate.ledger.reading import Failing, Journaled, OpenedTicket, Overview, Standing
from remediate.ledger.rows import checked_key

__all__ = ["IN_MEMORY", "LEASE_S", "Attempt", "Claim", "Failing", "FleetBook", "FleetStanding", "Given", "Journaled"]
__all__ += ["Leader", "Led", "Ledger", "Message", "OpenedTicket", "Overview", "Standing", "Tenant", "checked_key"]
