"""A case is read strictly, stands for what its lists say, and tells each expectation that does not hold."""

from __future__ import annotations

import re
import tomllib
from itertools import product
from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from remediate import Engine, History, PolicyError
from remediate.upstreams.layer import ApiFailure, ConnectionStatus
from remediate.workshop.cases.expanding import DEEPEST
from remediate.workshop.cases.reading import LARGEST_FILE, MOST_OF_ONE, Trial, parse_cases
from remediate.workshop.cases.trying import Report, try_cases

ENGINE = Engine.bundled()
OUTAGE = """[[cases]]
name = "an outage"
given = { is_connected = true, last_sync_status = "SYNC_FAILURE", sync_failure_reason = "QUICKBOOKS_SERVICE_UNAVAILABLE" }
history = { attempts = 2 }
key = "acme"
answer = "retry transient"
rule = "QuickBooks is down"
"""  # noqa: E501  # as people write it


def read(text: str) -> tuple[Trial, ...]:
    return parse_cases(text.encode(), ENGINE, source="mine.toml")


def tried(text: str) -> Report:
    return try_cases(ENGINE, read(text))


def differing(text: str) -> dict[str, tuple[object, object]]:
    """What differs for the only observation of a case: the expected and what came."""
    (failure,) = tried(text).failures
    return {one.field: (one.expected, one.got) for one in failure.differences}


def refused(content: str | bytes) -> tuple[str, ...]:
    """What is wrong with a file."""
    with pytest.raises(PolicyError) as caught:
        parse_cases(content if isinstance(content, bytes) else content.encode(), ENGINE, source="mine.toml")
    assert str(caught.value).startswith("mine.toml: ")
    assert all(line.isprintable() for line in caught.value.problems)
    return caught.value.problems


# What a case expects.


def test_a_case_holds_as_it_stands() -> None:
    report = tried(OUTAGE)
    assert (report.cases, report.observations, report.failures) == (1, 1, ())


@pytest.mark.parametrize(
    ("line", "got"),
    [
        ('answer = "retry cautious"', "retry transient"),
        ('rule = "not connected"', "QuickBooks is down"),
        ("may_sync = true", False),
        ('evidence = "opaque"', "upstream"),
        ('anomalies = ["status_missing"]', []),
        ("attempt = 2", 3),
        ("delay_s = [241, 300]", ...),
        ("delay_s = [0, 4.9]", ...),
        ("delay_s = 240", ...),
        ("look_again_s = 30", ...),
        ('look_again_s = "never"', ...),
        ("ceiling_s = 239", 240.0),
        ('repeats = "status"', "sync"),
        ('because = "QuickBooks is down."', "QuickBooks was unavailable or failed inside, which passes by itself."),
    ],
)
def test_each_expectation_that_is_wrong_is_told_alone(line: str, got: object) -> None:
    field = line.split(" = ")[0]
    text = re.sub(rf"^{field} = .*$", "", OUTAGE, flags=re.MULTILINE) + line
    expected, found = differing(text)[field]
    assert expected == tomllib.loads(line)[field]
    assert found == got or (got is ... and isinstance(found, float) and 5 <= found <= 240)
    assert len(differing(text)) == 1


@pytest.mark.parametrize(
    "line",
    ["may_sync = false", 'evidence = "upstream"', "anomalies = []", "attempt = 3", "delay_s = [5, 240]"]
    + ["look_again_s = [5.0, 240]", "ceiling_s = 240", 'repeats = "sync"', "ceiling_s = [240, 240]"],
)
def test_each_expectation_that_is_right_holds(line: str) -> None:
    assert tried(OUTAGE + line).failures == ()


