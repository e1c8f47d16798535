"""Every way in which an answer goes wrong, and for which calls it does.

Knows answers as data; those that need a connection are carried out in
:mod:`remediate.upstreams.layer.sandbox.delivery`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from email.utils import formatdate
from enum import StrEnum
from typing import Any, Final

import attrs

from remediate.errors import InputError
from remediate.upstreams.layer.sandbox.answers import Answer, failure, html, json_answer
from remediate.upstreams.layer.vocabulary import Call, ErrorType

__all__ = ["DELIVERED", "DEPTH", "RETRY_AFTER_S", "Disturbance", "Disturbances", "Hostility", "spoilt"]

DEPTH: Final = 10_000
RETRY_AFTER_S: Final = 2


class Hostility(StrEnum):
    """How one call is answered.

    The request takes effect (a sync starts, a token is issued) in those whose true answer is spoilt
    on its way. The others refuse or lose the request before.

    Takes effect, and then: ``hang``: no answer until the client leaves, at most `patience_s`, then a
    reset. ``reset_after``: a reset. ``truncated``: half of the true body under a longer
    Content-Length, then closed. ``wrong_types``: the true answer, each value of another type.
    ``not_json``: text that only begins like JSON. ``html``: a page with status 200. ``empty``: 200
    without a body. ``array``: 200 with a JSON array. ``endless``: a body without end, at most
    `patience_s`. ``slow``: the true answer, a byte every 0.05 s,
    or more where that would last longer than `patience_s`. ``bad_gzip``: a
    body that is not the gzip it claims. ``null_data``: `{"data": null}`. ``deep``: JSON that is
    nested 10,000 levels.

    Takes no effect: ``reset_before``: a reset. ``rate_limited``: 429 alone; ``rate_limited_s``: with
    Retry-After in seconds; ``rate_limited_date``: as a date. ``redirect``: 302 to another host.
    ``server_error``: 500 with Layer's error. ``unavailable``: 503 with a page. ``errors_in_200``: an
    error with status 200. ``unauthorised``: 401. ``forbidden``: 403. ``not_found_page``: 404 with a
    page.
    """

    HANG = "hang"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    TRUNCATED = "truncated"
    WRONG_TYPES = "wrong_types"
    NOT_JSON = "not_json"
    HTML = "html"
    EMPTY = "empty"
    ARRAY = "array"
    RATE_LIMITED = "rate_limited"
    RATE_LIMITED_S = "rate_limited_s"
    RATE_LIMITED_DATE = "rate_limited_date"
    REDIRECT = "redirect"
    ENDLESS = "endless"
    SLOW = "slow"
    SERVER_ERROR = "server_error"
    UNAVAILABLE = "unavailable"
    BAD_GZIP = "bad_gzip"
    ERRORS_IN_200 = "errors_in_200"
    NULL_DATA = "null_data"
    DEEP = "deep"
    UNAUTHORISED = "unauthorised"
    FORBIDDEN = "forbidden"
    NOT_FOUND_PAGE = "not_found_page"

    @property
    def takes_effect(self) -> bool:
        """Whether the request does what it asks for, though the answer does not say so."""
        return self not in _WITHOUT_EFFECT


_WITHOUT_EFFECT: Final = frozenset(
    {
        Hostility.RESET_BEFORE,
        Hostility.RATE_LIMITED,
        Hostility.RATE_LIMITED_S,
        Hostility.RATE_LIMITED_DATE,
        Hostility.REDIRECT,
        Hostility.SERVER_ERROR,
        Hostility.UNAVAILABLE,
        Hostility.ERRORS_IN_200,
        Hostility.UNAUTHORISED,
        Hostility.FORBIDDEN,
        Hostility.NOT_FOUND_PAGE,
    }
)

DELIVERED: Final = frozenset(
    {
        Hostility.HANG,
        Hostility.RESET_BEFORE,
        Hostility.RESET_AFTER,
        Hostility.TRUNCATED,
        Hostility.ENDLESS,
        Hostility.SLOW,
    }
)
"""Those that are more than another answer."""


@attrs.frozen(kw_only=True)
class Disturbance:
    """A hostility that waits for its calls.

    Attributes:
        hostility: what happens.
        call: to which calls; None: to any. Default None.
        times: to how many; None: for ever. Default 1.

    Raises:
        InputError: `times` is below 1.
        ValueError: an unknown hostility or call.
    """

    hostility: Hostility = attrs.field(converter=Hostility)
    call: Call | None = attrs.field(default=None, converter=attrs.converters.optional(Call))
    times: int | None = 1

    def __attrs_post_init__(self) -> None:
        if self.times is not None and self.times < 1:
            raise InputError("expected 1 or more, or null for ever", field="times")


class Disturbances:
    """The queues of disturbances: one a business, and one for every call whoever it is about."""

    def __init__(self) -> None:
        self._queues: dict[str | None, list[Disturbance]] = {}

    def add(self, business_id: str | None, disturbance: Disturbance) -> None:
        """Put one at the end of a queue; None: the one for every call, the token call too.

        Raises:
            InputError: a token call is of no business.
        """
        if business_id is not None and disturbance.call is Call.TOKEN:
            raise InputError("a token call is about no business", field="call")
        self._queues.setdefault(business_id, []).append(disturbance)

    def clear(self, business_id: str | None) -> None:
        """Empty a queue."""
        self._queues.pop(business_id, None)

    def take(self, business_id: str | None, call: Call | None) -> Hostility | None:
        """What happens to this call: the first that fits, of the business's queue before that for every call."""
        for owner in dict.fromkeys((business_id, None)):
            queue = self._queues.get(owner, [])
            for position, waiting in enumerate(queue):
                if waiting.call in (None, call):
                    _use(queue, position)
                    return waiting.hostility
        return None


