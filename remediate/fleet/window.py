"""How many attempts may be under way, and which are.

Knows starts and ends and what calm times were like, and nothing of why anything starts.
"""

from __future__ import annotations

from collections import deque
from math import inf

import attrs

from remediate.fleet.events import Purpose
from remediate.fleet.parameters import Fleet
from remediate.fleet.queue import Entry
from remediate.fleet.saving import APART

__all__ = ["Flight", "Window"]

_CALM_S = 3600.0
"""So long, about, do calm times count."""
_WARM_S = 600.0
"""So much of calm times must have been seen before they bound anything."""
_SLOW = 4.0
"""An attempt that takes so many times as long as in calm times says that upstream is full."""
_SLOWEST = 0.1
_QUICKENS = 0.003
_GROWTH = 1.0
_BUSY = 2.0
"""So many times as many under way as in calm times keep upstream busy."""
_QUEUED_S = 13.0
_DRAINING_S = 35.0
"""The starts of so many seconds may wait at upstream beyond that, in calm times and after an outage."""
_FULL = 0.85
"""So much of what was under way may be so at once when upstream had no room for one more. The pace stays: where
triggers fail by chance, not for want of room, those that do not must be enough."""
_ANSWERED_S = 60.0
"""Where no look has failed for so long, upstream answers: what it refuses then, it has no room for."""
_LAPSES = 6.0
"""An attempt lapses after so many times as long as in calm times, if that is longer than the policy says."""
_FORGOTTEN_S = 3600.0
"""An attempt whose end never came is forgotten: its end, or the one who started it, was lost."""


@attrs.define
class Flight:
    """An attempt under way.

    Attributes:
        number: its start's.
        at_s: when it started.
        purpose: why.
        tenant: whose.
        due_s: since when it was overdue.
        counts: whether it holds a place.
    """

    number: int
    at_s: float
    purpose: Purpose
    tenant: str | None
    due_s: float
    counts: bool = True