def test_what_a_decision_does_not_have_differs() -> None:
    healthy = '[[cases]]\nname = "w"\ngiven = { last_sync_status = "SYNC_SUCCESS" }\nanswer = "no_op healthy"\n'
    healthy += 'rule = "the last sync succeeded"\n'
    assert differing(healthy + "attempt = 1\ndelay_s = [0, 9]") == {"attempt": (1, None), "delay_s": ([0.0, 9.0], None)}
    archived = '[[cases]]\nname = "a"\ngiven = { type = "ResourceArchived" }\nanswer = "no_op archived"\n'
    archived += 'rule = "archived, by category"\n'
    assert tried(archived + 'look_again_s = "never"').failures == ()
    assert differing(archived + "look_again_s = 0") == {"look_again_s": (0.0, None)}


def test_anomalies_are_all_of_them_in_any_order() -> None:
    text = OUTAGE.replace('last_sync_status = "SYNC_FAILURE", ', "").replace('key = "acme"\n', "")
    assert tried(text + 'anomalies = ["status_missing", "no_key"]').failures == ()
    assert differing(text + 'anomalies = ["status_missing"]')["anomalies"][1] == ["no_key", "status_missing"]


def test_a_rule_and_a_schedule_that_the_policy_does_not_have_are_hinted_at() -> None:
    (failure,) = tried(OUTAGE.replace("is down", "is dwn").replace("transient", "transint")).failures
    assert [one.hint for one in failure.differences] == [
        " (did you mean `retry transient`?)",
        " (did you mean `QuickBooks is down`?)",
    ]
    (failure,) = tried(OUTAGE.replace("QuickBooks is down", "xyzzy")).failures
    assert failure.differences[0].hint == " (the policy has no such rule)"


def test_after_another_history_the_same_observations_answer_otherwise() -> None:
    after = 'after = [{ history = [{ attempts = 48 }, { failing_for_s = [86400, 86401] }], answer = "%s" }]'
    report = tried(OUTAGE + after % "escalate provider integration")
    assert (report.cases, report.observations, report.failures) == (1, 4, ())
    (failure, *others) = tried(OUTAGE + after % "escalate support connection").failures
    assert len(others) == 2
    assert failure.record.history == History(attempts=48)
    assert failure.record.key == "acme"
    assert [one.field for one in failure.differences] == ["answer"]
    named = after.replace('"%s"', '"%s", rule = "not connected"') % "escalate provider integration"
    assert {one.field for failure in tried(OUTAGE + named).failures for one in failure.differences} == {"rule"}


def test_a_record_brings_its_own_history_and_key() -> None:
    text = OUTAGE.replace("given = {", 'given = { key = "acme", history = { attempts = [2, 3] }, observation = {')
    text = text.replace('UNAVAILABLE" }', 'UNAVAILABLE" } }').replace("history = { attempts = 2 }\n", "")
    (trial,) = read(text.replace('\nkey = "acme"', ""))
    assert [(one.key, one.history) for one, _ in trial.records] == [("acme", History(attempts=n)) for n in (2, 3)]


# What a list stands for.

VALUES = st.lists(st.sampled_from(["SYNC_SUCCESS", "SYNC_FAILURE", "absent", "unrecognised"]), min_size=1, unique=True)
FLAGS = st.lists(st.sampled_from([True, False, "absent"]), min_size=1, unique=True)


def toml(values: list[Any]) -> str:
    said = [str(one).lower() if isinstance(one, bool) else f'"{one}"' for one in values]
    return said[0] if len(said) == 1 else f"[{', '.join(said)}]"


def raw(token: object) -> Any:
    return None if token == "absent" else token


@given(FLAGS, VALUES, FLAGS, st.lists(st.integers(0, 9), min_size=1, unique=True))
def test_lists_stand_for_each_combination(
    connected: list[Any], statuses: list[str], flags: list[Any], attempts: list[int]
) -> None:
    assume(len(connected) * len(flags) < 9)
    given_ = (
        f"is_connected = {toml(connected)}, last_sync_status = {toml(statuses)}, is_retryable_failure = {toml(flags)}"
    )
    text = f'[[cases]]\nname = "c"\nanswer = "no_op healthy"\nrule = "r"\ngiven = {{ {given_} }}\n'
    (trial,) = read(text + f"history = {{ attempts = {attempts} }}")
    wanted = [
        (
            ConnectionStatus(is_connected=raw(c), last_sync_status=raw(s), is_retryable_failure=raw(f)),
            History(attempts=n),
        )
        for c, s, f, n in product(connected, statuses, flags, attempts)
    ]
    found = [(record.observation, record.history) for record, _ in trial.records]
    assert sorted(map(str, found)) == sorted(map(str, wanted))
    assert trial.case.count == len(found) == len(wanted)


