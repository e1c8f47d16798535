"""A policy as a person writes it: rules in order, schedules, limits, and what must hold.

Knows no file format and no upstream: names are checked against an upstream when it is compiled.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Final

import attrs

from remediate.decision import Cause, Evidence, Flow, NextSteps, Owner, PolicyStamp, Scope
from remediate.fleet.parameters import Fleet
from remediate.history import Bounds
from remediate.schedule import Backoff

__all__ = [
    "Anomaly",
    "AsIf",
    "Cadence",
    "Condition",
    "EscalateThen",
    "Invariant",
    "Limit",
    "LookAgain",
    "NoOpThen",
    "Outcome",
]
__all__ += ["Policy", "ReauthThen", "Repair", "RetryAfter", "RetryThen", "Rule", "Schedule", "Section", "Spent", "Then"]


_NO_STEPS: Final = NextSteps()


@attrs.frozen
class Condition:
    """The values that a rule takes of one field, as written: axis values, groups, `present`, true, false."""

    values: tuple[str | bool, ...]


When = Mapping[str, Condition]


@attrs.frozen(kw_only=True)
class RetryThen:
    """Retry on a schedule.

    Attributes:
        retry: the schedule that says how long to wait, and how often.
    """

    retry: str


@attrs.frozen(kw_only=True)
class ReauthThen:
    """Send the customer through authorisation in a system.

    Attributes:
        reauth: whether they renew the connection or make a new one.
        system: where they authorise.
    """

    reauth: Flow
    system: str


@attrs.frozen(kw_only=True)
class EscalateThen:
    """Ask a human.

    Attributes:
        escalate: who can act.
        scope: whether there is one ticket a connection, or one for the whole fleet.
    """

    escalate: Owner
    scope: Scope


@attrs.frozen(kw_only=True)
class NoOpThen:
    """Nothing to do. Exactly one of the other two is set, but for a cause that never looks again.

    Attributes:
        no_op: why there is nothing to do.
        look_again_s: observe again after so many seconds; None: never, or `look_again` says.
        look_again: the schedule whose wait comes before observing again.
    """

    no_op: Cause
    look_again_s: float | None = None
    look_again: str | None = None


@attrs.frozen(kw_only=True)
class AsIf:
    """What the same combination answers with these fields set so, one value a field."""

    as_if: Mapping[str, Condition]


Then = RetryThen | ReauthThen | EscalateThen | NoOpThen


@attrs.frozen(kw_only=True)
class Outcome:
    """An answer in full: what to do, why, and what each party does next."""

    then: Then
    because: str
    next_steps: NextSteps = _NO_STEPS

    @property
    def schedule(self) -> str | None:
        """The name of the schedule that times this answer, if one does."""
        match self.then:
            case RetryThen(retry=name) | NoOpThen(look_again=name):
                return name
            case _:
                return None

    @property
    def asks_a_person(self) -> bool:
        """Whether somebody has to act before a sync can help."""
        return isinstance(self.then, ReauthThen | EscalateThen)


@attrs.frozen(kw_only=True)
class Spent:
    """What follows a limit that is passed. With `as_if`, the next steps are those of the answer it leads to.

    Attributes:
        then: what is answered then.
        because: why, in one sentence for a person.
    """

    then: Then | AsIf
    because: str
    next_steps: NextSteps = _NO_STEPS


@attrs.frozen(kw_only=True)
class Schedule:
    """Waits between attempts, their bounds, and what follows when they are used up.

    Attributes:
        first_s: bound of the first wait, seconds, above 0.
        factor: growth of the bound an attempt, from 1.
        ceiling_s: no bound is above it, seconds.
        floor_s: no wait is below it, seconds; default 5.
        attempts: how many there are, from 1.
        within_s: no attempt is made once an episode lasted so long, seconds.
        spent: what follows; None: the rule's own answer, which only a repair may ask for.
    """

    first_s: float
    factor: float
    ceiling_s: float
    attempts: int
    floor_s: float = 5.0
    within_s: float | None = None
    spent: Spent | None = None

    @cached_property
    def backoff(self) -> Backoff:
        """The arithmetic of the waits."""
        return Backoff(first_s=self.first_s, factor=self.factor, ceiling_s=self.ceiling_s, floor_s=self.floor_s)

    @property
    def bounds(self) -> Bounds:
        """When it is used up."""
        return Bounds(attempts=self.attempts, failing_for_s=self.within_s)


@attrs.frozen(kw_only=True)
class Limit:
    """A bound on the history, and what follows it. At least one bound is set.

    Attributes:
        spent: what follows.
        attempts: how many there may be in an episode, from 1.
        failing_for_s: how long an episode may last, seconds.
        syncing_for_s: how long a sync may run, seconds.
    """

    spent: Spent
    attempts: int | None = None
    failing_for_s: float | None = None
    syncing_for_s: float | None = None

    @property
    def bounds(self) -> Bounds:
        """When it is passed."""
        return Bounds(attempts=self.attempts, failing_for_s=self.failing_for_s, syncing_for_s=self.syncing_for_s)


@attrs.frozen(kw_only=True)
class Rule:
    """Where every condition holds, and no earlier rule matched, this is the answer.

    Attributes:
        name: unique in its section.
        when: a condition a field; an unnamed field may have any value.
        then: what is answered.
        because: why, in one sentence for a person that holds wherever the rule decides.
        evidence: what the observation says about upstream; a limit or a repair keeps it.
        limit: the name of a limit on the history; a schedule's own bounds need no name.
        repairable: whether a repair turns a demand on a person into one resuming sync; default False.
    """

    name: str
    when: When
    then: Then
    because: str
    evidence: Evidence
    next_steps: NextSteps = _NO_STEPS
    limit: str | None = None
    repairable: bool = False

    @property
    def outcome(self) -> Outcome:
        """The rule's own answer, within its limit."""
        return Outcome(then=self.then, because=self.because, next_steps=self.next_steps)


