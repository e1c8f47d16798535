"""The sandbox as its users hold it: a world, what disturbs its calls, its tokens and its settings.

Knows no HTTP: the calls come from :mod:`remediate.upstreams.layer.sandbox.app`. May be used from
any thread, while it is served from another.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from math import inf
from threading import RLock
from typing import TYPE_CHECKING

from remediate.decision import Owner
from remediate.errors import InputError
from remediate.upstreams.layer.sandbox.counting import Report
from remediate.upstreams.layer.sandbox.door import Bucket, Tokens
from remediate.upstreams.layer.sandbox.hostile import Disturbance, Disturbances, Hostility
from remediate.upstreams.layer.sandbox.scripting import BusinessScript
from remediate.upstreams.layer.sandbox.world import Trouble, World
from remediate.upstreams.layer.vocabulary import Call

if TYPE_CHECKING:
    from remediate.upstreams.layer.sandbox.app import App

__all__ = ["Sandbox"]


class Sandbox:
    """A Layer on this machine, which behaves as the real one and as badly as it is told.

    Args:
        clock: seconds since the epoch, never backwards; default :func:`time.time`.
        client_id: of the token call's credentials; default `sandbox-id`.
        client_secret: likewise; default `sandbox-secret`.
        seed: of all draws; default 0.
        sync_s: the mean time a sync runs, seconds; default 4. As of :class:`World`, as are the next three.
        start_lag_s: the mean time from a trigger until is_syncing, seconds; default 1.
        every_s: seconds between the syncs that Layer begins by itself; None: none. Default None.
        accepts_overlaps: whether a trigger during a sync starts another; default False.
        token_life_s: how long a token is valid, seconds; default 3600.
        calls_per_s: calls that are let in within each second of the clock; None: any. Default 100.
        enveloped: whether answers are in Layer's envelope; default True; else bare.
        patience_s: the longest that a hang, a slow or an endless answer lasts, seconds of real time
            whatever the clock; default 30.

    Raises:
        InputError: a number is out of range.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        client_id: str = "sandbox-id",
        client_secret: str = "sandbox-secret",  # noqa: S107  # of no use anywhere else
        seed: int = 0,
        sync_s: float = 4.0,
        start_lag_s: float = 1.0,
        every_s: float | None = None,
        token_life_s: float = 3600.0,
        calls_per_s: int | None = 100,
        accepts_overlaps: bool = False,
        enveloped: bool = True,
        patience_s: float = 30.0,
    ) -> None:
        if calls_per_s is not None and calls_per_s < 1:
            raise InputError("expected 1 or more, or None", field="calls_per_s")
        if not 0 < patience_s < inf:
            raise InputError("expected a finite number of seconds above 0", field="patience_s")
        self.clock = clock
        self.client_id = client_id
        self.client_secret = client_secret
        self.enveloped = enveloped
        self.patience_s = patience_s
        self.tokens = Tokens(token_life_s)
        self.bucket = None if calls_per_s is None else Bucket(calls_per_s)
        self._disturbances = Disturbances()
        self._world = World(
            seed=seed, sync_s=sync_s, start_lag_s=start_lag_s, every_s=every_s, accepts_overlaps=accepts_overlaps
        )
        self._lock = RLock()
        self._visits: dict[str, str] = {}

    @cached_property
    def app(self) -> App:
        """The ASGI application; it needs the extra `demo`."""
        from remediate.upstreams.layer.sandbox.app import App

        return App(self)

    @contextmanager
    def world(self) -> Iterator[tuple[World, float]]:
        """The world and the time, for one thread at a time."""
        with self._lock:
            yield self._world, self.clock()

    def add(self, business_id: str, *troubles: Trouble, never_synced: bool = False) -> None:
        """Add a business, or begin it anew with its counts kept.

        Args:
            business_id: any text.
            troubles: of those that hold at once, the first shows; none: it is well.
            never_synced: no sync has run yet; default False: one has just ended.
        """
        with self.world() as (world, now_s):
            world.add(business_id, troubles, now_s, never_synced=never_synced)

    def play(self, business_id: str, script: BusinessScript) -> None:
        """Add a business with a script's troubles and hostilities, in place of those that it had.

        Raises:
            InputError: a hostility is about the token call; nothing has changed then.
        """
        with self._lock:
            self.set_disturbances(business_id, script.hostilities)
            self.add(business_id, *script.troubles, never_synced=script.never_synced)

    def disturb(
        self,
        business_id: str | None,
        hostility: Hostility | str,
        call: Call | str | None = None,
        times: int | None = 1,
    ) -> None:
        """Answer calls badly, after what was asked for before.

        A call without a valid token, or above the rate, meets none and uses none up.

        Args:
            business_id: calls about it; None: every call, the token call too.
            hostility: how.
            call: which calls; None: any. Default None.
            times: how many; None: for ever. Default 1.

        Raises:
            InputError: `times` is below 1, or a token call is asked for with a business.
            ValueError: there is no such hostility or call.
        """
        with self._lock:
            self._disturbances.add(business_id, Disturbance(hostility=hostility, call=call, times=times))

    def set_disturbances(self, business_id: str | None, disturbances: tuple[Disturbance, ...]) -> None:
        """Put these in the place of the disturbances of a business, or of every call.

        Raises:
            InputError: as for :meth:`disturb`; nothing has changed then.
        """
        with self._lock:
            if business_id is not None and any(one.call is Call.TOKEN for one in disturbances):
                raise InputError("a token call is about no business", field="hostilities")
            self._disturbances.clear(business_id)
            for disturbance in disturbances:
                self._disturbances.add(business_id, disturbance)

    def hostility(self, business_id: str | None, call: Call | None) -> Hostility | None:
        """What happens to this call, which uses it up; None: nothing."""
        with self._lock:
            return self._disturbances.take(business_id, call)

    def calm(self, business_id: str | None) -> None:
        """Forget the disturbances of a business; None: those of every call."""
        self.set_disturbances(business_id, ())

    def mend(self, business_id: str, by: Owner | str) -> bool:
        """Somebody does their part; the old failure shows until the next sync has ended.

        Returns:
            Whether there was anything for them to mend.

        Raises:
            LookupError: there is no such business.
            ValueError: there is no such owner.
        """
        with self.world() as (world, now_s):
            return world.mend(business_id, Owner(by), now_s)

    def invite(self, business_id: str) -> str:
        """What a redirect URL carries, so that the customer's visit is known to be about this business."""
        with self._lock:
            state = secrets.token_urlsafe(16)
            self._visits[state] = business_id
            return state

    def visit(self, state: str) -> bool:
        """The customer opens a redirect URL and authorises again; whether it was one of ours."""
        with self._lock:
            business_id = self._visits.get(state)
            if business_id is None:
                return False
            self.mend(business_id, Owner.CUSTOMER)
            return True

    def revoke_tokens(self) -> None:
        """Make every token invalid; the next calls with one are answered 401."""
        with self._lock:
            self.tokens.revoke_all()

    def report(self) -> Report:
        """What happened until now, a copy."""
        with self.world() as (world, now_s):
            return world.report(now_s)
