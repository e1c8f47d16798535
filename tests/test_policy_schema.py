"""The JSON Schema of policies: it lets pass what loads, and refuses what the loader refuses for its form."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from remediate import Engine, PolicyError
from remediate.cli.app import app
from remediate.loading import KEYS, bundled_names, parse_policy, policy_path
from remediate.policy import Schedule
from remediate.upstreams import find_upstream, upstream_names
from remediate.workshop import schema
from remediate.workshop.schema import policy_schema
from tests.commands import run
from tests.thoroughness import WHOLE, part

SMALL = """
name = "small"
upstream = "layer"
revision = "1"
summary = "what it answers"
look_again_s = { reauth = 60, escalate = 60.5 }
[retry_after]
longest_s = 60
then = { escalate = "provider", scope = "integration" }
because = "too long"
next_steps = { provider = "look", engineering = "look" }
[episode]
settling_s = 60
reminders_s = [100, 200]
[schedules.slow]
first_s = 60
factor = 2
ceiling_s = 600
attempts = 3
within_s = 3600
[schedules.slow.spent]
then = { as_if = { is_retryable_failure = false } }
because = "used up"
[limits.long]
syncing_for_s = 600
[limits.long.spent]
then = { escalate = "support", scope = "connection" }
because = "long"
next_steps = { support = "look" }
[groups.sync_failure_reason]
outage = ["QUICKBOOKS_SERVICE_UNAVAILABLE", "QUICKBOOKS_INTERNAL_SERVER_ERROR"]
[[status.rules]]
name = "running"
when = { is_syncing = true }
then = { no_op = "in_progress", look_again_s = 30 }
limit = "long"
evidence = "none"
because = "running"
[[status.rules]]
name = "gone"
when = { is_connected = false }
then = { no_op = "not_connected", look_again_s = "never" }
evidence = "none"
because = "gone"
[[status.rules]]
name = "down"
when = { sync_failure_reason = ["outage", "unrecognised"], is_retryable_failure = [true, "absent"] }
then = { retry = "slow" }
evidence = "upstream"
because = "down"
[[status.rules]]
name = "lapsed"
when = { sync_failure_reason = "QUICKBOOKS_INVALID_CREDENTIALS" }
then = { reauth = "new_connection", system = "quickbooks" }
repairable = true
evidence = "authorisation"
because = "lapsed"
next_steps = { customer = "sign in" }
[[status.rules]]
name = "else"
when = {}
then = { escalate = "engineering", scope = "integration" }
evidence = "opaque"
because = "else"
next_steps = { engineering = "look" }
[status.repair]
schedule = "slow"
because = "mended"
[[status.anomalies]]
name = "odd"
when = { last_synced_at = "present", last_sync_status = "absent" }
[[status.invariants]]
name = "never"
when = { is_syncing = true }
never = ["retry", "reauth"]
[[failure.rules]]
name = "all"
when = {}
then = { escalate = "engineering", scope = "integration" }
evidence = "none"
because = "all"
next_steps = { engineering = "look" }
[[failure.invariants]]
name = "only"
when = { http_status = "present" }
only = "escalate"
"""
WRONG: list[Any] = [
    3,
    0,
    -1,
    10**9,
    1.5,
    "x",
    "",
    " ",
    "a\nb",
    "never",
    True,
    [],
    ["a", "a"],
    ["x"],
    [3],
    {},
    {"x": "y"},
]


@cache
def validator(upstream: str | None) -> Draft202012Validator:
    return Draft202012Validator(policy_schema(upstream and find_upstream(upstream, "these tests")))


def toml(value: Any) -> str:
    """A table as TOML, everything inline below its first keys."""
    return "".join(f"{json.dumps(key)} = {inline(inner)}\n" for key, inner in value.items())


def inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {inline(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def loads(policy: dict[str, Any]) -> bool:
    try:
        parse_policy(toml(policy).encode())
    except PolicyError:
        return False
    return True


def proves(policy: dict[str, Any]) -> bool:
    try:
        Engine(parse_policy(toml(policy).encode()))
    except PolicyError:
        return False
    return True


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a policy below its root."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, one in inner:
        yield (*path, step)
        yield from places(one, (*path, step))


def changed(policy: dict[str, Any], path: tuple[Any, ...], to: Any = None, *, add: str = "") -> dict[str, Any]:
    """A copy in which a place has another value; is gone, for None; or, for a table, has a key more."""
    made = copy.deepcopy(policy)
    at: Any = made
    for step in path[:-1]:
        at = at[step]
    if add:
        at[path[-1]][add] = to
    elif to is None:
        del at[path[-1]]
    else:
        at[path[-1]] = to
    return made


def mutants(policy: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in places(policy):
        yield changed(policy, path)
        for wrong in WRONG:
            yield changed(policy, path, wrong)
        at: Any = policy
        for step in path:
            at = at[step]
        if isinstance(at, dict):
            yield changed(policy, path, 3, add="unheard_of")
        if isinstance(at, list):
            yield changed(policy, path, [*at, at[0]])
        if isinstance(at, str):
            yield changed(policy, path, at[:-1] + "_")


@cache
def judged() -> list[tuple[dict[str, Any], bool]]:
    """The small policy, changed, and whether that loads; in plain runs each fifth change."""
    return [(mutant, loads(mutant)) for mutant in part(mutants(tomllib.loads(SMALL)), 5)]


@pytest.mark.parametrize("upstream", [*upstream_names(), None])
def test_it_is_a_schema_and_every_key_is_described(upstream: str | None) -> None:
    made = policy_schema(upstream and find_upstream(upstream, "these tests"))
    Draft202012Validator.check_schema(made)
    assert made["$schema"] == schema.DIALECT
    for table in (made, *made["$defs"].values()):
        assert all(one.get("description") for one in table.get("properties", {}).values()), table
        for one in table.get("properties", {}).values():
            assert all(inner.get("description") for inner in one.get("properties", {}).values()), one
    schedule = made["$defs"]["Schedule"]["properties"]
    assert schedule["floor_s"]["description"] == "No wait is below it, seconds; default 5."
    assert schedule["floor_s"]["default"] == 5
    assert made["$defs"]["Cadence"]["properties"]["reminders_s"]["default"] == [259200, 604800]
    assert made["$defs"]["Cadence"]["properties"]["look_again_s"]["description"].endswith("default 1 hour.")


def test_the_defaults_of_a_fleet_are_as_they_are_described() -> None:
    for name, field in policy_schema(find_upstream("layer", "these tests"))["$defs"]["Fleet"]["properties"].items():
        said = re.search(r"default (\d+(?:\.\d+)?)", field["description"])
        assert said is not None, name
        assert float(said[1]) == field["default"], name


@pytest.mark.parametrize("name", bundled_names())
def test_what_is_shipped_is_valid(name: str) -> None:
    raw = tomllib.loads(policy_path(name).read_text())
    for upstream in (None, raw["upstream"]):
        assert [error.json_path for error in validator(upstream).iter_errors(raw)] == []


def test_what_is_shipped_is_what_is_generated() -> None:
    for upstream in upstream_names():
        file = policy_path(bundled_names()[0]).parent / f"{upstream}.schema.json"
        assert run("policy", "schema", "--upstream", upstream).stdout == file.read_text()
    for name in bundled_names():
        text = policy_path(name).read_text()
        assert text.startswith(f"#:schema {tomllib.loads(text)['upstream']}.schema.json\n")


def test_the_small_policy_proves() -> None:
    assert proves(tomllib.loads(SMALL))
    assert validator("layer").is_valid(tomllib.loads(SMALL))


def demanded(policy: dict[str, Any]) -> bool:
    """What only the proof refuses, and the schema too: an invariant that forbids nothing, a limit without a bound."""
    sections = [value for key, value in policy.items() if key not in KEYS]
    invariants = [one for section in sections for one in section.get("invariants", [])]
    limits = policy.get("limits", {}).values()
    bounds = {"attempts", "failing_for_s", "syncing_for_s"}
    return all(("never" in one) != ("only" in one) for one in invariants) and all(bounds & one.keys() for one in limits)


def test_form_is_judged_as_the_loader_judges_it() -> None:
    """Every place of a policy with everything in it, changed in every way: refused by both, or by neither."""
    counts = {True: 0, False: 0}
    for mutant, loaded in judged():
        assert validator(None).is_valid(mutant) == (loaded and demanded(mutant)), mutant
        counts[loaded] += 1
    assert min(counts.values()) > (300 if WHOLE else 60)


def test_nothing_that_proves_is_refused() -> None:
    proven = [mutant for mutant, loaded in judged() if loaded and proves(mutant)]
    assert len(proven) > (100 if WHOLE else 20)
    for mutant in proven:
        assert [error.message for error in validator("layer").iter_errors(mutant)] == []


SYSTEM = 'then = { reauth = "new_connection", system = "plade" }'
SHIPPED = tomllib.loads(policy_path("layer-quickbooks").read_text())
PLACES = list(places(SHIPPED))
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@given(st.sampled_from(PLACES), st.one_of(st.none(), st.sampled_from(WRONG), st.text(max_size=3), st.floats(0, 1e8)))
def test_the_shipped_policy_changed_anywhere_is_judged_alike(path: tuple[Any, ...], to: Any) -> None:
    assume(not isinstance(to, float) or not to.is_integer())  # to a schema 48.0 is a whole number
    assume(not isinstance(to, str) or to.isprintable() or CONTROL.search(to))  # it knows only the commonest of those
    mutant = changed(SHIPPED, path, to)
    assert validator(None).is_valid(mutant) == (loads(mutant) and demanded(mutant))


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("is_syncing = true", "is_synching = true", "$.status.rules[0].when"),
        ("is_syncing = true", 'is_syncing = "true"', "$.status.rules[0].when.is_syncing"),
        ('[true, "absent"]', '[true, "absnt"]', "$.status.rules[10].when.is_retryable_failure"),
        ('upstream = "layer"', 'upstream = "lair"', "$.upstream"),
        ('outage = ["QUICK', 'outage = ["QUCK', "$.groups.sync_failure_reason.outage[0]"),
        ("[groups.http_status]", "[groups.http_stat]", "$.groups"),
        ('system = "quickbooks"', 'system = "plaid"', "$.status.rules[1].then"),
        ('never = "retry"', 'never = "retries"', "$.status.invariants[0].never"),
        ("as_if = { is_retryable_failure", "as_if = { is_retriable_failure", "$.schedules.probe.spent.then"),
        ("[[status.rules]]", "[[statuss.rules]]", "$"),
        ("last_synced_at", "last_sync_at", "$.status.anomalies"),
        ("then = { as_if = { is_retryable_failure = false } }", SYSTEM, "$.schedules."),
        (
            '[retry_after]\nlongest_s = 21600\nthen = { escalate = "provider", scope = "integration" }',
            "[retry_after]\nlongest_s = 21600\n" + SYSTEM,
            "$.retry_after",
        ),
    ],
)
def test_a_name_that_the_upstream_does_not_have_is_refused_at_its_place(old: str, new: str, place: str) -> None:
    text = policy_path("layer-quickbooks").read_text()
    assert old in text
    first = text.replace(old, new, 1)
    found = [error.json_path for error in validator("layer").iter_errors(tomllib.loads(first))]
    assert found
    assert all(path.startswith(place) for path in found)
    assert validator(None).is_valid(tomllib.loads(first)) == loads(tomllib.loads(first))


def test_known_values_come_first_where_a_group_may_stand() -> None:
    values = policy_schema(find_upstream("layer", "these tests"))["$defs"]["status.sync_failure_reason"]["anyOf"]
    assert values[0]["enum"][0] == "QUICKBOOKS_AUTHENTICATION_FAILURE"
    assert values[0]["enum"][-3:] == ["absent", "unrecognised", "present"]
    assert values[1] == {"type": "string"}


def test_a_new_field_shows_up_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    @attrs.frozen(kw_only=True)
    class Wider(Schedule):
        """Waits.

        Attributes:
            spread: how far waits lie apart,
                in two lines; default half.
        """

        spread: float = 0.5
        steps: Mapping[str, tuple[int, ...]] | None = None

    walk = schema._Walk()
    assert walk.form(Wider, None) == {"$ref": "#/$defs/Wider"}
    properties = walk.definitions["Wider"]["properties"]
    said = "How far waits lie apart, in two lines; default half."
    assert properties["spread"] == {"$ref": "#/$defs/number", "description": said, "default": 0.5}
    assert properties["steps"]["additionalProperties"] == {"type": "array", "items": {"$ref": "#/$defs/count"}}

    @attrs.frozen
    class Odd:
        when: bytes

    with pytest.raises(TypeError, match="no form is known of <class 'bytes'>"):
        walk.form(Odd, None)


def test_the_command_prints_it_and_refuses_who_is_not_there() -> None:
    ran = run("policy", "schema", "--upstream", "any")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout) == policy_schema()
    assert ran.stdout.isascii()
    refused = CliRunner().invoke(app, ["policy", "schema", "--upstream", "lair"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert (
        refused.stderr
        == "--upstream: unknown upstream `lair` (did you mean `layer`?); there are `airbyte`, `layer`, `any`\n"
    )
    assert "Example: remediate policy schema" in run("policy", "schema", "--help").stdout
