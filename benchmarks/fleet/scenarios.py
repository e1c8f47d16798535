"""The incidents that strategies are compared in, each after six hours of calm.

Knows what goes wrong and how it is judged, and nothing of who looks after the fleet.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

import attrs

from remediate.simulation.scenario import Fault, Place, Scenario, Wrong

__all__ = ["ENTRIES", "Entry", "Judged", "entry"]

_HOUR_S: Final = 3600.0
_WARM_UP_S: Final = 6 * _HOUR_S
_AFTER_S: Final = 8 * _HOUR_S
"""For so long after an incident the fleet is looked at: even who waits for the next due sync has had it by then."""


class Judged(Enum):
    """How long it takes until 95 % of those hurt are well, or how late 95 % of all are at most."""

    RECOVERY = "recovery"
    LATENESS = "lateness"


@attrs.frozen(kw_only=True)
class Entry:
    """A scenario and how it is judged.

    Attributes:
        judged: what counts besides failed calls.
        has_oracle: whether the oracle's time is the best there is: where each call fails by chance, it is not.
        spares: whether lateness is that of the tenants who are not hurt; default False.
        is_contest: whether all strategies run; default True.
    """

    scenario: Scenario
    judged: Judged = Judged.RECOVERY
    has_oracle: bool = True
    spares: bool = False
    is_contest: bool = True

    @property
    def name(self) -> str:
        """The scenario's."""
        return self.scenario.name


def _scenario(name: str, summary: str, fault: Fault, neighbours: int = 100) -> Scenario:
    lasts_s = fault.begins_s + fault.jitter_s + fault.lasts_s + _AFTER_S
    return Scenario(name=name, summary=summary, lasts_s=lasts_s, faults=(fault,), neighbours=neighbours)


def _outage(name: str, hours: float, at: Place) -> Entry:
    fault = Fault(wrong=Wrong.FAILURE, begins_s=_WARM_UP_S, lasts_s=hours * _HOUR_S, at=at)
    shown = "every call fails" if at == Place.CALLS else "calls are answered, every sync fails"
    return Entry(scenario=_scenario(name, f"an outage of {hours * 60:.0f} min: {shown}", fault))


def _fault(wrong: Wrong, hours: float, **more: Any) -> Fault:
    return Fault(wrong=wrong, begins_s=_WARM_UP_S, lasts_s=hours * _HOUR_S, **more)


_LIMIT = _fault(Wrong.LIMIT, 2, per_minute=0.3)
_BROKEN = _fault(Wrong.FAILURE, 12, at=Place.SYNCS, tenants=0.1)
_BROWN = _fault(Wrong.FAILURE, 2, share=0.3)
_FLAPPING = _fault(Wrong.FAILURE, 17 / 6, up_s=600.0, down_s=600.0)
_QUOTA = _fault(Wrong.LIMIT, 6, per_minute=0.5, per_tenant=True)

ENTRIES: Final = (
    _outage("outage-10m", 1 / 6, Place.CALLS),
    _outage("outage-1h", 1, Place.CALLS),
    _outage("outage-6h", 6, Place.CALLS),
    _outage("outage-10m-syncs", 1 / 6, Place.SYNCS),
    _outage("outage-1h-syncs", 1, Place.SYNCS),
    _outage("outage-6h-syncs", 6, Place.SYNCS),
    Entry(scenario=_scenario("rate-limit", "for 2 h, 429 above 0.3 of what upstream can run", _LIMIT)),
    Entry(
        scenario=_scenario("authorisation", "for 1 h, grants are refused to everyone", _fault(Wrong.AUTHORISATION, 1))
    ),
    Entry(
        scenario=_scenario("broken-tenants", "the syncs of one tenant in ten fail for 12 h", _BROKEN),
        judged=Judged.LATENESS,
        spares=True,
    ),
    Entry(
        scenario=_scenario("brown-out", "for 2 h, three calls in ten fail", _BROWN),
        judged=Judged.LATENESS,
        has_oracle=False,
    ),
    Entry(
        scenario=_scenario(
            "brown-out-syncs",
            "for 2 h, calls are answered and three syncs in ten fail",
            attrs.evolve(_BROWN, at=Place.SYNCS),
        ),
        judged=Judged.LATENESS,
        has_oracle=False,
    ),
    Entry(
        scenario=_scenario(
            "capacity-drop", "for 2 h, upstream runs 0.3 of what it can", _fault(Wrong.CAPACITY, 2, factor=0.3)
        )
    ),
    Entry(scenario=_scenario("flapping", "down and up, 10 min each, nine times down", _FLAPPING)),
    Entry(
        scenario=_scenario(
            "regional", "an outage of 1 h for four tenants in ten", _fault(Wrong.FAILURE, 1, tenants=0.4)
        )
    ),
    Entry(
        scenario=_scenario(
            "degradation",
            "within 3 h, syncs come to take four times as long",
            _fault(Wrong.SLOWNESS, 3, factor=4.0, ramps=True),
        )
    ),
    Entry(
        scenario=_scenario(
            "tenant-quota", "for 6 h, each of few large tenants may sync half of what it needs", _QUOTA, neighbours=1000
        )
    ),
    Entry(
        scenario=Scenario(name="calm-week", summary="nothing but single troubles", lasts_s=_WARM_UP_S + 168 * _HOUR_S),
        judged=Judged.LATENESS,
        has_oracle=False,
        is_contest=False,
    ),
)


def entry(name: str) -> Entry:
    """The entry of this name."""
    return next(one for one in ENTRIES if one.name == name)
