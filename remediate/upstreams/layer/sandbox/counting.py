"""What clients did to a sandbox, and what it did by itself: counts, per business and summed.

Knows nothing but numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

__all__ = ["Counts", "Report"]


@attrs.define(kw_only=True)
class Counts:
    """Counts from the beginning on; each 0 at first.

    Attributes:
        triggers_received: triggers of a sync that reached it, refused ones among them.
        triggers_accepted: those that started a sync.
        futile: those accepted while a trouble was active that does not end by itself.
        overlapping: triggers received while another sync was accepted or running.
        scheduled: syncs that Layer began by itself.
        max_in_flight: the most syncs of one business that were accepted or running at once.
        status_calls: status calls that reached it.
        authorise_calls: authorise calls that reached it.
        unlink_calls: unlink calls that reached it.
        answered_401: calls answered 401, on purpose or for want of a token or credentials.
        answered_429: calls answered 429, on purpose or above the rate.
        tokens_issued: tokens, which are of no business.
    """

    triggers_received: int = 0
    triggers_accepted: int = 0
    futile: int = 0
    overlapping: int = 0
    scheduled: int = 0
    max_in_flight: int = 0
    status_calls: int = 0
    authorise_calls: int = 0
    unlink_calls: int = 0
    answered_401: int = 0
    answered_429: int = 0
    tokens_issued: int = 0


@attrs.frozen(kw_only=True)
class Report:
    """A copy of all counts.

    Attributes:
        total: the sums, calls about no known business included; `max_in_flight` is the largest.
        businesses: by id.
    """

    total: Counts
    businesses: Mapping[str, Counts]

    @classmethod
    def of(cls, businesses: Mapping[str, Counts], elsewhere: Counts) -> Report:
        """The report of these counts as they stand; `elsewhere` is of no known business."""
        copies = {business_id: attrs.evolve(counts) for business_id, counts in businesses.items()}
        return cls(total=_total([elsewhere, *copies.values()]), businesses=copies)


def _total(every: Iterable[Counts]) -> Counts:
    counted = [attrs.asdict(counts) for counts in every]
    sums = {name: sum(one[name] for one in counted) for name in counted[0]}
    return Counts(**sums | {"max_in_flight": max(one["max_in_flight"] for one in counted)})
