"""How calls to any upstream fail: HTTP statuses in the buckets that policies tell apart, and transport.

Knows HTTP's own vocabulary and no upstream's: no JSON, no HTTP client, no policy.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import attrs

from remediate.errors import InputError

__all__ = ["FAILED_FROM", "HttpBucket", "Transport", "bucket_of", "is_http_status", "is_refusal"]

FAILED_FROM: Final = 300
"""From this HTTP status on an answer is a failure, whatever its body is."""


class Transport(StrEnum):
    """How a call failed without a readable answer.

    ``not_sent``: refused, DNS, TLS, connect time-out. ``no_answer``: a reset or a read time-out, so
    it may have been received. ``unreadable``: cut off, not JSON, or a foreign page.
    """

    NOT_SENT = "not_sent"
    NO_ANSWER = "no_answer"
    UNREADABLE = "unreadable"


class HttpBucket(StrEnum):
    """The HTTP statuses that a policy tells apart."""

    REDIRECT = "3xx"
    BAD_REQUEST = "400"
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    NOT_FOUND = "404"
    REQUEST_TIMEOUT = "408"
    CONFLICT = "409"
    TOO_EARLY = "425"
    TOO_MANY_REQUESTS = "429"
    OTHER_CLIENT_ERROR = "other_4xx"
    INTERNAL_SERVER_ERROR = "500"
    BAD_GATEWAY = "502"
    SERVICE_UNAVAILABLE = "503"
    GATEWAY_TIMEOUT = "504"
    OTHER_SERVER_ERROR = "other_5xx"


_BY_HUNDREDS: Final = {3: HttpBucket.REDIRECT, 4: HttpBucket.OTHER_CLIENT_ERROR, 5: HttpBucket.OTHER_SERVER_ERROR}
_GATEWAYS: Final = (502, 504)
_BY_STATUS: Final = {int(bucket): bucket for bucket in HttpBucket if bucket.isdigit()}


def bucket_of(http_status: int) -> HttpBucket | None:
    """The bucket of a status from 100 to 599; below 300 the answer is no failure by its status: None."""
    return _BY_STATUS.get(http_status) or _BY_HUNDREDS.get(http_status // 100)


def is_refusal(http_status: int | None) -> bool:
    """Whether it is upstream's own word that a call failed: a gateway's says nothing of what lies behind it."""
    return http_status is not None and http_status >= FAILED_FROM and http_status not in _GATEWAYS


def is_http_status(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """An attrs validator: a whole number from 100 to 599, or None; else InputError."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 100 <= value <= 599):
        raise InputError("expected a whole number from 100 to 599", field=field.name)
