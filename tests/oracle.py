"""The default answers a second time, as plain ifs that share nothing with the engine.

An answer is a headline as `remediate.decision.headline` words it, e.g. `escalate provider integration`.
`python -m tests.oracle` writes the golden tables anew; a change of them is a change of the policy.
"""

from __future__ import annotations

import csv
import io
from itertools import product
from pathlib import Path
from typing import NamedTuple

GOLDEN = Path(__file__).parent / "golden"

BOOLEANS = ("true", "false", "absent")
STATUSES = ("SYNC_SUCCESS", "SYNC_FAILURE", "absent", "unrecognised")
Q = "QUICKBOOKS_"
REASONS = (
    *(
        Q + name
        for name in (
            "AUTHENTICATION_FAILURE",
            "AUTHORIZATION_FAILURE",
            "SERVICE_UNAVAILABLE",
            "INTERNAL_SERVER_ERROR",
            "GENERAL_SERVICE_FAILURE",
            "VALIDATION_ERROR",
            "BAD_REQUEST",
            "INVALID_REQUEST_STATE",
            "INVALID_CREDENTIALS",
            "CONFIGURATION_ERROR",
            "UNKNOWN_EXCEPTION",
        )
    ),
    "INTERNAL_SERVER_ERROR",
    "absent",
    "unrecognised",
)
STATUS_AXES = ("is_connected", "is_syncing", "last_sync_status", "sync_failure_reason", "is_retryable_failure")
STATUS_COMBINATIONS = tuple(product(BOOLEANS, BOOLEANS, STATUSES, REASONS, BOOLEANS))

RENEWABLE = (Q + "AUTHENTICATION_FAILURE", Q + "AUTHORIZATION_FAILURE")
AUTHORISATION = (*RENEWABLE, Q + "INVALID_CREDENTIALS")
OUTAGE = (Q + "SERVICE_UNAVAILABLE", Q + "INTERNAL_SERVER_ERROR")
DEFINITE = {
    Q + "VALIDATION_ERROR": "escalate support connection",
    Q + "INVALID_REQUEST_STATE": "escalate customer connection",
    Q + "BAD_REQUEST": "escalate provider integration",
    Q + "CONFIGURATION_ERROR": "escalate engineering connection",
}
OPAQUE = {
    Q + "UNKNOWN_EXCEPTION": "escalate provider connection",
    "INTERNAL_SERVER_ERROR": "escalate provider integration",
    "unrecognised": "escalate engineering integration",
}
SPENT = {"retry transient": "escalate provider integration", "retry cautious": "escalate support connection"}
HOUR = 3600.0
PERSON = 6 * HOUR


class Answer(NamedTuple):
    """What one combination answers: within its limit, past it, and once repaired."""

    within: str
    past: str
    repaired: str
    may_sync: bool
    look_again_s: float | None
    evidence: str


def _fixed(headline: str, look_again_s: float | None, evidence: str, *, may_sync: bool = False) -> Answer:
    return Answer(headline, headline, headline, may_sync, look_again_s, evidence)


def status_answer(connected: str, syncing: str, status: str, reason: str, flag: str) -> Answer:
    """Rules 1 to 7."""
    if syncing == "true":
        past = "escalate provider connection"
        return Answer("no_op in_progress", past, "no_op in_progress", False, 30.0, "none")
    if connected == "false":
        if status != "SYNC_SUCCESS" and reason in AUTHORISATION:
            return _fixed("reauth new_connection quickbooks", PERSON, "authorisation")
        return _fixed("no_op not_connected", PERSON, "none")
    if status == "SYNC_SUCCESS":
        return _fixed("no_op healthy", HOUR, "alive", may_sync=True)
    if status == "absent" and reason == "absent":
        if connected == "true":
            return _fixed("no_op never_synced", 900.0, "none", may_sync=True)
        return _fixed("escalate engineering integration", PERSON, "none")
    if status == "unrecognised" and reason == "absent":
        return _fixed("escalate engineering integration", PERSON, "opaque")
    return _failed(reason, flag)


def _failed(reason: str, flag: str) -> Answer:
    within, evidence = _failure(reason, flag)
    if within.startswith("retry"):
        past = SPENT.get(within) or _failure(reason, "false")[0]
        return Answer(within, past, within, False, None, evidence)
    return Answer(within, within, "retry resume", False, PERSON, evidence)


def _failure(reason: str, flag: str) -> tuple[str, str]:
    if reason in RENEWABLE:
        return "reauth reauthorize quickbooks", "authorisation"
    if reason in AUTHORISATION:
        return "reauth new_connection quickbooks", "authorisation"
    if reason in DEFINITE:
        return DEFINITE[reason], "connection"
    if reason in OUTAGE:
        return ("escalate provider integration" if flag == "false" else "retry transient"), "upstream"
    if reason == Q + "GENERAL_SERVICE_FAILURE":
        return ("escalate provider integration" if flag == "false" else "retry cautious"), "upstream"
    if reason in OPAQUE:
        return ("retry probe" if flag == "true" else OPAQUE[reason]), "opaque"
    return ("retry cautious" if flag == "true" else "escalate support connection"), "opaque"


