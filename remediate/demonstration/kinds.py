"""A fleet in every kind of trouble, for the sandbox."""

from __future__ import annotations

from typing import Final

import attrs

from remediate.decision import Owner
from remediate.upstreams.layer.sandbox import Hostility, Trouble
from remediate.upstreams.layer.sandbox.world import TroubleKind
from remediate.upstreams.layer.vocabulary import Call

__all__ = ["WITHIN_S", "Connection", "Kind", "fleet"]

WITHIN_S: Final = 1800.0
"""The connections are looked at for the first time within half an hour."""


@attrs.frozen(kw_only=True)
class Kind:
    """A kind of connection.

    Attributes:
        name: in a few words.
        share: how many of a hundred connections are of this kind.
        troubles: what is wrong, to the sandbox.
        hostilities: how its calls are answered badly, and which.
        heals: what is wrong passes by itself, so nobody should be called.
    """

    name: str
    share: int
    troubles: tuple[Trouble, ...] = ()
    hostilities: tuple[tuple[Hostility, Call], ...] = ()
    heals: bool = True


def _passing(name: str, share: int, reason: str, after_s: float, *, flag: bool | None = None) -> Kind:
    return Kind(name=name, share=share, troubles=(Trouble(reason=reason, is_retryable=flag, heals_after_s=after_s),))


def _lasting(name: str, share: int, reason: str, by: Owner, *, flag: bool | None = None) -> Kind:
    trouble = Trouble(reason=reason, is_retryable=flag, mended_by=by)
    return Kind(name=name, share=share, troubles=(trouble,), heals=False)


def _badly(name: str, share: int, *answers: tuple[Hostility, Call]) -> Kind:
    passing = Trouble(reason="QUICKBOOKS_INTERNAL_SERVER_ERROR", heals_after_s=WITHIN_S)
    return Kind(name=name, share=share, troubles=(passing,), hostilities=answers)


_OUTAGE_S: Final = WITHIN_S + 900.0
_KINDS: Final = (
    Kind(name="well", share=31),
    _passing("QuickBooks is down for a while", 16, "QUICKBOOKS_SERVICE_UNAVAILABLE", _OUTAGE_S),
    _passing("QuickBooks throttles", 8, "QUICKBOOKS_GENERAL_SERVICE_FAILURE", _OUTAGE_S, flag=True),
    _passing("an unknown error that passes", 4, "QUICKBOOKS_UNKNOWN_EXCEPTION", 120.0, flag=True),
    _lasting("the authorisation has lapsed", 8, "QUICKBOOKS_AUTHENTICATION_FAILURE", Owner.CUSTOMER, flag=True),
    _lasting("the user lost access", 4, "QUICKBOOKS_AUTHORIZATION_FAILURE", Owner.CUSTOMER),
    _lasting("the credentials are invalid", 4, "QUICKBOOKS_INVALID_CREDENTIALS", Owner.CUSTOMER, flag=False),
    _lasting("the company can't be synced", 2, "QUICKBOOKS_INVALID_REQUEST_STATE", Owner.CUSTOMER, flag=False),
    _lasting("a record is refused", 4, "QUICKBOOKS_VALIDATION_ERROR", Owner.SUPPORT, flag=True),
    _lasting("our set-up is wrong", 2, "QUICKBOOKS_CONFIGURATION_ERROR", Owner.ENGINEERING),
    _lasting("Layer sends what QuickBooks refuses", 2, "QUICKBOOKS_BAD_REQUEST", Owner.PROVIDER),
    Kind(name="a sync that never ends", share=2, troubles=(Trouble(kind=TroubleKind.STUCK),), heals=False),
    Kind(name="disconnected", share=2, troubles=(Trouble(kind=TroubleKind.DISCONNECTED),)),
    Kind(name="archived", share=1, troubles=(Trouble(kind=TroubleKind.ARCHIVED),)),
    Kind(name="gone", share=1, troubles=(Trouble(kind=TroubleKind.UNKNOWN),)),
    _badly("the trigger's answer is lost", 3, (Hostility.RESET_AFTER, Call.SYNC)),
    _badly("the trigger is cut off", 2, (Hostility.TRUNCATED, Call.SYNC), (Hostility.HTML, Call.STATUS)),
    _badly("Layer limits the rate", 2, (Hostility.RATE_LIMITED_S, Call.SYNC), (Hostility.RATE_LIMITED, Call.STATUS)),
    _badly("Layer fails", 2, (Hostility.SERVER_ERROR, Call.STATUS), (Hostility.RESET_BEFORE, Call.STATUS)),
)


@attrs.frozen(kw_only=True)
class Connection:
    """A connection of the fleet.

    Attributes:
        id: its business.
        kind: what is wrong with it.
    """

    id: str
    kind: Kind


def fleet(count: int) -> list[Connection]:
    """So many connections, their kinds mixed by their shares."""
    hundred = [kind for kind in _KINDS for _ in range(kind.share)]
    mixed = [hundred[number * 37 % len(hundred)] for number in range(len(hundred))]
    return [Connection(id=f"business-{number + 1:04}", kind=mixed[number % len(mixed)]) for number in range(count)]
