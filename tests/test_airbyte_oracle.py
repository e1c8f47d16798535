"""Airbyte's answers a second time, as plain ifs that share nothing with the engine; over every combination.

An answer is a headline as `remediate.decision.headline` words it. `python -m tests.test_airbyte_oracle`
writes the golden table anew; a change of it is a change of the policy.
"""

from __future__ import annotations

import csv
import io
import random
from itertools import product
from math import prod
from pathlib import Path
from typing import NamedTuple

from remediate import Engine, History, Retry
from remediate.decision import headline
from remediate.regions import Box
from remediate.upstreams.airbyte import Sync

ENGINE = Engine.bundled("airbyte")
DECIDER = ENGINE.deciders["sync"]
GOLDEN = Path(__file__).parent / "golden" / "airbyte.csv"
COMBINATIONS = 9 * 5 * 6 * 9 * 10 * 9 * 3 * 3
FLAGS = ("true", "false", "absent")
CLASSES = {
    "job_status": (
        *(("pending", "queued"), ("running",), ("incomplete",), ("failed",), ("succeeded",), ("cancelled",)),
        *(("absent",), ("unrecognised",)),
    ),
    "attempt_status": (("running",), ("failed",), ("succeeded",), ("absent",), ("unrecognised",)),
    "connection_status": (*(("active",), ("inactive",), ("deprecated",), ("locked",), ("absent",), ("unrecognised",)),),
    "connection_sync_status": (
        *(("running",), ("queued",), ("failed",), ("paused",), ("pending",), ("incomplete",), ("synced",)),
        *(("absent",), ("unrecognised",)),
    ),
    "failure_origin": (
        *(("source",), ("destination",), ("replication", "persistence", "airbyte_platform")),
        *(("normalization", "dbt"), ("unknown",), ("absent",), ("unrecognised",)),
    ),
    "failure_type": (
        *(("config_error",), ("system_error",), ("manual_cancellation",), ("refresh_schema",)),
        *(("heartbeat_timeout", "destination_timeout"), ("transient_error",), ("absent",), ("unrecognised",)),
    ),
    "retryable": (("true",), ("false",), ("absent",)),
    "partial_success": (("true",), ("false", "absent")),
}
"""The values that the oracle does not tell apart: it is handed the first of each, whichever it is."""
HOUR = 3600.0
PERSON = 6 * HOUR
PAST = History(attempts=50, failing_for_s=90_000, syncing_for_s=90_000)
CUSTOMER, SUPPORT = "escalate customer connection", "escalate support connection"
PROVIDER, OURS = "escalate provider connection", "escalate engineering connection"
FLEET = "escalate engineering integration"
SWITCHED_OFF, PAUSED = ("inactive", "absent"), ("absent", "paused")
SPENT = {"retry transient": SUPPORT, "retry platform": FLEET, "retry timeout": OURS, "retry progress": OURS}


class Answer(NamedTuple):
    """What one combination answers: within its limit, past it, and once repaired."""

    within: str
    past: str
    repaired: str
    may_sync: bool
    look_again_s: float | None
    evidence: str


def nothing(cause: str, look_again_s: float | None, evidence: str = "none", past: str | None = None) -> Answer:
    said = f"no_op {cause}"
    may_sync = cause in ("healthy", "never_synced")
    return Answer(said, said if past is None else past, said, may_sync, look_again_s, evidence)


def told(headline: str, evidence: str) -> Answer:
    """Somebody is told, and a repair of theirs shows in another answer than this one."""
    return Answer(headline, headline, headline, False, PERSON, evidence)


def answer(
    job: str, attempt: str, connection: str, state: str, origin: str, kind: str, flag: str, progress: str
) -> Answer:
    if connection == "deprecated":
        return nothing("archived", None)
    if job == "running":
        return nothing("in_progress", 60.0, past=OURS)
    if job == "pending":
        return nothing("in_progress", 120.0, past=FLEET)
    if job == "incomplete":
        return nothing("in_progress", 300.0, past=OURS)
    if state == "running" or (attempt == "running" and job != "failed"):
        return nothing("in_progress", 60.0, past=OURS)
    if state == "queued":
        return nothing("in_progress", 120.0, past=FLEET)
    if connection == "locked":
        return told(FLEET, "none")
    if connection == "inactive" or state == "paused":
        return off(job, attempt, state, origin, kind)
    if job == "succeeded":
        return told(CUSTOMER, "connection") if state == "failed" else nothing("healthy", HOUR, "alive")
    if job == "absent" and is_at_rest(attempt, state):
        return nothing("healthy", HOUR, "alive")
    if state != "failed" and is_cancelled(job, kind):
        return nothing("healthy", HOUR)
    if job == "unrecognised" or connection == "unrecognised":
        return told(FLEET, "opaque")
    return failed(origin, kind, flag, progress, state)


