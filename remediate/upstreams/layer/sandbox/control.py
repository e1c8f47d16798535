"""What another process may ask of a sandbox beside Layer's calls: `/_sandbox/`.

Knows the sandbox and answers, no framework.

PUT  /_sandbox/businesses/{id}        its troubles and hostilities, in place of those it had
POST /_sandbox/businesses/{id}/mend   `{"by": "customer"}`: somebody does their part
PUT  /_sandbox/hostilities            `{"hostilities": [...]}`: those of every call, the token call too
GET  /_sandbox/report                 what happened until now
POST /_sandbox/revoke-tokens          make every token invalid
"""

from __future__ import annotations

import attrs

from remediate.errors import InputError
from remediate.upstreams.layer.sandbox.answers import Answer, json_answer
from remediate.upstreams.layer.sandbox.sandbox import Sandbox
from remediate.upstreams.layer.sandbox.scripting import BusinessScript, Hostilities, Mending, read_script

__all__ = ["control"]


def control(sandbox: Sandbox, method: str, segments: list[str], body: bytes) -> Answer:
    """The answer to a request below `/_sandbox/`: JSON, also where it is refused.

    A body that can't be read is answered 400 with `{"error": {"field": ..., "message": ...}}`, an
    unknown business or path 404.
    """
    try:
        return _controlled(sandbox, method, segments, body)
    except InputError as error:
        return json_answer(400, {"error": {"field": error.field, "message": error.message}})


def _controlled(sandbox: Sandbox, method: str, segments: list[str], body: bytes) -> Answer:
    match method, segments:
        case "PUT", ["businesses", business_id]:
            sandbox.play(business_id, read_script(BusinessScript, body))
            return json_answer(200, {})
        case "POST", ["businesses", business_id, "mend"]:
            return _mend(sandbox, business_id, read_script(Mending, body))
        case "PUT", ["hostilities"]:
            sandbox.set_disturbances(None, read_script(Hostilities, body).hostilities)
            return json_answer(200, {})
        case "GET", ["report"]:
            return json_answer(200, attrs.asdict(sandbox.report()))
        case "POST", ["revoke-tokens"]:
            sandbox.revoke_tokens()
            return json_answer(200, {})
    return json_answer(404, {"error": {"field": None, "message": "there is nothing here"}})


def _mend(sandbox: Sandbox, business_id: str, mending: Mending) -> Answer:
    try:
        return json_answer(200, {"mended": sandbox.mend(business_id, mending.by)})
    except LookupError:
        return json_answer(404, {"error": {"field": None, "message": "there is no such business"}})
