"""Answers as Layer sends them: a status, headers and JSON, in its envelope or bare.

Knows no server and no framework.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import attrs

from remediate.upstreams.layer.sandbox.world import Refusal, Status
from remediate.upstreams.layer.vocabulary import ErrorEnum, ErrorType, moment

__all__ = ["Answer", "failure", "html", "json_answer", "refused", "status_fields", "success"]


@attrs.frozen
class Answer:
    """What is sent back.

    Attributes:
        status: the HTTP status.
        body: the bytes, as they are sent.
        headers: by lower-case name; Content-Length comes from the body.
    """

    status: int
    body: bytes
    headers: Mapping[str, str]


def json_answer(status: int, value: object, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer of JSON."""
    return Answer(status, json.dumps(value).encode(), {"content-type": "application/json", **(headers or {})})


def html(status: int, text: str) -> Answer:
    """A page, as a person or a proxy makes them."""
    page = f"<!doctype html><title>{text}</title><h1>{text}</h1>\n"
    return Answer(status, page.encode(), {"content-type": "text/html; charset=utf-8"})


def success(kind: str, fields: Mapping[str, object], *, enveloped: bool) -> Answer:
    """A 200 with these fields; `kind` is the value of `type`."""
    data = {"type": kind, **fields}
    return json_answer(200, {"data": data, "meta": {}} if enveloped else data)


def failure(status: int, kind: ErrorType, words: str, error: ErrorEnum | None = None, *, enveloped: bool) -> Answer:
    """An error in Layer's shape; `error` comes with 4xx alone."""
    told: dict[str, object] = {"type": kind, "description": words}
    if error is not None:
        told["error_enum"] = error
    return json_answer(status, {"errors": [told]} if enveloped else told)


_REFUSED: Final[Mapping[Refusal, tuple[int, ErrorType, ErrorEnum | None, str]]] = {
    Refusal.UNKNOWN: (404, ErrorType.RESOURCE_NOT_FOUND, None, "There is no such business."),
    Refusal.ARCHIVED: (404, ErrorType.RESOURCE_ARCHIVED, ErrorEnum.RESOURCE_ARCHIVED, "The business is archived."),
    Refusal.NOT_CONNECTED: (
        404,
        ErrorType.RESOURCE_NOT_FOUND,
        ErrorEnum.QUICKBOOKS_CONNECTION_MISSING,
        "QuickBooks is not connected for this business.",
    ),
    Refusal.ALREADY_SYNCING: (
        409,
        ErrorType.INVALID_STATE,
        ErrorEnum.QUICKBOOKS_CONNECTION_ALREADY_SYNCING,
        "A sync is already running.",
    ),
}
"""The 404s are documented; their identifiers, and all of the 409, are inferred from Layer's vocabulary."""


def refused(refusal: Refusal, *, enveloped: bool) -> Answer:
    """The error that says so."""
    status, kind, error, words = _REFUSED[refusal]
    return failure(status, kind, words, error, enveloped=enveloped)


def status_fields(status: Status) -> dict[str, object]:
    """The fields of the status call; what is not known is null."""
    at_s = status.last_synced_s
    synced_at = None if at_s is None else moment(at_s)
    fields = attrs.asdict(status)
    del fields["last_synced_s"]
    return fields | {"last_synced_at": synced_at}
