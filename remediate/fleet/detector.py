"""Whether trouble is everyone's: a sequential test over attempts as they end.

Knows votes and whose they are, and neither clocks nor what is done about it. The test is a CUSUM: a sum of
log-likelihood ratios of "upstream is down" against "it is well", kept between 0 and twice its threshold.
"""

from __future__ import annotations

from math import inf, log

import attrs

from remediate.fleet.saving import APART

__all__ = ["Detector", "Streak"]

_MEMORY = 32
"""So many votes, about, make up the measured share of failures."""
_MOST_CALM = 0.5
_ONE_TENANT = 2
"""So many failures of one tenant in a row count; the rest says nothing of the others."""


@attrs.define
class Streak:
    """Votes against in a row, of one tenant.

    Attributes:
        votes: how many.
        voter: the connection that gave the first.
        since_s: when.
        is_several: whether another gave one too.
    """

    votes: int
    voter: str
    since_s: float
    is_several: bool = False


@attrs.define(kw_only=True)
class Detector:
    """One test.

    Attributes:
        calm: the share of votes against while upstream is well.
        down: the share while it is down.
        threshold: where it trips.
        score: the sum.
        share: the measured share of votes against, taken over votes up to the latest in favour.
        run: votes against since then.
        since_s: when the first of them came.
        streaks: by tenant.
    """

    calm: float = attrs.field(default=0.0, metadata=APART)
    down: float = attrs.field(default=1.0, metadata=APART)
    threshold: float = attrs.field(default=inf, metadata=APART)
    score: float = 0.0
    share: float = 0.0
    run: int = 0
    since_s: float = 0.0
    streaks: dict[str, Streak] = attrs.field(factory=dict)

    def against(self, tenant: str, key: str, now_s: float) -> bool:
        """A vote that upstream is down; whether it is time to suspect so."""
        streak = self.streaks.setdefault(tenant, Streak(0, key, now_s))
        streak.votes += 1
        streak.is_several = streak.is_several or streak.voter != key
        if streak.votes > _ONE_TENANT:
            return False
        if not self.run:
            self.since_s = now_s
        self.run += 1
        self.score = min(self.score + self._weight, 2 * self.threshold)
        return self.score >= self.threshold and len(self.streaks) > 1

    def favour(self, tenant: str) -> None:
        """A vote that upstream is well."""
        self.streaks.pop(tenant, None)
        if self.score:
            self.score = max(self.score + log((1 - self.down) / (1 - self._usual)), 0.0)
        if self.run:
            self._learn()
        self.share *= 1 - 1 / _MEMORY

    def _learn(self) -> None:
        """Votes against came while upstream was well after all."""
        kept = (1 - 1 / _MEMORY) ** self.run
        self.share = self.share * kept + (1 - kept)
        self.run = 0

    def suspects(self, tenant: str, threshold: float) -> bool:
        """Whether the votes against in a row, of several connections of a tenant, make up so large a sum."""
        streak = self.streaks.get(tenant)
        return streak is not None and streak.is_several and streak.votes * self._weight >= threshold

    def reset(self, *, was_well: bool) -> None:
        """Begin anew; the measured share stays, with the latest votes against where upstream was well."""
        if was_well:
            self._learn()
        self.score, self.run = 0.0, 0
        self.streaks.clear()

    @property
    def _usual(self) -> float:
        return min(max(self.calm, self.share), _MOST_CALM)

    @property
    def _weight(self) -> float:
        return log(self.down / self._usual)