def test_lists_of_tables_stand_for_each_table_above_and_for_themselves_below() -> None:
    text = """[[cases]]
name = "c"
given = [{ is_syncing = [true, false] }, { errors = [{ type = ["Plaid", "Stripe"] }, { type = "BadRequest" }] }]
answer = "no_op healthy"
rule = "r"
"""
    (trial,) = read(text)
    assert [record.observation for record, _ in trial.records] == [
        ConnectionStatus(is_syncing=True),
        ConnectionStatus(is_syncing=False),
        ApiFailure(type="Plaid"),
        ApiFailure(type="Stripe"),
    ]
    assert trial.case.given.count == 4


def test_any_shape_of_a_payload_may_be_given() -> None:
    shapes = ("{ data = { is_syncing = true }, meta = {} }", "{ is_syncing = true }")
    shapes += ("{ http_status = 200, observation = { is_syncing = true } }",)
    for shape in shapes:
        text = f'[[cases]]\nname = "c"\ngiven = {shape}\nanswer = "no_op in_progress"\nrule = "a sync is running"'
        assert tried(text).failures == ()


# What is refused.


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[[cases]]", "[[case]]", "unknown key `case` (did you mean `cases`?)"),
        ("[[cases]]", "[cases]", "cases: expected an array, got an object"),
        ('name = "an outage"\n', "", "case number 1: the key `name` is missing"),
        ('name = "an outage"', "name = 3", "case number 1: name: expected a string, got a number"),
        ('name = "an outage"', 'name = " "', 'case " ": name: expected some text'),
        ('answer = "retry', 'answr = "retry', 'case "an outage": unknown key `answr` (did you mean `answer`?)'),
        ('rule = "QuickBooks is down"\n', "", 'case "an outage": the key `rule` is missing'),
        ("retry transient", "retri transient", "unknown answer `retri transient` (did you mean `retry transient`?)"),
        ("retry transient", "escalate suport connection", "(did you mean `escalate support connection`?)"),
        ("retry transient", "reauth reauthorize quickboks", "(did you mean `reauth reauthorize quickbooks`?)"),
        ("{ attempts = 2 }", "{ atempts = 2 }", "history: unknown key `atempts` (did you mean `attempts`?)"),
        ("{ attempts = 2 }", "{ attempts = 2.0 }", "history.attempts: expected a whole number, got a number"),
        ("{ attempts = 2 }", "{ attempts = -1 }", "history: `attempts`: expected a number from 0"),
        ("{ attempts = 2 }", "{ attempts = [] }", "history: attempts: an empty list stands for nothing"),
        ("{ attempts = 2 }", "2", "history: expected a table or a list of them, got a number"),
        ("{ attempts = 2 }", "[]", "history: expected a table or a list of them, got an array"),
        ("is_connected = true", "is_connected = 1", "given: `is_connected`: expected true, false or null"),
        ("is_connected = true", "is_connected = [true, true]", "given: is_connected: a value is listed twice"),
        ("is_connected = true", "is_connected = [true, [false]]", "is_connected: expected a list of values, or one of"),
        ("is_connected = true", "is_connected = [true, {}]", "is_connected: expected a list of values, or one of"),
        ("is_connected = true", "is_conected = true", "is_conected: the field is passed over (did you mean"),
        ("is_connected = true", "is_connected = 2026-01-31", "is_connected: expected a string, a number, true or"),
        ("is_connected = true", f"retry_after_s = {2**63}", "retry_after_s: a whole number of more than 64 bits"),
        ("is_connected = true", "attempts = 2", None),
        ("UNAVAILABLE", "UNAVAILBLE", "is not published (did you mean `QUICKBOOKS_SERVICE_UNAVAILABLE`?)"),
        ("QUICKBOOKS_SERVICE_UNAVAILABLE", "outage", "sync_failure_reason: `outage` is a word of policies"),
        ("QUICKBOOKS_SERVICE_UNAVAILABLE", "present", "`present` is a word of policies; a case lists the values"),
        ("QUICKBOOKS_SERVICE_UNAVAILABLE", "QUICKBOOKS_ON_FIRE", None),
        ('key = "acme"', "key = 3", "key: expected a string, got a number"),
        ('key = "acme"', 'may_sync = "no"', "may_sync: expected true or false, got a string"),
        ('key = "acme"', 'evidence = "opak"', "evidence: unknown value `opak` (did you mean `opaque`?)"),
        ('key = "acme"', 'anomalies = "no_key"', "anomalies: expected an array, got a string"),
        ('key = "acme"', "attempt = 3.0", "attempt: expected a whole number, got a number"),
        ('key = "acme"', "delay_s = [3]", "delay_s: expected a number of seconds, [low, high]"),
        ('key = "acme"', "delay_s = [true, 3]", "delay_s: expected a number of seconds, [low, high]"),
        ('key = "acme"', "delay_s = [4, 3]", "delay_s: expected finite seconds from 0, the lower first"),
        ('key = "acme"', "delay_s = nan", "delay_s: expected finite seconds from 0, the lower first"),
        ('key = "acme"', 'look_again_s = "soon"', "look_again_s: expected a number of seconds, [low, high]"),
        ('key = "acme"', 'after = [{ answer = "no_op gone" }]', "after number 1: the key `history` is missing"),
        ('key = "acme"', 'after = [{ history = {}, answer = "x" }]', "answer: unknown answer `x`"),
        ('key = "acme"', 'after = [{ history = { atempts = 1 }, answer = "no_op gone" }]', "history: unknown key"),
        ('key = "acme"', 'after = [{ history = {}, key = "a", answer = "no_op gone" }]', "unknown key `key`"),
        ("given = {", 'given = { key = "a", observation = {', "is not TOML"),
    ],
)  # fmt: skip
def test_a_slip_is_refused_at_its_place(old: str, new: str, said: str | None) -> None:
    assert OUTAGE.count(old) == 1
    text = OUTAGE.replace(old, new)
    if said is None:
        assert read(text)
    else:
        assert any(said in problem for problem in refused(text)), refused(text)