def is_at_rest(attempt: str, state: str) -> bool:
    """Whether the attempt or Airbyte says that it went well; of no job is anything known."""
    if attempt == "succeeded":
        return state not in ("failed", "incomplete")
    return attempt in ("absent", "unrecognised") and state == "synced"


def is_cancelled(job: str, kind: str) -> bool:
    """Whether somebody ended it on purpose, and nothing else is known to stand in the way."""
    if job == "cancelled":
        return kind not in ("config_error", "refresh_schema")
    return kind == "manual_cancellation" and job in ("failed", "absent")


def off(job: str, attempt: str, state: str, origin: str, kind: str) -> Answer:
    """Switched off or paused: quietly, unless something failed before."""
    untold = job in ("absent", "unrecognised")
    if untold and is_at_rest(attempt, state):
        return nothing("not_connected", PERSON)
    if job != "succeeded" and kind in ("config_error", "refresh_schema"):
        return told(*failure(origin, kind, "absent", "absent", state))
    if state == "failed":
        return told(CUSTOMER, "connection")
    if job in ("succeeded", "cancelled") or kind == "manual_cancellation":
        return nothing("not_connected", PERSON)
    is_silent = kind == "absent" and attempt in ("absent", "unrecognised") and state != "incomplete"
    if untold and is_silent and origin == "absent":
        return nothing("not_connected", PERSON)
    return told(SUPPORT, "connection")


def failed(origin: str, kind: str, flag: str, progress: str, state: str) -> Answer:
    within, evidence = failure(origin, kind, flag, progress, state)
    if within.startswith("retry"):
        past = SPENT.get(within) or failure(origin, kind, "false", progress, state)[0]
        return Answer(within, past, within, False, None, evidence)
    return Answer(within, within, "retry resume", False, PERSON, evidence)


def failure(origin: str, kind: str, flag: str, progress: str, state: str) -> tuple[str, str]:
    if kind == "config_error":
        if origin in ("source", "destination"):
            return CUSTOMER, "connection"
        return who(origin, "connection")
    if kind == "refresh_schema" or state == "failed":
        return CUSTOMER, "connection"
    if kind == "unrecognised":
        return ("retry probe" if flag == "true" else FLEET), "opaque"
    if flag == "false":
        return who(origin, "opaque")
    if progress == "true":
        return "retry progress", "connection"
    if kind == "transient_error":
        return ("retry platform", "upstream") if origin == "replication" else ("retry transient", "connection")
    if kind == "heartbeat_timeout":
        return "retry timeout", "connection"
    if kind == "system_error" and origin == "replication":
        return "retry platform", "upstream"
    return opaque(origin, flag)


def opaque(origin: str, flag: str) -> tuple[str, str]:
    """A crash, or a failure that has no type."""
    if origin == "unrecognised":
        return ("retry probe" if flag == "true" else FLEET), "opaque"
    if origin == "normalization":
        return ("retry probe", "opaque") if flag == "true" else (OURS, "connection")
    return ("retry cautious" if flag == "true" else "retry probe"), "opaque"


def who(origin: str, untold: str) -> tuple[str, str]:
    """Who can act on what will not pass; and the evidence, where it hangs on what is untold."""
    return {
        "source": (PROVIDER, "connection"),
        "destination": (PROVIDER, "connection"),
        "replication": (FLEET, "upstream"),
        "normalization": (OURS, "connection"),
        "unknown": (SUPPORT, untold),
        "absent": (SUPPORT, untold),
        "unrecognised": (FLEET, "opaque"),
    }[origin]


