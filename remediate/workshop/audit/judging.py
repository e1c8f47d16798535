"""One connection's lines, earliest first: what each sync came to, who was told, and what waited.

Knows an engine, whose answers are the measure; and not where lines come from. What was answered
to a status says whether a sync can help: a retry may, a demand on a person says that none can.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from math import inf
from typing import Final

import attrs

from remediate.decision import Cause, Decision, Escalate, Evidence, NoOp, Owner, Reauth, Retry, acts_next, headline
from remediate.engine import Engine
from remediate.history import NO_HISTORY, History
from remediate.observation import Observation
from remediate.workshop.audit.columns import Event
from remediate.workshop.audit.findings import Audit, Finding
from remediate.workshop.audit.logs import Line
from remediate.workshop.tallying import Asked, count

__all__ = ["Judge"]

_DEFINITE: Final = (Cause.NOT_CONNECTED, Cause.GONE, Cause.ARCHIVED)
_NOT_DUE: Final = "not yet due"
_UNSEEN: Final = "look first: nothing is known"


class _Nature(Enum):
    """What an answer says of the next sync."""

    WELL = "it is well"
    RUNNING = "one is running"
    PASSING = "it may help"
    DEFINITE = "it can't help"
    OPEN = "nothing is known"


def _nature(decision: Decision) -> _Nature:
    match decision:
        case NoOp(cause=Cause.HEALTHY):
            return _Nature.WELL
        case NoOp(cause=Cause.IN_PROGRESS):
            return _Nature.RUNNING
        case Retry():
            return _Nature.PASSING
        case Reauth() | Escalate():
            return _Nature.DEFINITE
        case NoOp(cause=cause) if cause in _DEFINITE:
            return _Nature.DEFINITE
        case _:
            return _Nature.OPEN


def _passed_s(since_s: float | None, at_s: float) -> float:
    """Seconds since a moment; 0 where there is none, or it is later, as a repair after the latest look is."""
    return 0.0 if since_s is None else max(0.0, at_s - since_s)


@attrs.define(kw_only=True)
class _Attempt:
    """A sync whose outcome is not known yet.

    Attributes:
        before: what was seen before it.
        verdict: what was answered to that; None: nothing was seen.
        is_allowed: the policy would have let it start.
        is_accepted: the trigger was answered: it will run.
        is_seen: a sync was seen running since.
    """

    at_s: float
    before: Observation | None
    verdict: Decision | None
    is_allowed: bool
    is_accepted: bool = False
    is_seen: bool = False


@attrs.define(kw_only=True)
class _Due:
    """An attempt that the policy waits for: when at the latest it would make it, and until when it would at all."""

    at_s: float
    until_s: float
    attempt: int


@attrs.define(kw_only=True)
class Judge:
    """Judges one connection.

    Attributes:
        audit: what is counted goes there.
        fleet: rules that asked for the whole fleet before.
        ends_s: the last moment of the log.
        tells: whether the log tells who was told.
    """

    engine: Engine
    audit: Audit
    key: str
    fleet: set[str]
    ends_s: float
    tells: bool
    _status: Observation | None = None
    _verdict: Decision | None = None
    _seen_s: float = 0.0
    _pending: _Attempt | None = None
    _failing_s: float | None = None
    _attempts: int = 0
    _attempted_s: float | None = None
    _running_s: float | None = None
    _mended: bool = False
    _due: _Due | None = None
    _told: dict[str, list[float]] = attrs.field(factory=dict)
    _untold_s: float | None = None
    _asked: Asked = attrs.field(factory=Asked)
    _waste: int = 0

    def judge(self, lines: Iterable[Line]) -> None:
        """Take every line, and draw the balance."""
        for line in lines:
            match line.event:
                case Event.STATUS if line.observation is not None:
                    self._observed(line.observation, line.at_s)
                case Event.SYNC:
                    self._synced(line.observation, line.at_s)
                case Event.TOLD:
                    self._was_told(line.to, line.at_s)
                case _:
                    self._was_mended(line.at_s)
        self._end_attempt()
        self._end_wait(self.ends_s)
        self._end_untold(self.ends_s, is_over=True)
        self.audit.ranked(self._waste, self.key)

    def _find(self, finding: Finding, at_s: float, why: str) -> None:
        self._waste += 1
        self.audit.found(finding, self.key, at_s, why)

    def _history(self, at_s: float) -> History:
        """What the policy would know: of the syncs only those that it would have let start count."""
        since_s = self._failing_s if self._attempted_s is None else self._attempted_s
        return History(
            attempts=self._attempts,
            failing_for_s=_passed_s(self._failing_s, at_s),
            syncing_for_s=_passed_s(self._running_s, at_s),
            since_attempt_s=_passed_s(since_s, at_s),
            repaired=self._mended,
        )

    def _decide(self, observation: Observation, history: History = NO_HISTORY) -> Decision:
        return self.engine.decide(observation, history, self.key)

    # What upstream said.

    def _observed(self, observation: Observation, at_s: float) -> None:
        if not observation.describes:
            return  # asking failed, which says nothing of the connection
        verdict = self._decide(observation)
        nature = _nature(verdict)
        if nature is _Nature.RUNNING:
            self._running_s = at_s if self._running_s is None else self._running_s
            if self._pending is not None:
                self._pending.is_seen = True
        elif self._pending is not None and not self._is_old(observation, at_s):
            self._resolve(verdict, at_s)
        if nature is not _Nature.RUNNING:
            self._running_s = None
        self._status, self._verdict, self._seen_s = observation, verdict, at_s
        if nature is _Nature.WELL:
            self._end_wait(at_s)
            self._end_untold(at_s, is_over=True)
            self._failing_s = self._attempted_s = None
            self._attempts, self._told, self._mended = 0, {}, False
        elif nature is not _Nature.RUNNING and self._failing_s is None:
            self._failing_s = at_s
        self._ask(self._decide(observation, self._history(at_s)), at_s)

    def _is_old(self, observation: Observation, at_s: float) -> bool:
        """Whether this is what was seen before the sync, and may still be shown."""
        pending = self._pending
        if pending is None or pending.is_seen or observation != pending.before:
            return False
        return at_s < pending.at_s + self.engine.policy.episode.settling_s

    def _ask(self, decision: Decision, at_s: float) -> None:
        """What the policy would do now: what waits for an attempt or for a word to the customer begins or ends."""
        count(self.audit.planned, self._asked, self.fleet, decision)
        if not isinstance(decision, Retry):
            self._end_wait(at_s)
        elif self._due is None or self._due.attempt != decision.attempt:
            self._end_wait(at_s)
            within_s = self.engine.policy.schedules[decision.schedule].within_s
            until_s = inf if within_s is None or self._failing_s is None else self._failing_s + within_s
            self._due = _Due(at_s=at_s + decision.ceiling_s, until_s=until_s, attempt=decision.attempt)
        if acts_next(decision) is Owner.CUSTOMER:
            if self._untold_s is None and Owner.CUSTOMER not in self._told:
                self._untold_s = at_s
        elif _nature(decision) is not _Nature.RUNNING:
            self._end_untold(at_s, is_over=True)

    # Syncs.

    def _synced(self, answer: Observation | None, at_s: float) -> None:
        self.audit.syncs += 1
        is_allowed = self._permit(at_s)
        self._end_wait(at_s)
        said = None if answer is None else self._decide(answer)
        if answer is None or said is None:
            self._begin(at_s, is_allowed=is_allowed)
        elif answer.describes:
            self._begin(at_s, is_allowed=is_allowed, is_accepted=_nature(said) is _Nature.RUNNING)
            if _nature(said) is not _Nature.RUNNING:
                self._resolve(said, at_s)
                self._observed(answer, at_s)
        elif isinstance(said, NoOp) and said.cause == Cause.UNCONFIRMED:
            self._begin(at_s, is_allowed=is_allowed)
        elif _nature(said) is _Nature.RUNNING:
            self._find(Finding.OVERLAPPING, at_s, "refused, for one was running")
        else:
            self.audit.refused[headline(said)] += 1

    def _begin(self, at_s: float, *, is_allowed: bool, is_accepted: bool = False) -> None:
        if self._is_running(at_s):
            self._find(Finding.OVERLAPPING, at_s, "another was told to run")
        self._end_attempt()
        verdict = None if self._mended else self._verdict
        self._pending = _Attempt(
            at_s=at_s, before=self._status, verdict=verdict, is_allowed=is_allowed, is_accepted=is_accepted
        )

    def _is_running(self, at_s: float) -> bool:
        """Whether a sync is said to run: seen so not too long ago, or accepted and not seen since."""
        pending = self._pending
        if pending is not None and pending.is_accepted and not pending.is_seen:
            return at_s < pending.at_s + self.engine.policy.episode.settling_s
        return self._status is not None and _nature(self._decide(self._status, self._history(at_s))) is _Nature.RUNNING

    def _permit(self, at_s: float) -> bool:
        """Whether the policy would have let a sync start at this moment; what it would have answered is counted."""
        if self._status is None:
            self.audit.instead[_UNSEEN] += 1
            return False
        decision = self._decide(self._status, self._history(at_s))
        if decision.may_sync:
            self.audit.allowed += 1
            self._attempts += self._failing_s is not None
            self._attempted_s = at_s if self._failing_s is not None else None
        else:
            self.audit.instead[_NOT_DUE if isinstance(decision, Retry) else headline(decision)] += 1
        return decision.may_sync

    def _end_attempt(self) -> None:
        """The last word on a sync, when the next begins or the log ends: one that runs for too long is stuck."""
        pending = self._pending
        if pending is None:
            return
        outcome = None
        if self._status is not None and self._verdict is not None and self._seen_s > pending.at_s:
            is_running = _nature(self._verdict) is _Nature.RUNNING
            outcome = self._decide(self._status, self._history(self._seen_s)) if is_running else self._verdict
        if outcome is None or _nature(outcome) is _Nature.RUNNING:
            self.audit.unknown += 1
            self._pending = None
        else:
            self._resolve(outcome, self._seen_s)

    def _resolve(self, outcome: Decision, at_s: float) -> None:
        pending, self._pending = self._pending, None
        if pending is None:
            return
        if self._attempted_s == pending.at_s:
            self._attempted_s = at_s
        before = pending.verdict
        match _nature(outcome):
            case _Nature.WELL:
                self.audit.succeeded += 1
            case _Nature.DEFINITE:
                self._mended = False
                self.audit.reasons[headline(outcome)] += 1
                self.audit.foreseen += before is not None and _nature(before) is _Nature.DEFINITE
                self._find(Finding.FUTILE, pending.at_s, outcome.because)
            case _Nature.PASSING:
                self._mended = False
                self.audit.passing += 1
                was_down = before is not None and before.evidence == outcome.evidence == Evidence.UPSTREAM
                if was_down and not pending.is_allowed:
                    self._find(Finding.HAMMERING, pending.at_s, outcome.because)
            case _:
                self.audit.unknown += 1

    # People.

    def _was_told(self, to: str, at_s: float) -> None:
        self.audit.told = (self.audit.told or 0) + 1
        decision = None if self._status is None else self._decide(self._status, self._history(at_s))
        moments = self._told.setdefault(to, [])
        reminders = self.engine.policy.episode.reminders_s
        due = [moments[0] + after_s for after_s in reminders if moments[0] + after_s > moments[-1]] if moments else []
        if moments and (not due or at_s < due[0]):
            self._find(Finding.TOLD_AGAIN, at_s, f"{to} was told before, and no reminder was due")
        elif to == Owner.CUSTOMER and decision is not None and acts_next(decision) is not Owner.CUSTOMER:
            self._find(Finding.NEEDLESS, at_s, f"nothing was theirs to do: {headline(decision)}")
        moments.append(at_s)
        if to == Owner.CUSTOMER:
            self._end_untold(at_s, is_over=False)

    def _was_mended(self, at_s: float) -> None:
        self._mended = True
        self._attempts, self._attempted_s = 0, None
        self._failing_s = None if self._failing_s is None else at_s
        self._end_untold(at_s, is_over=True)
        if self._status is not None:
            self._ask(self._decide(self._status, self._history(at_s)), at_s)

    # What waits.

    def _end_wait(self, at_s: float) -> None:
        """An attempt was made, or need not be: how long after the policy's own wait."""
        due, self._due = self._due, None
        if due is not None and min(at_s, due.until_s) > due.at_s:
            late_s = min(at_s, due.until_s) - due.at_s
            self.audit.waited_s += late_s
            self._find(Finding.WAITED, due.at_s, f"attempt {due.attempt} was due, and not made for {late_s:.0f} s")

    def _end_untold(self, at_s: float, *, is_over: bool) -> None:
        since_s, self._untold_s = self._untold_s, None
        if since_s is None or not self.tells:
            return
        self.audit.untold_s += at_s - since_s
        if is_over:
            self._find(Finding.NEVER_TOLD, since_s, "only the customer could act")
