"""A few businesses in the troubles that come up, for a sandbox without a script.

Knows nothing but the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from remediate.decision import Owner
from remediate.upstreams.layer.sandbox.hostile import Disturbance, Hostility
from remediate.upstreams.layer.sandbox.scripting import NamedScript
from remediate.upstreams.layer.sandbox.world import Trouble, TroubleKind
from remediate.upstreams.layer.vocabulary import Call

__all__ = ["MIX", "mixed"]


def _passing(reason: str | None, after_s: float, *, is_retryable: bool | None = True) -> NamedScript:
    trouble = Trouble(reason=reason, is_retryable=is_retryable, heals_after_s=after_s)
    return NamedScript(id="passing", troubles=(trouble,))


def _lasting(reason: str | None, by: Owner, *, is_retryable: bool | None = False) -> NamedScript:
    return NamedScript(id="lasting", troubles=(Trouble(reason=reason, is_retryable=is_retryable, mended_by=by),))


def _kind(kind: TroubleKind) -> NamedScript:
    return NamedScript(id=kind, troubles=(Trouble(kind=kind),))


_HEALTHY: Final = NamedScript(id="healthy")
_LAPSED: Final = Trouble(reason="QUICKBOOKS_AUTHENTICATION_FAILURE", is_retryable=True, mended_by=Owner.CUSTOMER)
_CLOSED: Final = Trouble(reason="QUICKBOOKS_VALIDATION_ERROR", is_retryable=False, mended_by=Owner.SUPPORT)
_BAD_ANSWERS: Final = tuple(
    Disturbance(hostility=hostility, call=Call.STATUS)
    for hostility in (Hostility.RESET_BEFORE, Hostility.TRUNCATED, Hostility.HTML)
)

MIX: Final = (
    _HEALTHY,
    _passing("QUICKBOOKS_SERVICE_UNAVAILABLE", 90),
    _lasting("QUICKBOOKS_AUTHENTICATION_FAILURE", Owner.CUSTOMER, is_retryable=True),
    _passing("QUICKBOOKS_GENERAL_SERVICE_FAILURE", 300),
    _lasting("QUICKBOOKS_VALIDATION_ERROR", Owner.SUPPORT),
    _HEALTHY,
    _passing("QUICKBOOKS_INTERNAL_SERVER_ERROR", 30),
    _lasting("QUICKBOOKS_AUTHORIZATION_FAILURE", Owner.CUSTOMER),
    _passing("QUICKBOOKS_UNKNOWN_EXCEPTION", 120),
    _lasting("QUICKBOOKS_INVALID_CREDENTIALS", Owner.CUSTOMER),
    NamedScript(id="never synced", never_synced=True),
    _lasting("QUICKBOOKS_CONFIGURATION_ERROR", Owner.ENGINEERING),
    NamedScript(id="lapsed, and then closed", troubles=(_LAPSED, _CLOSED)),
    _lasting("QUICKBOOKS_BAD_REQUEST", Owner.PROVIDER),
    _kind(TroubleKind.DISCONNECTED),
    _passing("A_REASON_THAT_NOBODY_PUBLISHED", 60),
    _kind(TroubleKind.STUCK),
    _passing(None, 45),
    _kind(TroubleKind.ARCHIVED),
    NamedScript(id="badly answered", hostilities=_BAD_ANSWERS),
)
"""In turn: well, outages that pass, lapses that the customer mends, and what others mend."""


def mixed(count: int) -> Iterator[NamedScript]:
    """So many businesses, `business-0001` on, each the next of :data:`MIX`, which begins again at its end."""
    for number in range(count):
        yield attrs.evolve(MIX[number % len(MIX)], id=f"business-{number + 1:04}")