def says_nothing(job: str, attempt: str, connection: str, state: str, origin: str, kind: str) -> Answer | None:
    """The answers that hang on nothing being told of a failure."""
    if job != "absent" or kind != "absent" or origin != "absent":
        return None
    if connection in ("deprecated", "locked", "inactive", "unrecognised"):
        return None
    if attempt == "absent" and state == "pending":
        return nothing("never_synced", 900.0)
    if attempt == "absent" and state == "absent":
        return nothing("unconfirmed", 900.0) if connection == "active" else told(FLEET, "none")
    if attempt in ("absent", "unrecognised") and state in ("pending", "absent", "unrecognised"):
        return told(FLEET, "opaque")
    return None


def oracle(*values: str) -> Answer:
    """The answer at one combination of the axes' values, whatever they are."""
    silent = says_nothing(*values[:6])
    if silent is not None:
        return silent
    return answer(*(first_of(name, value) for name, value in zip(CLASSES, values, strict=True)))


def first_of(name: str, value: str) -> str:
    return next(alike[0] for alike in CLASSES[name] if value in alike)


def anomalies(job: str, attempt: str, connection: str, state: str, origin: str, kind: str, flag: str) -> list[str]:
    """The facts that do not fit, in alphabetical order."""
    found = []
    if kind != "absent":
        definite = kind in ("config_error", "manual_cancellation", "refresh_schema")
        if (definite and flag == "true") or (kind == "transient_error" and flag == "false"):
            found.append("flag_contradicts_type")
        if job == attempt == state == "absent":
            found.append("failure_without_a_status")
        at_rest = attempt == "succeeded" or (attempt == "absent" and state == "synced")
        if job == "succeeded" or (job == "absent" and at_rest):
            found.append("leftover_failure")
    disagree = (job == "succeeded" and (attempt in ("running", "failed") or state == "incomplete")) or (
        job in ("failed", "cancelled") and attempt in ("running", "succeeded")
    )
    if (attempt == "failed" and state == "synced") or (attempt == "succeeded" and state == "incomplete"):
        disagree = True
    if disagree or (job == "failed" and state == "synced") or (connection == "active" and state == "paused"):
        found.append("statuses_disagree")
    if job == "running" and connection in ("inactive", "deprecated", "locked"):
        found.append("running_while_off")
    values = (job, attempt, connection, state, origin, kind)
    return sorted(found + [f"unrecognised_{n}" for n, v in zip(CLASSES, values, strict=False) if v == "unrecognised"])


# Over everything.


def sync_of(values: tuple[str, ...]) -> Sync:
    """An observation that has these values of the axes."""
    known = {"true": True, "false": False, "absent": None, "unrecognised": "never_heard_of"}
    return Sync(**{name: known.get(value, value) for name, value in zip(CLASSES, values, strict=True)})


def engine_says(box: Box) -> Answer:
    """What the engine answers everywhere in a region, asked at its first combination."""
    point = tuple(mask & -mask for mask in box)
    now = DECIDER.decide_at(point, Sync(), History(), "k")
    past = DECIDER.decide_at(point, Sync(), PAST, "k")
    repaired = DECIDER.decide_at(point, Sync(), History(repaired=True), "k")
    again_s = None if isinstance(now, Retry) else now.look_again_s
    said = (headline(one) for one in (now, past, repaired))
    return Answer(*said, now.may_sync, again_s, now.evidence)


def test_every_combination_answers_as_the_oracle_says() -> None:
    """Region by region: the engine answers alike in all of a region, the oracle in all of a class."""
    axes = DECIDER.section.shape.space.axes
    seen = 0
    for region in DECIDER.section.regions:
        here = [axis.named(mask) for axis, mask in zip(axes, region.box, strict=True)]
        said = engine_says(region.box)
        inside = [
            [(alike[0], len(met)) for alike in CLASSES[axis.name] if (met := set(alike) & set(values))]
            for axis, values in zip(axes, here, strict=True)
        ]
        for values in product(*([value for value, _ in classes] for classes in inside)):
            assert said == (says_nothing(*values[:6]) or answer(*values)), (region.rule.name, values)
        seen += prod(sum(many for _, many in classes) for classes in inside)
    assert seen == DECIDER.section.shape.space.size == COMBINATIONS == 1_968_300