@attrs.define(kw_only=True)
class Window:
    """The attempts under way.

    Attributes:
        fleet: the parameters.
        flights: by key.
        held: how many places are held.
        limit: how many there are.
        mean: how many were held in calm times, on average.
        calm_s: for how long calm times were seen.
        hold_s: how long an attempt took then, on average; 0: not known yet.
        number: of the latest start.
        cut_s: when the limit was lowered last, because upstream was slow.
        full_s: when it was, because upstream had no room.
        unanswered_s: when a look failed last.
        pace: the share of its usual rate that upstream seems to take, up to 1.
    """

    fleet: Fleet = attrs.field(metadata=APART)
    flights: dict[str, Flight] = attrs.field(factory=dict)
    held: int = 0
    limit: float = 0.0
    mean: float = 0.0
    calm_s: float = 0.0
    hold_s: float = 0.0
    number: int = 0
    cut_s: float = -inf
    full_s: float = -inf
    unanswered_s: float = -inf
    pace: float = 1.0
    _by_age: deque[tuple[str, int]] = attrs.field(factory=deque, init=False)
    _all: deque[tuple[str, int]] = attrs.field(factory=deque, init=False)
    _quiet_s: float = attrs.field(default=-inf, init=False)
    """Until then no attempt can lapse, or be forgotten."""

    def __attrs_post_init__(self) -> None:
        self.limit = max(self.limit, float(self.fleet.least))
        aged = sorted(self.flights.items(), key=lambda item: item[1].number)
        self._by_age.extend((key, one.number) for key, one in aged if one.counts)
        self._all.extend((key, one.number) for key, one in aged)

    @property
    def has_room(self) -> bool:
        """Whether one more may start."""
        return self.held < int(self.limit)

    @property
    def is_warm(self) -> bool:
        """Whether so much of calm times was seen that it bounds anything."""
        return self.calm_s >= _WARM_S

    @property
    def lapses_after_s(self) -> float:
        """How long an attempt holds its place."""
        return max(self.fleet.lapse_s, _LAPSES * self.hold_s)

    @property
    def target(self) -> float:
        """The limit that calm times call for."""
        return self._limit(1.0, _QUEUED_S)

    @property
    def most(self) -> float:
        """The limit after an outage, and what a queue may let it grow to."""
        return self._limit(2.0, _DRAINING_S)

    def _limit(self, share: float, queued_s: float) -> float:
        """So many times the usual headroom; less where attempts take long, lest many of them wait at upstream."""
        headroom = share * self.fleet.headroom
        if self.hold_s:
            headroom = min(headroom, _BUSY + queued_s / self.hold_s)
        return max(share * self.fleet.least, headroom * self.mean)

    @property
    def rate(self) -> float:
        """Starts a second in calm times, fewer where that is too much now; 0: not known yet."""
        return self.pace * self.mean / self.hold_s if self.is_warm and self.hold_s else 0.0

    @property
    def burst(self) -> float:
        """So many may start at once after a rest."""
        return max(3.0, self.mean / 2)

    def start(self, key: str, purpose: Purpose, entry: Entry, now_s: float) -> int:
        """An attempt starts; its number. One whose sync may run already takes no place."""
        self.number += 1
        counts = purpose != Purpose.WORK or not entry.runs
        self.flights[key] = Flight(self.number, now_s, purpose, entry.tenant, entry.due_s, counts)
        self._all.append((key, self.number))
        if counts:
            self._by_age.append((key, self.number))
        self.held += counts
        return self.number

    def end(self, key: str, number: int) -> Flight | None:
        """An attempt is over; None: it is not the one under way."""
        flight = self.flights.get(key)
        if flight is None or flight.number != number:
            return None
        del self.flights[key]
        self.held -= flight.counts
        return flight

    def lapse(self, now_s: float) -> list[tuple[str, Flight]]:
        """Attempts that hold no place any more, from now on."""
        if now_s < self._quiet_s:
            return []
        lapsed, after_s = [], self.lapses_after_s
        while self._by_age:
            key, number = self._by_age[0]
            flight = self.flights.get(key)
            if flight is not None and flight.number == number:
                if now_s < flight.at_s + after_s:
                    break
                flight.counts = False
                self.held -= 1
                lapsed.append((key, flight))
            self._by_age.popleft()
        self._forget(now_s, max(_FORGOTTEN_S, after_s))
        lapses_s = self._since_s(self._by_age, now_s) + self.fleet.lapse_s
        self._quiet_s = min(lapses_s, self._since_s(self._all, now_s) + _FORGOTTEN_S)
        return lapsed

    def _since_s(self, by_age: deque[tuple[str, int]], now_s: float) -> float:
        """When the first of them started, and any later one has or will."""
        return self.flights[by_age[0][0]].at_s if by_age else now_s

    def _forget(self, now_s: float, after_s: float) -> None:
        while self._all:
            key, number = self._all[0]
            flight = self.flights.get(key)
            if flight is not None and flight.number == number:
                if now_s < flight.at_s + after_s:
                    break
                del self.flights[key]
            self._all.popleft()

    def begun(self, since_s: float) -> int:
        """How many of those that hold a place have started since then."""
        begun = 0
        for key, number in reversed(self._by_age):
            flight = self.flights.get(key)
            if flight is not None and flight.number == number:
                if flight.at_s < since_s:
                    break
                begun += 1
        return begun

    def next_s(self) -> float:
        """When the next attempt lapses, if it does not end before; inf: none does."""
        while self._by_age:
            key, number = self._by_age[0]
            flight = self.flights.get(key)
            if flight is not None and flight.number == number:
                return flight.at_s + self.lapses_after_s
            self._by_age.popleft()
        return inf

    def rested(self, seconds: float) -> None:
        """So long it was calm, with as many under way as there are."""
        self.calm_s = min(self.calm_s + seconds, _CALM_S)
        if self.calm_s > 0:
            usual = self.held if not self.is_warm else min(self.held, 2 * self.mean + 1)
            self.mean += (usual - self.mean) * min(1.0, seconds / self.calm_s)
        if self.limit < self.target:
            self.limit = self.target

    def went_well(self, took_s: float, now_s: float, *, calm: bool, is_full: bool) -> None:
        """An attempt ended well; where all places are taken and others wait, it may make room for more."""
        if calm:
            self.hold_s += (took_s - self.hold_s) * (0.05 if self.hold_s else 1.0)
        self.pace = min(1.0, self.pace + _QUICKENS)
        if took_s > _SLOW * self.hold_s:
            self.cut(now_s)
        elif is_full and (self.limit < self.target or not self.is_warm):
            self.limit += _GROWTH
        elif is_full:
            self.limit = max(self.limit, min(self.limit + _GROWTH / 4, self.most))

    def cut(self, now_s: float) -> None:
        """Upstream is full: fewer at once, down to a little more than in calm times."""
        if now_s >= self.cut_s + _SLOW * self.hold_s and self.is_warm:
            self.limit = max(float(self.fleet.least), 1.5 * self.mean, 0.7 * self.limit)
            self.pace = max(_SLOWEST, 0.7 * self.pace)
            self.cut_s = now_s

    def failed(self, now_s: float, *, synced: bool, refused: bool) -> None:
        """A call or a sync failed. One that was not let begin, while looks are answered, says that upstream is full.

        Then fewer may be under way than were.
        """
        if not synced:
            self.unanswered_s = now_s
            return
        is_full = refused and now_s >= max(self.unanswered_s + _ANSWERED_S, self.full_s + self.hold_s)
        if is_full and self.is_warm:
            self.limit = max(float(self.fleet.least), _FULL * min(self.limit, self.held))
            self.full_s = now_s

    def begin(self, *, again: bool) -> None:
        """After an outage: begin with what drains the queue; with half of that where it was too much."""
        self.pace = max(_SLOWEST, self.pace / 2) if again else 1.0
        self.limit = max(float(self.fleet.least), self.most * self.pace)
