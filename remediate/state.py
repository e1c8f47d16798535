"""What is remembered of a connection between two events: plain data.

Knows durations and names, and nothing of what decides or acts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from remediate.decision import Owner, Scope
from remediate.history import NO_HISTORY, History

__all__ = ["BEFORE", "Flight", "Notice", "State", "Ticket", "evolve", "well"]


BEFORE: Final = -1e12
"""Before any time that a clock may tell: some thirty thousand years, in seconds."""


@attrs.frozen(kw_only=True)
class Flight:
    """A trigger whose outcome is not known.

    Attributes:
        at_s: when it was given, or its first answer came.
        before: what was seen before it was given.
        is_answered: an answer to it came, or is known to be lost.
        is_doubtful: the answer leaves open whether it was received.
        is_refused: upstream itself answered that it failed.
        is_seen: a sync was seen running since.
        is_stale: somebody mended the connection since, so its outcome says nothing of the repair.
    """

    number: int
    at_s: float
    before: str
    is_answered: bool = False
    is_doubtful: bool = False
    is_refused: bool = False
    is_seen: bool = False
    is_stale: bool = False


@attrs.frozen(kw_only=True)
class Notice:
    """Somebody was told in this episode."""

    audience: Owner
    first_s: float
    reminders: int = 0


@attrs.frozen(kw_only=True)
class Ticket:
    """A human was asked in this episode."""

    id: str
    owner: Owner
    scope: Scope
    cause: str


@attrs.frozen(kw_only=True, slots=False)
class State:
    """All that is remembered of a connection.

    Attributes:
        key: whose connection it is.
        now_s: the latest time seen.
        asked_s: when the latest answer that counted was asked for.
        episode: how many episodes were opened.
        failing_since_s: since when the open episode, or what is left of it after a repair, lasts.
        attempts: triggers since then, or since one that made progress.
        triggers: triggers ever; the latest has this number.
        attempt_ended_s: when the last attempt ended; a year ago where nothing is left of a wait.
        repaired: somebody has mended the connection, and no attempt has ended since.
        syncing_since_s: since when a sync has been seen running.
        unanswered: how often asking has failed since it last worked.
        unanswered_since_s: since when it fails.
        refused: how many triggers in a row were refused before anything ran.
        refused_since_s: since when they are.
        not_before_s: no sync is triggered before.
        seen: the latest answer about the connection, as plain text.
        awaits_customer: a customer was asked to authorise, and nothing has changed since.
        wanted: a sync is wanted though nothing is wrong, and has not started.
        wanted_since_s: a sync that has succeeded since then is as good; None: none is.
        observes: how many observations were asked for.
        held: an operator wants no sync.
        due_s: when to look again; None: when somebody acts or says something.
        rests: no attempt is under way or planned: it is well, or somebody else has to act first.
    """

    key: str
    now_s: float = BEFORE
    asked_s: float = BEFORE
    episode: int = 0
    failing_since_s: float | None = None
    attempts: int = 0
    triggers: int = 0
    attempt_ended_s: float | None = None
    repaired: bool = False
    syncing_since_s: float | None = None
    unanswered: int = 0
    unanswered_since_s: float | None = None
    refused: int = 0
    refused_since_s: float | None = None
    not_before_s: float = BEFORE
    seen: str = ""
    awaits_customer: bool = False
    wanted: bool = False
    wanted_since_s: float | None = None
    observes: int = 0
    flight: Flight | None = None
    notices: tuple[Notice, ...] = ()
    tickets: tuple[Ticket, ...] = ()
    held: bool = False
    due_s: float | None = None
    rests: bool = False

    @property
    def is_open(self) -> bool:
        """Whether an episode is open."""
        return self.failing_since_s is not None

    @property
    def history(self) -> History:
        """What a decision needs to know, at the latest time seen."""
        since = self.failing_since_s if self.attempt_ended_s is None else self.attempt_ended_s
        if since is None and self.syncing_since_s is None and not self.attempts and not self.repaired:
            return NO_HISTORY
        return History(
            attempts=self.attempts,
            failing_for_s=self._since(self.failing_since_s),
            syncing_for_s=self._since(self.syncing_since_s),
            since_attempt_s=self._since(since),
            repaired=self.repaired,
        )

    def _since(self, moment_s: float | None) -> float:
        return 0.0 if moment_s is None else self.now_s - moment_s


_new: Final = object.__new__
_set: Final = object.__setattr__

if TYPE_CHECKING:
    from attrs import evolve  # whose arguments are checked field by field
else:

    def evolve(state: State, **changes: object) -> State:
        """A state with changes, as of :func:`attrs.evolve` and at a tenth of its cost. Nothing is validated."""
        changed = _new(State)
        _set(changed, "__dict__", {**vars(state), **changes})
        return changed


_NOTHING: Final = evolve(State(key=""))
"""What is remembered of a connection of which nothing is known."""


def well(state: State) -> State:
    """What outlives an episode: where the connection is, and what was counted since the first event of all."""
    return evolve(
        _NOTHING,
        key=state.key,
        now_s=state.now_s,
        asked_s=state.asked_s,
        episode=state.episode,
        triggers=state.triggers,
        syncing_since_s=state.syncing_since_s,
        flight=state.flight,
        held=state.held,
        seen=state.seen,
        observes=state.observes,
    )
