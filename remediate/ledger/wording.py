"""How a fleet stands, and why a connection does not start now, in words for people.

Knows how a fleet stands, and no database. Times are UTC, with their date where that is not today's.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import attrs

from remediate.errors import printable
from remediate.fleet import Incident, Phase, Standing, Trouble

__all__ = ["UNLED", "Closing", "Words", "clock_time"]

UNLED: Final = "nobody leads the fleet, so nothing starts until a governed runner runs"
_UNSPENT: Final = "your attempts are not being used up"
_HOLDS_NOBODY: Final = (Trouble.DEGRADED, Trouble.MISSING)
_NAMED: Final = 3


def clock_time(at_s: float, now_s: float) -> str:
    """A time for people."""
    at, now = datetime.fromtimestamp(at_s, UTC), datetime.fromtimestamp(now_s, UTC)
    return at.strftime("%H:%M UTC" if at.date() == now.date() else "%Y-%m-%d %H:%M UTC")


@attrs.frozen(kw_only=True)
class Closing:
    """An operator's order that let a fleet go, or a tenant.

    Attributes:
        tenant: whose connections; None: everyone's.
        at_s: when the governor was told.
    """

    by: str
    tenant: str | None
    at_s: float


@attrs.frozen(kw_only=True)
class Words:
    """What there is to say of a fleet.

    Attributes:
        governed: how it stands.
        closings: the orders that let something go, the latest first.
        is_led: whether somebody leads; what is probed next, nobody knows otherwise.
        now_s: the time.
    """

    governed: Standing
    closings: tuple[Closing, ...]
    is_led: bool
    now_s: float

    @property
    def phase(self) -> str:
        """Where the fleet is, in a word."""
        is_degraded = any(one.trouble == Trouble.DEGRADED for one in self.governed.incidents)
        return Trouble.DEGRADED if is_degraded and self.governed.phase == Phase.RECOVERING else self.governed.phase

    def incident(self, one: Incident) -> str:
        """What an incident is, and since when; or what it was, and how it ended, while others are let go still."""
        if self._goes_on(one):
            return self._trouble(one)
        by_whom = self._closed_by(one)
        if by_whom is not None:
            ended = f", until `{printable(by_whom.by)}` closed that at {self._time(by_whom.at_s)}"
        else:
            ended = ", and upstream answers" if one.trouble == Trouble.OPERATOR else ", and answers again"
        return f"{self._former(one)}{ended}"

    def next_probe(self, tenant: str | None = None, *, waits: bool = False) -> str | None:
        """When upstream is probed next, for everyone or for a tenant; None: it is not, or nobody knows.

        Args:
            waits: whether somebody waits for it.
        """
        governed = self.governed
        at_s = governed.next_probe_s if tenant is None else governed.next_probes.get(tenant)
        if at_s is None or not self.is_led:
            return None
        if at_s > self.now_s:
            return f"next probe {self._time(at_s)}"
        return "the next probe is due" if waits else "the next probe goes out as soon as somebody is due"

    def because(self, tenant: str | None = None) -> str:
        """Why a connection that is due does not start now.

        Args:
            tenant: whose it is; None: nobody's.
        """
        everyone, own = self._of(None), None if tenant is None else self._of(tenant)
        if not self.is_led:
            return UNLED
        if self.governed.phase == Phase.CONFIRMING:
            return f"{self._suspicion}; {_UNSPENT}"
        for one in (everyone, own):
            if one is not None and self._goes_on(one):
                return _sentence(self._trouble(one), self.next_probe(one.tenant, waits=True), _UNSPENT)
        if everyone is not None:
            return _sentence(self.incident(everyone), self._readmitted, _UNSPENT)
        return self._turn if own is None else _sentence(self.incident(own), self._turn, _UNSPENT)

    def summary(self) -> Iterator[str]:
        """How the fleet stands, a sentence a line; nothing where all is well."""
        if not self.is_led:
            yield UNLED
        held, everyone, governed = "held back: " if self._holds_back else "", self._of(None), self.governed
        unspent = _UNSPENT if self._holds_back else None
        if governed.phase == Phase.CONFIRMING:
            yield _sentence(f"{held}{self._suspicion}", unspent)
        elif everyone is not None:
            probe = self.next_probe(waits=governed.waiting > 0)
            said = probe if self._goes_on(everyone) else self._readmitted
            yield _sentence(f"{held}{self.incident(everyone)}", said, unspent)
        yield from self._apart()

    def _apart(self) -> Iterator[str]:
        """What holds not everyone."""
        tenants = [one for one in self.governed.incidents if one.tenant is not None]
        if len(tenants) > _NAMED:
            yield f"{len(tenants)} tenants have an incident of their own"
        else:
            yield from (_sentence(self.incident(one), self.next_probe(one.tenant)) for one in tenants)
        for one in self.governed.incidents:
            if one.trouble == Trouble.DEGRADED:
                yield f"{self._trouble(one)}; syncs go on, and those that fail are tried again at once"
            elif one.trouble == Trouble.MISSING:
                yield self._trouble(one)

    @property
    def _holds_back(self) -> bool:
        return self.is_led and self.governed.waiting > 0

    @property
    def _suspicion(self) -> str:
        again = "" if self._of(None) is None else " again"
        return f"upstream seems to be failing for everyone{again}, which a few attempts are to confirm"

    @property
    def _readmitted(self) -> str | None:
        waiting = self.governed.waiting
        return f"{waiting} {'is' if waiting == 1 else 'are'} readmitted in turn" if waiting else None

    @property
    def _turn(self) -> str:
        governed = self.governed
        taken = f"{governed.under_way} of {governed.places} places are taken"
        return f"waits for its turn: {governed.waiting} wait, {taken}"

    def _of(self, tenant: str | None) -> Incident | None:
        """The incident that holds, or held, everyone or a tenant."""
        found = (one for one in self.governed.incidents if one.trouble not in _HOLDS_NOBODY)
        return next((one for one in found if one.tenant == tenant), None)

    def _goes_on(self, one: Incident) -> bool:
        if one.trouble in _HOLDS_NOBODY:
            return True
        if one.tenant is None:
            return self.governed.phase == Phase.OPEN
        return self.governed.next_probes.get(one.tenant, self.now_s) is not None

    def _closed_by(self, one: Incident) -> Closing | None:
        mine = (it for it in self.closings if it.tenant == one.tenant and it.at_s >= one.opened_s)
        return next(mine, None)

    def _trouble(self, one: Incident) -> str:
        whom, since = _whom(one), f"since {self._time(one.since_s)}"
        match one.trouble:
            case Trouble.AUTHORISATION:
                return f"upstream has been refusing authorisation to {whom} {since}"
            case Trouble.MISSING:
                return f"upstream has not known many connections {since}"
            case Trouble.DEGRADED:
                return f"part of what upstream is asked has been failing {since}"
            case Trouble.OPERATOR:
                return f"`{printable(one.by)}` has been holding {whom} {since}{_why(one)}"
            case _:
                return f"upstream has been failing for {whom} {since}"

    def _former(self, one: Incident) -> str:
        whom, since = _whom(one), f"from {self._time(one.since_s)} on"
        match one.trouble:
            case Trouble.AUTHORISATION:
                return f"upstream was refusing authorisation to {whom} {since}"
            case Trouble.OPERATOR:
                return f"`{printable(one.by)}` was holding {whom} {since}{_why(one)}"
            case _:
                return f"upstream was failing for {whom} {since}"

    def _time(self, at_s: float) -> str:
        return clock_time(at_s, self.now_s)


def _whom(one: Incident) -> str:
    return "everyone" if one.tenant is None else f"all of tenant `{printable(one.tenant)}`"


def _why(one: Incident) -> str:
    return f" ({printable(one.why)})" if one.why else ""


def _sentence(*parts: str | None) -> str:
    return "; ".join(part for part in parts if part)
