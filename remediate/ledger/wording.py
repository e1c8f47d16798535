"""Why a connection does not start now, in words for people.

Knows how a fleet stands, and no database. Times are UTC, with their date where that is not today's.
"""

from __future__ import annotations

from datetime import UTC, datetime

from remediate.errors import printable
from remediate.fleet import Incident, Phase, Standing, Trouble

__all__ = ["clock_time", "reason", "trouble"]

_UNSPENT = "your attempts are not being used up"


def clock_time(at_s: float, now_s: float) -> str:
    """A time for people."""
    at, now = datetime.fromtimestamp(at_s, UTC), datetime.fromtimestamp(now_s, UTC)
    return at.strftime("%H:%M UTC" if at.date() == now.date() else "%Y-%m-%d %H:%M UTC")


def trouble(incident: Incident, now_s: float) -> str:
    """What an incident is, and since when."""
    whom = "everyone" if incident.tenant is None else f"all of tenant `{printable(incident.tenant)}`"
    since = f"since {clock_time(incident.since_s, now_s)}"
    match incident.trouble:
        case Trouble.AUTHORISATION:
            return f"upstream has been refusing authorisation to {whom} {since}"
        case Trouble.MISSING:
            return f"upstream has not known many connections {since}"
        case Trouble.OPERATOR:
            why = f" ({printable(incident.why)})" if incident.why else ""
            return f"`{printable(incident.by)}` has been holding {whom} {since}{why}"
        case _:
            return f"upstream has been failing for {whom} {since}"


def reason(standing: Standing, incident: Incident | None, now_s: float) -> str:
    """Why a connection that is due does not start now.

    Args:
        incident: the one that it is in; None: it is in none.
    """
    if standing.phase == Phase.CONFIRMING and incident is None:
        return f"upstream seems to be failing for everyone, which a few attempts are to confirm; {_UNSPENT}"
    if incident is None:
        return (
            f"waits for its turn: {standing.waiting} wait, {standing.under_way} of {standing.places} places are taken"
        )
    if standing.phase == Phase.RECOVERING and incident.tenant is None:
        return f"{trouble(incident, now_s)}, and answers again; {standing.waiting} are readmitted in turn; {_UNSPENT}"
    probe = "" if standing.next_probe_s is None else f"next probe {clock_time(standing.next_probe_s, now_s)}; "
    return f"{trouble(incident, now_s)}; {probe}{_UNSPENT}"
