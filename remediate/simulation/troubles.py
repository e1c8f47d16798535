"""Eleven kinds of trouble of one connection: how often, how they show, and who ends them.

The shares add up to the 1.35 % of connections a day of the default scenario.
"""

from __future__ import annotations

from typing import Final

import attrs

from remediate.decision import Owner

__all__ = ["KINDS", "Kind", "Trouble"]


@attrs.frozen(kw_only=True)
class Kind:
    """A kind of trouble.

    Attributes:
        reason: Layer's sync_failure_reason.
        retryable: its is_retryable_failure, where that is right.
        share: of all troubles.
        mended_by: who ends it; None: it heals.
        heals_s: the median of how long it lasts where it heals, seconds.
    """

    reason: str
    retryable: bool
    share: float
    mended_by: Owner | None = None
    heals_s: float = 0.0


@attrs.frozen(kw_only=True, eq=False)
class Trouble:
    """What is wrong with a connection.

    Attributes:
        kind: of which kind it is.
        reason: the sync_failure_reason that it shows, perhaps one that nobody knows yet.
        retryable: the is_retryable_failure that it shows, perhaps a wrong one.
    """

    kind: Kind
    reason: str
    retryable: bool

    @property
    def mended_by(self) -> Owner | None:
        """Who ends it; None: it heals."""
        return self.kind.mended_by


def _kind(reason: str, share: float, mended_by: Owner | None = None, heals_s: float = 0.0) -> Kind:
    return Kind(reason=reason, retryable=mended_by is None, share=share / 135, mended_by=mended_by, heals_s=heals_s)


KINDS: Final = (
    _kind("QUICKBOOKS_AUTHENTICATION_FAILURE", 25, Owner.CUSTOMER),
    _kind("QUICKBOOKS_AUTHORIZATION_FAILURE", 10, Owner.CUSTOMER),
    _kind("QUICKBOOKS_INVALID_CREDENTIALS", 10, Owner.CUSTOMER),
    _kind("QUICKBOOKS_INVALID_REQUEST_STATE", 10, Owner.CUSTOMER),
    _kind("QUICKBOOKS_VALIDATION_ERROR", 10, Owner.SUPPORT),
    _kind("QUICKBOOKS_CONFIGURATION_ERROR", 5, Owner.ENGINEERING),
    _kind("QUICKBOOKS_BAD_REQUEST", 5, Owner.PROVIDER),
    _kind("QUICKBOOKS_SERVICE_UNAVAILABLE", 20, heals_s=1800),
    _kind("QUICKBOOKS_GENERAL_SERVICE_FAILURE", 15, heals_s=1800),
    _kind("QUICKBOOKS_UNKNOWN_EXCEPTION", 15, heals_s=900),
    _kind("INTERNAL_SERVER_ERROR", 10, heals_s=900),
)
