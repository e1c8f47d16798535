"""Businesses, their troubles and their syncs, as Layer shows them: the model beneath the sandbox.

Knows no HTTP, no clock and no chance: every method takes the time as `now_s`, and draws come from a
seed and the business's id. Same calls at the same times, same answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from hashlib import blake2b
from math import inf, isfinite
from typing import Any, Final

import attrs

from remediate.decision import Owner
from remediate.errors import InputError
from remediate.upstreams.layer.sandbox.counting import Counts, Report
from remediate.upstreams.layer.vocabulary import SyncStatus

__all__ = ["Refusal", "Status", "Trouble", "TroubleKind", "World"]

_AT_ONCE: Final = 0.0


class TroubleKind(StrEnum):
    """What is wrong.

    ``failing``: syncs fail. ``stuck``: a sync that would end goes on. ``disconnected``:
    is_connected is false. ``archived``, ``unknown``: every call is answered 404.
    """

    FAILING = "failing"
    STUCK = "stuck"
    DISCONNECTED = "disconnected"
    ARCHIVED = "archived"
    UNKNOWN = "unknown"


class Refusal(StrEnum):
    """Why a call is refused."""

    UNKNOWN = "unknown"
    ARCHIVED = "archived"
    NOT_CONNECTED = "not_connected"
    ALREADY_SYNCING = "already_syncing"


_REFUSALS: Final[Mapping[TroubleKind, Refusal]] = {
    TroubleKind.UNKNOWN: Refusal.UNKNOWN,
    TroubleKind.ARCHIVED: Refusal.ARCHIVED,
    TroubleKind.DISCONNECTED: Refusal.NOT_CONNECTED,
}


def _is_duration(_: object, attribute: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and not (isfinite(value) and value >= 0):
        raise InputError("expected a finite number of seconds, from 0", field=attribute.name)


@attrs.frozen(kw_only=True)
class Trouble:
    """Something that is wrong with a connection for a while.

    It ends by itself after `heals_after_s`, or when `mended_by` has mended it; with neither it
    never ends.

    Attributes:
        kind: what is wrong, a :class:`TroubleKind` or its string; default `failing`.
        reason: the sync_failure_reason of syncs that end meanwhile, published or not; None: null.
        is_retryable: their is_retryable_failure; None: null.
        begins_s: seconds after the business was added; default 0.
        heals_after_s: seconds from its beginning until it ends by itself; None: it does not.
        mended_by: who alone can end it, an :class:`~remediate.decision.Owner` or its string; None:
            nobody. Default None; of a stuck sync that does not heal, the provider.

    Raises:
        InputError: a duration is negative or not finite, or it heals and has somebody to mend it.
        ValueError: an unknown kind or owner.
    """

    kind: TroubleKind = attrs.field(default=TroubleKind.FAILING, converter=TroubleKind)
    reason: str | None = None
    is_retryable: bool | None = None
    begins_s: float = attrs.field(default=0.0, validator=_is_duration)
    heals_after_s: float | None = attrs.field(default=None, validator=_is_duration)
    mended_by: Owner | None = attrs.field(converter=attrs.converters.optional(Owner))

    @mended_by.default
    def _by_default(self) -> Owner | None:
        return Owner.PROVIDER if self.kind is TroubleKind.STUCK and self.heals_after_s is None else None

    def __attrs_post_init__(self) -> None:
        if self.heals_after_s is not None and self.mended_by is not None:
            raise InputError("beside heals_after_s, which ends it by itself", field="mended_by")


@attrs.frozen(kw_only=True)
class Status:
    """What the status call shows.

    Attributes:
        last_synced_s: when the last sync ended, well or not, in the clock's seconds; None: never.
    """

    is_connected: bool = True
    is_syncing: bool = False
    last_sync_status: SyncStatus | None = None
    sync_failure_reason: str | None = None
    is_retryable_failure: bool | None = None
    last_synced_s: float | None = None


@attrs.define(eq=False)
class _Sync:
    """A sync that was accepted: when it shows as running, and when it ends; inf: when somebody mends it."""

    starts_s: float
    ends_s: float


@attrs.define(eq=False, kw_only=True)
class _Business:
    """A business; `counts` is advanced in place, and `last` is what the last sync that ended left."""

    id: str
    added_s: float
    now_s: float
    troubles: list[Trouble]
    mended_s: list[float]
    scheduled_s: float
    counts: Counts
    last: Status = Status()
    syncs: list[_Sync] = attrs.field(factory=list)
    started: int = 0

    def begins_s(self, trouble: Trouble) -> float:
        """When it begins, on the clock."""
        return self.added_s + trouble.begins_s

    def heals_s(self, trouble: Trouble) -> float:
        """When it ends by itself, on the clock; inf: it does not."""
        return inf if trouble.heals_after_s is None else self.begins_s(trouble) + trouble.heals_after_s

    def trouble(self, at_s: float) -> Trouble | None:
        """The first that has begun and not ended."""
        for trouble, mended_s in zip(self.troubles, self.mended_s, strict=True):
            if self.begins_s(trouble) <= at_s < min(self.heals_s(trouble), mended_s):
                return trouble
        return None

    def refusal(self) -> Refusal | None:
        """Why calls are refused now."""
        trouble = self.trouble(self.now_s)
        return None if trouble is None else _REFUSALS.get(trouble.kind)


class World:
    """Every business and what happens to it.

    Args:
        seed: of all draws; default 0.
        sync_s: the mean time a sync runs, seconds; each is drawn evenly from half to one and a half
            times this; default 4.
        start_lag_s: the mean time from a trigger until is_syncing, seconds; drawn likewise; default 1.
        every_s: Layer syncs each business by itself once every so many seconds, at a phase that is
            drawn for each, unless one runs or it can't; None: never. Default None.
        accepts_overlaps: a trigger while a sync is accepted or running starts another beside it;
            default False: it is refused.

    Raises:
        InputError: a time is negative or not finite, or `every_s` is 0.

    A business's clock never runs backwards: an earlier `now_s` counts as the latest that it has seen.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        sync_s: float = 4.0,
        start_lag_s: float = 1.0,
        every_s: float | None = None,
        accepts_overlaps: bool = False,
    ) -> None:
        for name, value in (("sync_s", sync_s), ("start_lag_s", start_lag_s), ("every_s", every_s)):
            if value is not None and (not isfinite(value) or value < 0 or (name == "every_s" and value == 0)):
                raise InputError("expected a finite number of seconds, from 0", field=name)
        self._seed = seed
        self._sync_s = sync_s
        self._start_lag_s = start_lag_s
        self._every_s = every_s
        self._accepts_overlaps = accepts_overlaps
        self._businesses: dict[str, _Business] = {}
        self._elsewhere = Counts()

    def add(self, business_id: str, troubles: Iterable[Trouble], now_s: float, *, never_synced: bool = False) -> None:
        """Add a business, or begin it anew; its counts are kept.

        Its last sync ended just now, as the trouble of that moment lets it; a stuck one still runs.

        Args:
            business_id: any text.
            troubles: of those that hold at once, the first shows.
            now_s: the time.
            never_synced: no sync has run yet.
        """
        given = list(troubles)
        known = self._businesses.get(business_id)
        every_s = inf if self._every_s is None else self._every_s
        phase = self._draw(business_id, "phase", 0)
        business = self._businesses[business_id] = _Business(
            id=business_id,
            added_s=now_s,
            now_s=now_s,
            troubles=given,
            mended_s=[inf] * len(given),
            scheduled_s=inf if self._every_s is None else now_s + phase * every_s,
            counts=Counts() if known is None else known.counts,
        )
        if not never_synced:
            business.syncs.append(_Sync(now_s, now_s))
            self._advance(business, now_s)

    def status(self, business_id: str, now_s: float) -> Status | Refusal:
        """What the status call answers; a connection that is not connected has a status too."""
        business = self._called(business_id, now_s, "status_calls")
        if business is None:
            return Refusal.UNKNOWN
        refusal = business.refusal()
        if refusal not in (None, Refusal.NOT_CONNECTED):
            return refusal
        running = any(sync.starts_s <= business.now_s for sync in business.syncs)
        return attrs.evolve(business.last, is_connected=refusal is None, is_syncing=running)

    def trigger(self, business_id: str, now_s: float) -> Refusal | None:
        """Trigger a sync; None: it was accepted."""
        business = self._called(business_id, now_s, "triggers_received")
        if business is None:
            return Refusal.UNKNOWN
        counts = business.counts
        counts.overlapping += bool(business.syncs)
        refusal = business.refusal()
        if refusal is None and business.syncs and not self._accepts_overlaps:
            refusal = Refusal.ALREADY_SYNCING
        if refusal is not None:
            return refusal
        trouble = business.trouble(business.now_s)
        counts.triggers_accepted += 1
        counts.futile += trouble is not None and trouble.heals_after_s is None
        self._start(business, business.now_s, self._start_lag_s)
        return None

    def authorise(self, business_id: str, now_s: float) -> Refusal | None:
        """Ask for a URL at which the customer authorises again; None: there is one."""
        business = self._called(business_id, now_s, "authorise_calls")
        return Refusal.UNKNOWN if business is None else business.refusal()

    def unlink(self, business_id: str, now_s: float) -> Refusal | None:
        """Disconnect QuickBooks, until the customer connects it anew; None: done."""
        business = self._called(business_id, now_s, "unlink_calls")
        refusal = Refusal.UNKNOWN if business is None else business.refusal()
        if business is not None and refusal is None:
            begins_s = max(0.0, business.now_s - business.added_s)
            unlinked = Trouble(kind=TroubleKind.DISCONNECTED, begins_s=begins_s, mended_by=Owner.CUSTOMER)
            business.troubles.insert(0, unlinked)
            business.mended_s.insert(0, inf)
        return refusal

    def mend(self, business_id: str, by: Owner, now_s: float) -> bool:
        """End every trouble that has begun and that this one can mend; syncs that were stuck end.

        The last sync's failure shows until another has ended.

        Returns:
            Whether there was any.

        Raises:
            LookupError: there is no such business.
        """
        business = self._businesses[business_id]
        self._advance(business, now_s)
        mended = False
        for number, trouble in enumerate(business.troubles):
            has_begun = business.begins_s(trouble) <= business.now_s < business.mended_s[number]
            if has_begun and trouble.mended_by is by:
                business.mended_s[number] = business.now_s
                mended = True
        for sync in business.syncs:
            sync.ends_s = business.now_s if sync.ends_s == inf else sync.ends_s
        self._advance(business, now_s)
        return mended

    def count(self, name: str, business_id: str | None = None) -> None:
        """Add one to a count, of a business or of none."""
        business = None if business_id is None else self._businesses.get(business_id)
        counts = self._elsewhere if business is None else business.counts
        setattr(counts, name, getattr(counts, name) + 1)

    def report(self, now_s: float) -> Report:
        """What happened until now."""
        for business in self._businesses.values():
            self._advance(business, now_s)
        return Report.of({one.id: one.counts for one in self._businesses.values()}, self._elsewhere)

    def _called(self, business_id: str, now_s: float, name: str) -> _Business | None:
        self.count(name, business_id)
        business = self._businesses.get(business_id)
        if business is not None:
            self._advance(business, now_s)
        return business

    def _advance(self, business: _Business, now_s: float) -> None:
        """Let happen, in order, what happens until now."""
        now_s = business.now_s = max(business.now_s, now_s)
        while True:
            ending = min(business.syncs, key=lambda sync: sync.ends_s, default=None)
            if ending is not None and ending.ends_s <= min(business.scheduled_s, now_s):
                _end(business, ending)
            elif business.scheduled_s <= now_s:
                self._schedule(business)
            else:
                return

    def _schedule(self, business: _Business) -> None:
        at_s = business.scheduled_s
        trouble = business.trouble(at_s)
        if not business.syncs and (trouble is None or trouble.kind not in _REFUSALS):
            business.counts.scheduled += 1
            self._start(business, at_s, _AT_ONCE)
        business.scheduled_s = at_s + (self._every_s or inf)

    def _start(self, business: _Business, at_s: float, lag_s: float) -> None:
        business.started += 1
        starts_s = at_s + lag_s * (0.5 + self._draw(business.id, "lag", business.started))
        lasts_s = self._sync_s * (0.5 + self._draw(business.id, "sync", business.started))
        business.syncs.append(_Sync(starts_s, starts_s + lasts_s))
        business.counts.max_in_flight = max(business.counts.max_in_flight, len(business.syncs))

    def _draw(self, business_id: str, what: str, number: int) -> float:
        """From 0 to just below 1, the same for the same words."""
        words = f"{self._seed} {what} {number} {business_id}".encode(errors="surrogatepass")
        return int.from_bytes(blake2b(words, digest_size=6).digest()) / 2**48


def _end(business: _Business, sync: _Sync) -> None:
    """End a sync, unless it is stuck: then it ends when that does."""
    trouble = business.trouble(sync.ends_s)
    if trouble is not None and trouble.kind is TroubleKind.STUCK:
        sync.ends_s = business.heals_s(trouble)
        return
    business.syncs.remove(sync)
    is_first = sync.ends_s == business.added_s
    if trouble is None or (is_first and trouble.kind is not TroubleKind.FAILING and trouble.reason is None):
        business.last = Status(last_sync_status=SyncStatus.SYNC_SUCCESS, last_synced_s=sync.ends_s)
    else:
        business.last = Status(
            last_sync_status=SyncStatus.SYNC_FAILURE,
            sync_failure_reason=trouble.reason,
            is_retryable_failure=trouble.is_retryable,
            last_synced_s=sync.ends_s,
        )
