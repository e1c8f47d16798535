"""Who waits for a start, the longest overdue first; tenants that are held wait aside.

Knows keys, tenants and since when they are due, and nothing of why anybody is held.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

import attrs

from remediate.fleet.saving import APART

__all__ = ["Entry", "Queue"]

Row = tuple[bool, float, int, str]
_LOOKED_AT = 64
"""So many are looked at for one that is wanted; then the first will do."""


@attrs.frozen
class Entry:
    """One that waits.

    Attributes:
        due_s: since when it is overdue.
        order: rises with every arrival.
        tenant: whose neighbour it is.
        runs: whether it needs no place: such are first.
    """

    due_s: float
    order: int
    tenant: str | None
    runs: bool = False


def _nobody(_: str) -> bool:
    return False


@attrs.define
class Queue:
    """All that wait.

    Attributes:
        entries: by key.
        arrivals: how many ever came.
        is_held: whether a tenant's connections wait aside.
    """

    entries: dict[str, Entry] = attrs.field(factory=dict)
    arrivals: int = 0
    is_held: Callable[[str], bool] = attrs.field(default=_nobody, metadata=APART)
    _rows: dict[str | None, list[Row]] = attrs.field(factory=dict, init=False)
    _shown: dict[str | None, Row] = attrs.field(factory=dict, init=False)
    _heap: list[tuple[Row, str | None]] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        for key, one in self.entries.items():
            self._push((not one.runs, one.due_s, one.order, key), one.tenant)

    def __len__(self) -> int:
        return len(self.entries)

    def add(self, key: str, due_s: float, tenant: str | None, *, runs: bool = False) -> None:
        """One more waits; one that waits already stays where it is."""
        if key in self.entries:
            return
        self.arrivals += 1
        self.entries[key] = Entry(due_s, self.arrivals, tenant, runs)
        self._push((not runs, due_s, self.arrivals, key), tenant)

    def remove(self, key: str) -> Entry | None:
        """It waits no more."""
        return self.entries.pop(key, None)

    def first(self) -> str | None:
        """The one that waits longest and is not held."""
        while self._heap:
            row, tenant = self._heap[0]
            if self._shown.get(tenant) != row:
                heappop(self._heap)
            elif tenant is not None and self.is_held(tenant):
                heappop(self._heap)
                del self._shown[tenant]
            elif self._is_waiting(row):
                return row[3]
            else:
                heappop(self._heap)
                self._show(tenant)
        return None

    def first_of(self, tenant: str | None) -> str | None:
        """The one of a tenant that waits longest, held or not; of None: of those without neighbours."""
        rows = self._rows.get(tenant, [])
        while rows and not self._is_waiting(rows[0]):
            heappop(rows)
        if rows:
            return rows[0][3]
        self._rows.pop(tenant, None)
        return None

    def release(self, tenant: str) -> None:
        """A tenant is held no more."""
        if tenant not in self._shown:
            self._show(tenant)

    def best(self, is_wanted: Callable[[str, Entry], bool]) -> str | None:
        """The longest overdue of those wanted, among the first few; else the first of all."""
        first = self.first()
        passed: list[tuple[Row, str | None]] = []
        found = None
        while len(passed) < _LOOKED_AT and (key := self.first()) is not None:
            entry = self.entries[key]
            if is_wanted(key, entry):
                found = key
                break
            passed.append((heappop(self._rows[entry.tenant]), entry.tenant))
            self._show(entry.tenant)
        for row, tenant in passed:
            self._push(row, tenant)
        return first if found is None else found

    def _push(self, row: Row, tenant: str | None) -> None:
        heappush(self._rows.setdefault(tenant, []), row)
        shown = self._shown.get(tenant)
        if shown is None or row < shown:
            self._show(tenant)

    def _show(self, tenant: str | None) -> None:
        """The first of a tenant stands for it among all."""
        self._shown.pop(tenant, None)
        if self.first_of(tenant) is not None:
            row = self._shown[tenant] = self._rows[tenant][0]
            heappush(self._heap, (row, tenant))

    def _is_waiting(self, row: Row) -> bool:
        entry = self.entries.get(row[3])
        return entry is not None and entry.order == row[2]