def _use(queue: list[Disturbance], position: int) -> None:
    times = queue[position].times
    if times == 1:
        del queue[position]
    elif times is not None:
        queue[position] = attrs.evolve(queue[position], times=times - 1)


def spoilt(hostility: Hostility, answer: Answer, now_s: float) -> Answer:
    """What is sent in the place of the true answer; `now_s` is that of a date to retry after.

    Raises:
        KeyError: it is one of `DELIVERED`.
    """
    return _SPOILT[hostility](answer, now_s)


_Spoil = Callable[[Answer, float], Answer]


def _always(answer: Answer) -> _Spoil:
    return lambda true, now_s: answer


def _limited(retry_after: Callable[[float], Mapping[str, str]]) -> _Spoil:
    refusal = failure(429, ErrorType.BAD_REQUEST, "Too many requests.", enveloped=True)
    return lambda true, now_s: attrs.evolve(refusal, headers={**refusal.headers, **retry_after(now_s)})


def _date(now_s: float) -> Mapping[str, str]:
    return {"retry-after": formatdate(now_s + RETRY_AFTER_S + 1, usegmt=True)}


def _of_other_types(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _of_other_types(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_of_other_types(inner) for inner in value]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return {str: 7, int: "many", float: "many"}.get(type(value), [])


def _wrong_types(true: Answer) -> Answer:
    return json_answer(true.status, _of_other_types(json.loads(true.body)))


def _json(body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(200, body, {"content-type": "application/json", **(headers or {})})


def _error(status: int, kind: ErrorType, words: str) -> _Spoil:
    return _always(failure(status, kind, words, enveloped=True))


_SPOILT: Final[Mapping[Hostility, _Spoil]] = {
    Hostility.WRONG_TYPES: lambda true, now_s: _wrong_types(true),
    Hostility.NOT_JSON: _always(_json(b'{"data": {"is_connected": tru')),
    Hostility.HTML: _always(html(200, "Scheduled maintenance")),
    Hostility.EMPTY: _always(_json(b"")),
    Hostility.ARRAY: _always(_json(b'[{"is_connected": true}]')),
    Hostility.RATE_LIMITED: _limited(lambda now_s: {}),
    Hostility.RATE_LIMITED_S: _limited(lambda now_s: {"retry-after": str(RETRY_AFTER_S)}),
    Hostility.RATE_LIMITED_DATE: _limited(_date),
    Hostility.REDIRECT: _always(Answer(302, b"", {"location": "http://elsewhere.invalid/login"})),
    Hostility.SERVER_ERROR: _error(500, ErrorType.UNKNOWN, "Something went wrong."),
    Hostility.UNAVAILABLE: _always(html(503, "Service unavailable")),
    Hostility.BAD_GZIP: _always(_json(b"\x1f\x8b\x08 and then none", {"content-encoding": "gzip"})),
    Hostility.ERRORS_IN_200: _error(200, ErrorType.UNKNOWN, "Something went wrong."),
    Hostility.NULL_DATA: _always(_json(b'{"data": null, "meta": {}}')),
    Hostility.DEEP: _always(_json(b'{"data": ' + b"[" * DEPTH + b"]" * DEPTH + b"}")),
    Hostility.UNAUTHORISED: _error(401, ErrorType.AUTH_FAILURE, "Not authorised."),
    Hostility.FORBIDDEN: _error(403, ErrorType.AUTH_FAILURE, "Not allowed."),
    Hostility.NOT_FOUND_PAGE: _always(html(404, "Not found")),
}