def test_a_history_or_a_key_that_is_given_twice_is_refused() -> None:
    text = OUTAGE.replace("given = {", 'given = { key = "a", history = {}, observation = {').replace(
        'BLE" }', 'BLE" } }'
    )
    assert refused(text) == (
        'case "an outage": history: the record in `given` has one too',
        'case "an outage": key: the record in `given` has one too',
    )


def test_every_bad_place_is_told_each_once() -> None:
    bad = OUTAGE.replace("is_connected = true", "is_connected = 1").replace("attempts = 2", "attempts = [1, 2, 3]")
    other = OUTAGE.replace("an outage", "other").replace("{ attempts = 2 }", "{ failing_for_s = -1 }")
    assert refused(bad + OUTAGE.replace("an outage", "good") + other) == (
        'case "an outage": given: `is_connected`: expected true, false or null',
        'case "other": history: `failing_for_s`: expected a finite number of seconds, from 0',
    )
    assert refused(OUTAGE + OUTAGE) == ('case "an outage": there are two of this name',)
    assert refused("cases = []") == ("has no cases",)
    assert refused("") == ("the key `cases` is missing",)


def test_a_misspelt_field_is_found_inside_a_record_too() -> None:
    text = OUTAGE.replace("given = {", "given = { http_status = 200, observation = { is_sincing = true,")
    (problem,) = refused(text.replace('BLE" }', 'BLE" } }'))
    assert problem == (
        'case "an outage": given: observation.is_sincing: the field is passed over (did you mean `is_syncing`?)'
    )


