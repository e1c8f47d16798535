"""The four answers, and the JSON object that each one is.

Knows neither policies nor observations: a decision is plain, frozen data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Final

import attrs

__all__ = ["Action", "Cause", "Decision", "Escalate", "Evidence", "Flow", "NextSteps", "NoOp", "Owner", "PolicyStamp"]
__all__ += ["SYNC", "Reauth", "Retry", "Scope", "acts_next", "as_dict", "headline"]

SYNC: Final = "sync"
"""What a retry repeats when it triggers a sync."""


NO_KEY: Final = "no_key"
"""The anomaly of a retry that was decided without a key: its jitter is everyone's."""


class Action(StrEnum):
    """What a decision tells to do."""

    RETRY = "retry"
    REAUTH = "reauth"
    ESCALATE = "escalate"
    NO_OP = "no_op"


class Owner(StrEnum):
    """Who can act: the business itself, our people who talk to it, the team that runs the engine, upstream."""

    CUSTOMER = "customer"
    SUPPORT = "support"
    ENGINEERING = "engineering"
    PROVIDER = "provider"


class Scope(StrEnum):
    """Whether a ticket is one per connection, or one for the whole fleet."""

    CONNECTION = "connection"
    INTEGRATION = "integration"


class Flow(StrEnum):
    """How a customer authorises again: renew the same connection, or make a new one."""

    REAUTHORIZE = "reauthorize"
    NEW_CONNECTION = "new_connection"


class Cause(StrEnum):
    """Why there is nothing to do."""

    HEALTHY = "healthy"
    IN_PROGRESS = "in_progress"
    NOT_CONNECTED = "not_connected"
    NEVER_SYNCED = "never_synced"
    UNCONFIRMED = "unconfirmed"
    ARCHIVED = "archived"
    GONE = "gone"
    ALREADY_DONE = "already_done"

    @property
    def may_sync(self) -> bool:
        """Whether a sync may be triggered now: there is nothing to wait for, and nobody has to act."""
        return self in (Cause.HEALTHY, Cause.NEVER_SYNCED)


class Evidence(StrEnum):
    """What an observation says about upstream as a whole.

    ``upstream``: it is suspect. ``alive`` and ``connection``: it answered, and in the second the
    trouble is this connection's own. ``authorisation``: a grant is at fault. ``missing``: it does
    not know the business. ``opaque``: it failed without saying why. ``none``: nothing.
    """

    UPSTREAM = "upstream"
    AUTHORISATION = "authorisation"
    CONNECTION = "connection"
    OPAQUE = "opaque"
    ALIVE = "alive"
    MISSING = "missing"
    NONE = "none"


@attrs.frozen(kw_only=True)
class NextSteps:
    """What each party does next, in words that can be read out; None: nothing.

    Attributes:
        customer: the business whose connection it is.
        support: our people who talk to it.
        engineering: the team that runs the engine.
        provider: upstream's people.
    """

    customer: str | None = None
    support: str | None = None
    engineering: str | None = None
    provider: str | None = None

    def of(self, owner: Owner) -> str | None:
        """The words for one party."""
        words: str | None = getattr(self, owner.value)
        return words


@attrs.frozen(kw_only=True)
class PolicyStamp:
    """Which policy decided: its name, its revision, and the SHA-256 of its file in hex."""

    name: str
    revision: str
    sha256: str


@attrs.frozen(kw_only=True, slots=False)
class _Verdict:
    """What every decision says beside its action.

    Attributes:
        may_sync: whether a sync may be triggered now.
        look_again_s: observe again after so many seconds even if nothing happens; None: never.
        evidence: what this says about upstream.
        anomalies: facts that do not fit, in alphabetical order.
        rule: the policy's rule that decided.
        because: why, in one sentence for a person.
        next_steps: what each party does next.
        policy: which policy decided.
    """

    may_sync: bool
    look_again_s: float | None
    evidence: Evidence
    anomalies: tuple[str, ...]
    rule: str
    because: str
    next_steps: NextSteps
    policy: PolicyStamp


@attrs.frozen(kw_only=True, slots=False)
class Retry(_Verdict):
    """Do it again when the delay has run out.

    Attributes:
        schedule: the policy's schedule that the wait comes from.
        repeats: ``sync``, or the call that failed.
        attempt: the attempt that this retry would be, from 1.
        delay_s: seconds that remain to wait, from 0; a sync may start at 0.
        ceiling_s: the longest that the whole wait could have been, seconds.
    """

    action: ClassVar[Action] = Action.RETRY
    schedule: str
    repeats: str
    attempt: int
    delay_s: float
    ceiling_s: float


@attrs.frozen(kw_only=True, slots=False)
class Reauth(_Verdict):
    """A customer must act in a browser; nothing is triggered until they have.

    Attributes:
        flow: renew the same connection, or make a new one.
        system: where they authorise, for instance ``quickbooks``.
    """

    action: ClassVar[Action] = Action.REAUTH
    flow: Flow
    system: str


@attrs.frozen(kw_only=True, slots=False)
class Escalate(_Verdict):
    """A human must act.

    Attributes:
        owner: who can.
        scope: one ticket for this connection, or one for the whole fleet.
    """

    action: ClassVar[Action] = Action.ESCALATE
    owner: Owner
    scope: Scope


@attrs.frozen(kw_only=True, slots=False)
class NoOp(_Verdict):
    """Nothing to do, and why."""

    action: ClassVar[Action] = Action.NO_OP
    cause: Cause


Decision = Retry | Reauth | Escalate | NoOp
"""Every answer that there is."""

_SHARED: Final = len(attrs.fields(_Verdict))


def as_dict(decision: Decision) -> dict[str, Any]:
    """The JSON object of a decision: the action, what it says of itself, then what every decision says."""
    names = [field.name for field in attrs.fields(type(decision))]
    ordered = names[_SHARED:] + names[:_SHARED]
    values: dict[str, Any] = {name: getattr(decision, name) for name in ordered}
    values["anomalies"] = list(decision.anomalies)
    values["next_steps"] = attrs.asdict(decision.next_steps)
    values["policy"] = attrs.asdict(decision.policy)
    return {"action": decision.action, **values}


def headline(decision: Decision) -> str:
    """The answer in a few words: the action and its details, without times and reasons."""
    match decision:
        case Retry(schedule=schedule):
            return f"retry {schedule}"
        case Reauth(flow=flow, system=system):
            return f"reauth {flow} {system}"
        case Escalate(owner=owner, scope=scope):
            return f"escalate {owner} {scope}"
        case _:
            return f"no_op {decision.cause}"


def acts_next(decision: Decision) -> Owner | None:
    """Who has to act before anything gets better; None: nobody, the engine goes on by itself."""
    match decision:
        case Reauth():
            return Owner.CUSTOMER
        case Escalate(owner=owner):
            return owner
        case _:
            return None
