"""From a combination of axis values to observations and JSON in every shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from remediate.upstreams.layer import ApiFailure, ConnectionStatus
from tests.oracle import STATUS_AXES

NEWCOMER = "SOMETHING_NOBODY_PUBLISHED"
HTTP_OF = {"3xx": 302, "other_4xx": 422, "other_5xx": 507, "absent": None}


def raw(token: str) -> Any:
    """What stands on the wire for an axis value; None for what is absent."""
    return {"true": True, "false": False, "absent": None, "unrecognised": NEWCOMER}.get(token, token)


def status_fields(combination: tuple[str, ...]) -> dict[str, Any]:
    """The fields of a status, without those that are absent."""
    values = zip(STATUS_AXES, map(raw, combination), strict=True)
    return {name: value for name, value in values if value is not None}


def status(combination: tuple[str, ...], **more: Any) -> ConnectionStatus:
    return ConnectionStatus(**status_fields(combination), **more)


def failure(call: str, error_enum: str, kind: str, http: str, transport: str) -> ApiFailure:
    return ApiFailure(
        call=raw(call),
        error_enum=raw(error_enum),
        type=raw(kind),
        http_status=HTTP_OF[http] if http in HTTP_OF else int(http),
        transport=raw(transport),
    )


def shapes(fields: dict[str, Any]) -> Iterator[Any]:
    """A status in every shape that a payload may have, as bytes and as objects."""
    nulls = dict.fromkeys(STATUS_AXES) | fields
    for bare in (fields, nulls, fields | {"unheard_of": {"deep": [1]}}):
        for value in (
            bare,
            {"data": {"type": "Status", **bare}, "meta": {}},
            {"observation": bare, "http_status": 200},
        ):
            yield value
            yield json.dumps(value).encode()
    yield b"\xef\xbb\xbf" + json.dumps(fields).encode()
    yield json.dumps(fields, indent=2)