def status_anomalies(connected: str, status: str, reason: str, flag: str, *, synced_before: bool) -> tuple[str, ...]:
    """The facts that do not fit, in alphabetical order."""
    definite = (Q + "INVALID_CREDENTIALS", *DEFINITE, Q + "UNKNOWN_EXCEPTION", "INTERNAL_SERVER_ERROR")
    found = []
    if connected == "false" and synced_before:
        found.append("disconnected")
    if (flag == "false" and reason in OUTAGE) or (flag == "true" and reason in definite):
        found.append("flag_contradicts_reason")
    if status == "SYNC_SUCCESS" and reason != "absent":
        found.append("leftover_failure")
    if status == "absent" and reason != "absent":
        found.append("status_missing")
    if reason == "unrecognised":
        found.append("unrecognised_reason")
    if status == "unrecognised":
        found.append("unrecognised_status")
    return tuple(found)


# API failures.


def _published() -> dict[str, dict[str, str]]:
    systems = {"P": "plaid", "Q": "quickbooks"}
    found: dict[str, dict[str, str]] = {"error_enum": {}, "type": {}}
    with (GOLDEN / "layer-errors.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            last = systems[row["value"][0]] if row["action"] == "reauth" else row["scope"]
            found[row["field"]][row["value"]] = f"{row['action']} {row['detail']} {last}".rstrip()
    return found


PUBLISHED = _published()
CALLS = ("status", "sync", "authorize", "token", "absent")
SERVER_ERRORS = ("500", "502", "503", "504", "other_5xx")
HTTP_STATUSES = ("3xx", "400", "401", "403", "404", "408", "409", "425", "429", "other_4xx", *SERVER_ERRORS, "absent")
TRANSPORTS = ("not_sent", "no_answer", "unreadable", "absent")
ENGINEERING = "escalate engineering integration"


def failure_answer(call: str, error_enum: str, kind: str, http: str, transport: str) -> str:
    """Rules 1 to 8, within their limits."""
    received = transport in ("no_answer", "unreadable") or http == "408" or http in SERVER_ERRORS
    if call == "sync" and received:
        return "no_op unconfirmed"
    if call == "authorize" and error_enum == "QuickbooksConnectionAlreadyExists":
        return "escalate support connection"
    of_layer = error_enum != "absent" or kind != "absent"
    if call == "sync" and (kind == "ResourceNotFound" or (http == "404" and of_layer)):
        return "no_op not_connected"
    if error_enum in PUBLISHED["error_enum"]:
        return PUBLISHED["error_enum"][error_enum]
    if http in ("401", "403"):
        return ENGINEERING
    if http in ("408", "425", "429", *SERVER_ERRORS):
        return "retry transport"
    if kind in PUBLISHED["type"]:
        return PUBLISHED["type"][kind]
    if http != "absent":
        return "escalate support connection" if http == "409" else ENGINEERING
    return "retry transport" if transport != "absent" else ENGINEERING


def failure_look_again_s(headline: str) -> float | None:
    """When to look again; for what a schedule times, None."""
    if headline.startswith(("escalate", "reauth")):
        return PERSON
    hours = {"gone": 24, "already_done": 6, "not_connected": 6}
    cause = headline.removeprefix("no_op ")
    return 30.0 if cause == "in_progress" else hours[cause] * HOUR if cause in hours else None


def failure_evidence(headline: str) -> str:
    """What a failure says of upstream."""
    action, detail = headline.split()[:2]
    if action == "retry" or detail in ("unconfirmed", "provider"):
        return "upstream"
    if action == "reauth":
        return "authorisation"
    return {"gone": "missing", "customer": "connection", "support": "connection"}.get(detail, "none")


# Golden tables.


def status_table() -> str:
    """Every status combination with its answers."""
    head = (*STATUS_AXES, *Answer._fields, "anomalies", "anomalies_if_synced_before")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    for combination in STATUS_COMBINATIONS:
        connected, _, status, reason, flag = combination
        told = [
            " ".join(status_anomalies(connected, status, reason, flag, synced_before=before))
            for before in (False, True)
        ]
        writer.writerow((*combination, *status_answer(*combination), *told))
    return out.getvalue()


def failure_table() -> str:
    """Every published error alone, at each call."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("field", "value", "call", "answer", "look_again_s", "evidence"))
    for field, values in PUBLISHED.items():
        for value, call in product(values, CALLS):
            where = {"error_enum": "absent", "kind": "absent"} | {"kind" if field == "type" else field: value}
            said = failure_answer(call, http="absent", transport="absent", **where)
            writer.writerow((field, value, call, said, failure_look_again_s(said), failure_evidence(said)))
    return out.getvalue()


if __name__ == "__main__":
    (GOLDEN / "status.csv").write_text(status_table())
    (GOLDEN / "failure.csv").write_text(failure_table())
