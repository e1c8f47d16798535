"""What a policy says of the fleet: when trouble is everyone's, how it is probed, and how fast it is readmitted.

Knows nothing but numbers. Each has its unit, its range and its reason.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

__all__ = ["Fleet", "problems"]


@attrs.frozen(kw_only=True)
class Fleet:
    """The parameters of a :class:`~remediate.fleet.Governor`.

    Attributes:
        fails_calm: the share of attempts that fail by upstream's fault while it is well, from 0 to 1;
            default 0.03. While more fail, and others succeed, the measured share takes its place.
        fails_down: the share that fails while it is down, above `fails_calm`, below 1; default 0.98.
        suspicion: the sum of log-likelihood ratios at which an outage is suspected, above 0; default 9,
            which is three failures in a row.
        refused_calm: the share whose authorisation is refused while upstream is well; default 0.005.
        refused_down: the share while upstream refuses everyone; default 0.8.
        refused_suspicion: as `suspicion`; default 15, which is three refusals in a row.
        canaries: attempts that must all fail before an outage is believed, from 1; default 4.
        probe_first_s: the wait between probes at first, seconds; default 75.
        probe_growth: the wait as a share of how long the outage has lasted; default 0.07, so that the end is
            seen within a tenth of it.
        probe_longest_s: the longest wait between probes, seconds; default 600.
        probes: how many probes may be under way at once, from 1; default 3, so that one that hangs delays none.
        lapse_s: an attempt that has not ended so long after its start holds no place any more, seconds;
            default 120.
        headroom: the most attempts under way, as a multiple of those under way in calm times, from 1; default 3.
            Where attempts take long it is about 2: the rest would wait at upstream.
        least: the most attempts under way are never fewer, from 1; default 4.
        settle_s: an incident is over when so long nothing has failed, seconds; default 300.
        pace_share: the share of what got through in the last minute that is asked of a limit of calls; default 0.9.
        pace_growth: growth of that pace with each clean minute; default 0.02.
        notice_wait_s: a customer is told no sooner, seconds; default 300, in which an incident shows.
        missing_share: so large a share of all connections unknown to upstream within a day is our own
            mistake; default 0.05.
    """

    fails_calm: float = 0.03
    fails_down: float = 0.98
    suspicion: float = 9.0
    refused_calm: float = 0.005
    refused_down: float = 0.8
    refused_suspicion: float = 15.0
    canaries: int = 4
    probe_first_s: float = 75.0
    probe_growth: float = 0.07
    probe_longest_s: float = 600.0
    probes: int = 3
    lapse_s: float = 120.0
    headroom: float = 3.0
    least: int = 4
    settle_s: float = 300.0
    pace_share: float = 0.9
    pace_growth: float = 0.02
    notice_wait_s: float = 300.0
    missing_share: float = 0.05


_RANGES = {
    "fails_calm": (0.001, 0.5),
    "fails_down": (0.5, 0.999),
    "suspicion": (1.0, 100.0),
    "refused_calm": (0.0001, 0.5),
    "refused_down": (0.5, 0.999),
    "refused_suspicion": (1.0, 100.0),
    "canaries": (1, 100),
    "probe_first_s": (1.0, 3600.0),
    "probe_growth": (0.0, 1.0),
    "probe_longest_s": (1.0, 86400.0),
    "probes": (1, 100),
    "lapse_s": (1.0, 86400.0),
    "headroom": (1.0, 100.0),
    "least": (1, 10_000),
    "settle_s": (1.0, 86400.0),
    "pace_share": (0.1, 1.0),
    "pace_growth": (0.0, 1.0),
    "notice_wait_s": (0.0, 86400.0),
    "missing_share": (0.001, 1.0),
}


def problems(fleet: Fleet) -> Iterator[str]:
    """What is out of range, one sentence each."""
    for name, (least, most) in _RANGES.items():
        if not least <= getattr(fleet, name) <= most:
            yield f"{name}: expected a number from {least:g} to {most:g}"
    for calm, down in (("fails_calm", "fails_down"), ("refused_calm", "refused_down")):
        if getattr(fleet, calm) >= getattr(fleet, down):
            yield f"{calm}: expected a number below `{down}`"
    if fleet.probe_first_s > fleet.probe_longest_s:
        yield "probe_first_s: expected a number up to `probe_longest_s`"