def test_where_a_failure_says_who_can_act_they_are_asked_on_a_connection_that_is_off_as_on_one_that_is_on() -> None:
    origins = [value for alike in CLASSES["failure_origin"] for value in alike]
    ends = [
        ("failed", "failed"),
        ("failed", "absent"),
        ("absent", "failed"),
        ("absent", "absent"),
        ("cancelled", "failed"),
    ]
    for end, kind, origin in product(ends, ("config_error", "refresh_schema"), origins):
        told = (origin, kind, "absent", "absent")
        for state in ("absent", "failed", "incomplete"):
            on = ENGINE.decide(sync_of((*end, "active", state, *told)), key="k")
            assert on.action == "escalate"
            assert kind != "refresh_schema" or headline(on) == CUSTOMER
            for where in (("inactive", state), PAUSED):
                off = ENGINE.decide(sync_of((*end, *where, *told)), key="k")
                assert (headline(off), off.evidence) == (headline(on), on.evidence), (end, where, told)
                assert headline(ENGINE.decide(sync_of((*end, *where, *told)), History(repaired=True), "k")) == headline(
                    off
                )


def test_no_sync_may_start_while_anything_is_under_way() -> None:
    for job, state in product(("succeeded", "cancelled", "absent"), ("absent", "synced", "pending")):
        values = (job, "running", "active", state, *["absent"] * 4)
        running = ENGINE.decide(sync_of(values), key="k")
        assert (headline(running), running.may_sync) == ("no_op in_progress", False)


def test_random_observations_answer_as_the_oracle_says() -> None:
    axes = DECIDER.section.shape.space.axes
    draws = random.Random(11)
    for _ in range(2_000):
        values = tuple(draws.choice(axis.values) for axis in axes)
        decision = ENGINE.decide(sync_of(values), key="k")
        expected = oracle(*values)
        assert headline(decision) == expected.within, values
        assert headline(ENGINE.decide(sync_of(values), PAST, "k")) == expected.past, values
        assert list(decision.anomalies) == anomalies(*values[:7]), values


# What a reviewer reads.


def golden_table() -> str:
    """Every failure of a failed job, by origin, flag and progress; and where the connection is off by now."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    failure_axes = ("failure_type", "failure_origin", "retryable", "partial_success")
    writer.writerow((*failure_axes, "within", "past", "repaired", "switched_off", "paused", "evidence", "anomalies"))
    origins, kinds = ([value for alike in CLASSES[name] for value in alike] for name in list(CLASSES)[4:6])
    for kind, origin, flag, progress in product(kinds, origins, FLAGS, FLAGS):
        failed = (origin, kind, flag, progress)
        values = ("failed", "failed", "active", "absent", *failed)
        said = oracle(*values)
        off = (oracle("failed", "failed", *where, *failed).within for where in (SWITCHED_OFF, PAUSED))
        odd = " ".join(anomalies(*values[:7]))
        told = (said.within, said.past, said.repaired, *off, said.evidence, odd)
        writer.writerow((kind, origin, flag, progress, *told))
    return out.getvalue()


def test_the_golden_table_is_what_the_oracle_says() -> None:
    assert GOLDEN.read_text() == golden_table()


def test_the_engine_answers_as_the_golden_table() -> None:
    with GOLDEN.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9 * 10 * 3 * 3
    for row in rows:
        failed = (row["failure_origin"], row["failure_type"], row["retryable"], row["partial_success"])
        observation, switched_off, paused = (
            sync_of(("failed", "failed", *where, *failed)) for where in (("active", "absent"), SWITCHED_OFF, PAUSED)
        )
        off = [headline(ENGINE.decide(one, key="k")) for one in (switched_off, paused)]
        assert off == [row["switched_off"], row["paused"]]
        decision = ENGINE.decide(observation, key="k")
        assert (headline(decision), decision.evidence, " ".join(decision.anomalies)) == (
            *(row["within"], row["evidence"]),
            row["anomalies"],
        )
        assert headline(ENGINE.decide(observation, PAST, "k")) == row["past"]
        assert headline(ENGINE.decide(observation, History(repaired=True), "k")) == row["repaired"]


if __name__ == "__main__":
    GOLDEN.write_text(golden_table())
