"""What happens to a connection, and what its life asks for: the words between the machine and its drivers.

Knows observations and decisions, and nothing of how a command is carried out. Every command has an
id that stays the same however often it is given, and is never given to another.
"""

from __future__ import annotations

import attrs

from remediate.decision import Decision, Owner, Scope
from remediate.observation import Observation

__all__ = ["Accepted", "Command", "Event", "Held", "Late", "Mended", "Notify", "Observe", "Observed", "OpenTicket"]
__all__ += ["Refused", "Released", "Request", "ResolveTicket", "TimePassed", "Trigger", "WaitUntil", "Wanted"]


@attrs.frozen(kw_only=True)
class Observed:
    """The upstream was asked, and this is the answer.

    Attributes:
        asked_s: when it was asked; an answer that was overtaken by a later one is passed over.
    """

    observation: Observation
    asked_s: float


@attrs.frozen(kw_only=True)
class Accepted:
    """The trigger of this number was answered: a sync will run."""

    number: int


@attrs.frozen(kw_only=True)
class Refused:
    """The trigger of this number was refused, or got no answer."""

    number: int
    observation: Observation


@attrs.frozen(kw_only=True)
class Late:
    """The trigger of this number may have gone out when another was already entitled to give one."""

    number: int


@attrs.frozen(kw_only=True)
class Mended:
    """A customer came back, a human mended something, or a ticket was resolved.

    Attributes:
        ticket: the ticket; should the repair not help, it is asked for again, as is any for the whole fleet.
        at_once: the trouble was everyone's, and who starts when is another's word: nothing of a wait is left.
    """

    by: str
    why: str = ""
    ticket: str = ""
    at_once: bool = False


@attrs.frozen(kw_only=True)
class Held:
    """An operator wants no sync to be triggered."""

    by: str
    why: str = ""


@attrs.frozen(kw_only=True)
class Released:
    """An operator lets syncs be triggered again."""

    by: str
    why: str = ""


@attrs.frozen(kw_only=True)
class Wanted:
    """A sync is wanted, as a schedule or a job wants one: it starts if the connection is well.

    Attributes:
        since_s: one that upstream ran by itself and that succeeded since then will do, seconds since the epoch;
            None: none will.
    """

    by: str
    why: str = ""
    since_s: float | None = None


@attrs.frozen(kw_only=True)
class TimePassed:
    """It is later now."""


Event = Observed | Accepted | Refused | Late | Mended | Held | Released | Wanted | TimePassed


@attrs.frozen(kw_only=True)
class Observe:
    """Ask the upstream for the status."""

    id: str


@attrs.frozen(kw_only=True)
class Trigger:
    """Trigger a sync, once; answer with :class:`Accepted` or :class:`Refused` of this number.

    Attributes:
        decision: why.
    """

    id: str
    number: int
    decision: Decision


@attrs.frozen(kw_only=True)
class WaitUntil:
    """Nothing to do until then.

    Attributes:
        at_s: when to say that time passed; None: not before somebody acts or says something.
        rests: no attempt is under way or planned: it is well, or somebody else has to act first.
        decision: the answer that it waits on; None: it waits for something else.
    """

    id: str
    at_s: float | None
    rests: bool = False
    decision: Decision | None = None


@attrs.frozen(kw_only=True)
class Notify:
    """Tell somebody.

    Attributes:
        reminder: 0 for the first notice, then 1, 2, ….
        decision: what to tell: `next_steps` has the words.
    """

    id: str
    audience: Owner
    reminder: int
    decision: Decision


@attrs.frozen(kw_only=True)
class OpenTicket:
    """Ask a human.

    A ticket for the whole fleet has one id for all connections and episodes: it is opened where none
    of that id is open.

    Attributes:
        cause: the rule that decided, or that reminders had no answer.
        decision: what it is about.
    """

    id: str
    owner: Owner
    scope: Scope
    cause: str
    decision: Decision


@attrs.frozen(kw_only=True)
class ResolveTicket:
    """The trouble behind a ticket of this connection is over."""

    id: str
    ticket: str


Request = Notify | OpenTicket | ResolveTicket
"""What is asked of others: a notice, a ticket, a ticket's end."""

Command = Observe | Trigger | WaitUntil | Request