@attrs.frozen(kw_only=True)
class Anomaly:
    """A fact that does not fit. Several of one name are one fact that shows in several ways.

    Attributes:
        name: as decisions carry it.
        when: a condition a field; it may ask of more fields than a rule, whether they are present.
    """

    name: str
    when: When


@attrs.frozen(kw_only=True)
class Invariant:
    """What must hold wherever the conditions do: within and past limits, and repaired unless said otherwise.

    Attributes:
        name: unique in its section.
        when: a condition a field.
        never: actions that may not be answered.
        only: actions of which one must be answered; exactly one of the two is set.
        unless_repaired: whether a repaired connection is exempt; default False.
    """

    name: str
    when: When
    never: Condition | None = None
    only: Condition | None = None
    unless_repaired: bool = False


@attrs.frozen(kw_only=True)
class Repair:
    """What a repairable rule answers once, after somebody has mended the connection.

    Attributes:
        schedule: that of the resuming sync.
        because: why, in one sentence for a person.
    """

    schedule: str
    because: str

    @property
    def outcome(self) -> Outcome:
        """The resuming sync."""
        return Outcome(then=RetryThen(retry=self.schedule), because=self.because)


@attrs.frozen(kw_only=True)
class Section:
    """The rules for one kind of observation.

    Attributes:
        rules: in order; the first that matches decides.
        anomalies: every one that holds is told beside the answer.
        invariants: what is proven of every combination.
        repair: what follows a repair; needed where a rule is repairable.
    """

    rules: tuple[Rule, ...]
    anomalies: tuple[Anomaly, ...] = ()
    invariants: tuple[Invariant, ...] = ()
    repair: Repair | None = None


@attrs.frozen(kw_only=True)
class LookAgain:
    """When to observe again although a person has to act, seconds: they may act without telling.

    Attributes:
        reauth: while a customer has to authorise.
        escalate: while somebody was asked.
    """

    reauth: float
    escalate: float


@attrs.frozen(kw_only=True)
class RetryAfter:
    """What follows when upstream asks for a longer pause than `longest_s` seconds.

    Attributes:
        longest_s: the longest pause that is kept, seconds.
        then: what is answered instead of a longer one.
        because: why, in one sentence for a person.
    """

    longest_s: float
    then: Then
    because: str
    next_steps: NextSteps = _NO_STEPS

    @property
    def outcome(self) -> Outcome:
        """The answer instead of the wait."""
        return Outcome(then=self.then, because=self.because, next_steps=self.next_steps)


@attrs.frozen(kw_only=True)
class Cadence:
    """The pace of an episode.

    Attributes:
        settling_s: how long after a trigger the old answer may linger, seconds; default 60.
        poll_s: how soon to look after a trigger, and again while the answer is the old one; default 10.
        look_again_s: when to look again while an operator holds a connection back, or while its
            customer has not come back yet; default 1 hour.
        reminders_s: when somebody who was told is reminded, seconds after the first notice, rising;
            default 3 and 7 days.
        escalate_after_s: when a person is asked instead, seconds after the first notice, beyond the
            last reminder; default 14 days.
    """

    settling_s: float = 60.0
    poll_s: float = 10.0
    look_again_s: float = 3600.0
    reminders_s: tuple[float, ...] = (3 * 86400.0, 7 * 86400.0)
    escalate_after_s: float = 14 * 86400.0


_DEFAULT_CADENCE: Final = Cadence()
_DEFAULT_FLEET: Final = Fleet()


@attrs.frozen(kw_only=True)
class Policy:
    """Everything that a policy file says, as read; :mod:`remediate.compiling` proves it.

    Attributes:
        name: as decisions carry it.
        upstream: whose observations it answers.
        revision: changed with every change of the policy.
        summary: what it answers, in one line.
        look_again_s: when to observe again although a person has to act.
        retry_after: what follows when upstream asks for a long pause.
        schedules: waits between attempts, by name.
        episode: the pace of an episode.
        fleet: when trouble is everyone's, and how a fleet is held and readmitted.
        limits: bounds on the history that are no schedule's, by name.
        groups: named sets of values, by field.
        sections: the rules by kind of observation.
        sha256: of the file's bytes, in hex.
        source: where it came from, for messages.
    """

    name: str
    upstream: str
    revision: str
    summary: str
    look_again_s: LookAgain
    retry_after: RetryAfter
    schedules: Mapping[str, Schedule]
    sections: Mapping[str, Section]
    episode: Cadence = _DEFAULT_CADENCE
    fleet: Fleet = _DEFAULT_FLEET
    limits: Mapping[str, Limit] = attrs.field(factory=dict)
    groups: Mapping[str, Mapping[str, tuple[str, ...]]] = attrs.field(factory=dict)
    sha256: str = ""
    source: str = "policy"

    @property
    def stamp(self) -> PolicyStamp:
        """What a decision carries to say which policy decided."""
        return PolicyStamp(name=self.name, revision=self.revision, sha256=self.sha256)
