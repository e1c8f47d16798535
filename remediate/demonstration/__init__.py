"""A fleet in every kind of trouble, on this machine alone, and what becomes of it: `remediate demo`."""

from __future__ import annotations

from remediate.demonstration.findings import Findings
from remediate.demonstration.kinds import Connection, Kind, fleet
from remediate.demonstration.staging import demonstrate

__all__ = ["Connection", "Findings", "Kind", "demonstrate", "fleet"]