def test_a_misspelt_field_in_a_list_is_told_with_its_number() -> None:
    given_ = '{ errors = [{ type = "Plaid" }, { error_enums = "PlaidApiError" }] }'
    text = re.sub("^given = .*$", f"given = {given_}", OUTAGE, flags=re.MULTILINE)
    (problem,) = refused(text)
    said = "given: errors number 2.error_enums: the field is passed over (did you mean `error_enum`?)"
    assert problem == f'case "an outage": {said}'


def test_fields_that_upstream_may_send_beside_are_passed_over() -> None:
    text = OUTAGE.replace("given = {", 'given = { type = "Status", business_id = "b", last_sync_id = "x",')
    assert tried(text).failures == ()


def listed(count: int) -> str:
    """A case that stands for so many observations times a hundred."""
    values = ", ".join(f'"unheard of {n}"' for n in range(count))
    statuses = ", ".join(f'"nobody said {n}"' for n in range(100))
    given_ = f"{{ last_sync_status = [{statuses}], sync_failure_reason = [{values}] }}"
    return f'[[cases]]\nname = "{count}"\ngiven = {given_}\nanswer = "no_op gone"\nrule = "x"\n'


def test_what_a_case_may_stand_for_is_bounded() -> None:
    assert read(listed(99))[0].case.count == 9_900
    assert MOST_OF_ONE == 10_000
    assert refused(listed(101)) == ('case "101": stands for more than 10000 observations',)
    doubled = listed(60) + "after = [{ history = { attempts = [1] }, answer = 'no_op gone' }]\n"
    assert refused(doubled) == ('case "60": stands for more than 10000 observations',)
    many = "".join(listed(100).replace('"100"', f'"n{n}"') for n in range(21))
    assert refused(many) == ("the cases stand for more than 200000 observations together",)
    wide = ", ".join(f"f{n} = [1, 2]" for n in range(20_000))  # its count has 6,000 digits
    assert refused(OUTAGE.replace("is_connected = true", wide)) == (
        'case "an outage": stands for more than 10000 observations',
        "the cases stand for more than 200000 observations together",
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\x00\x01", "is not UTF-8 at byte 0"),
        (b"\x00", "is not TOML"),
        (b"cases = [", "is not TOML"),
        (b"cases = " + b"9" * 5_000, "is not TOML"),
        (b"cases = " + b"[" * 50_000, "is nested too deep"),
        (b"[[cases]]\ngiven." + b"a." * 1_000 + b"b = 1", f"nested deeper than {DEEPEST}"),
        (b"[[cases]]\ngiven = [" + b"{ a = [" * 40 + b"1" + b"] }" * 40 + b"]", f"nested deeper than {DEEPEST}"),
        (b" " * (LARGEST_FILE + 1), f"is larger than {LARGEST_FILE} bytes"),
        (b'[[cases]]\nname = "\\u001b[31m\\u202e"\nx = 1', '"\\x1b[31m\\u202e": unknown key `x`'),
        (b'[[cases]]\n"\\u001b[2J" = 1', "unknown key `\\x1b[2J`"),
        (b'"\\u001b" = 1', "unknown key `\\x1b`"),
    ],
)
def test_a_hostile_file_is_refused(content: bytes, said: str) -> None:
    assert any(said in problem for problem in refused(content)), refused(content)


@given(
    st.integers(0, len(OUTAGE)),
    st.integers(0, 20),
    st.text(st.sampled_from('[]{}=",. \n\\u1a09true\x00\xe9'), max_size=8),
)
def test_a_file_that_is_damaged_anywhere_is_refused_or_read(at: int, dropped: int, put: str) -> None:
    text = OUTAGE[:at] + put + OUTAGE[at + dropped :]
    try:
        trials = read(text)
    except PolicyError as error:
        assert error.problems
    else:
        assert try_cases(ENGINE, trials).observations == sum(trial.case.count for trial in trials)


def test_a_case_is_frozen() -> None:
    (trial,) = read(OUTAGE)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        trial.case.name = "other"  # type: ignore[misc]  # as the name says
