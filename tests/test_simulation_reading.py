"""Scenarios as files: those that are shipped, and whatever else stands in one."""

from __future__ import annotations

import tomllib
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediate import Engine
from remediate.errors import PolicyError
from remediate.simulation.batches import Trial, run_one
from remediate.simulation.reading import (
    LARGEST_FILE,
    MOST_CONNECTIONS,
    load_scenario,
    parse_scenario,
    scenario_names,
    scenario_path,
    shipped_text,
    with_connections,
)
from remediate.simulation.scenario import Fault, Place, Scenario, Wrong

NAMES = {"outage", "outage-10m", "outage-6h", "brown-out", "capacity-drop", "rate-limit", "authorisation-outage"}
NAMES |= {"broken-tenants", "calm-week", "flapping", "regional-outage", "slow-degradation", "tenant-quota"}
HEAD = 'name = "mine"\nlasts_s = 36000\n'
FAULT = "[[faults]]\nbegins_s = 7200\nlasts_s = 600\n"


def problems(text: str | bytes) -> list[str]:
    content = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(PolicyError) as refused:
        parse_scenario(content, source="mine.toml")
    return str(refused.value).splitlines()


def test_what_is_shipped_is_what_was_promised() -> None:
    assert set(scenario_names()) == NAMES


@pytest.mark.parametrize("name", scenario_names())
def test_a_shipped_scenario_loads_is_calm_first_and_runs(name: str, engine: Engine) -> None:
    scenario = load_scenario(name)
    assert (scenario.name, scenario.connections) == (name, 10_000)
    assert scenario.summary
    assert bool(scenario.faults) == (name != "calm-week")
    assert all(fault.begins_s >= 6 * 3600 for fault in scenario.faults)
    ends_s = max((fault.begins_s + fault.jitter_s + fault.lasts_s for fault in scenario.faults), default=0)
    assert scenario.lasts_s >= ends_s + 2 * 3600
    small = attrs.evolve(scenario, connections=40, neighbours=4)
    found = run_one(Trial(scenario=small, seed=1, policy=engine.policy)).figures
    assert found.overlaps == 0
    assert (found.recovered_s is None) == (name == "calm-week")


def test_another_fleet_has_its_bounds_too() -> None:
    week = load_scenario("calm-week")
    assert with_connections(week, 7) == attrs.evolve(week, connections=7)
    for connections in (0, MOST_CONNECTIONS + 1):
        with pytest.raises(PolicyError, match=f"scenario: expected 1 to {MOST_CONNECTIONS} connections"):
            with_connections(week, connections)


def test_a_users_own_file_is_read_wherever_a_name_is(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(shipped_text("flapping").replace('"flapping"', '"mine"'))
    read = load_scenario(str(mine))
    assert read == attrs.evolve(load_scenario("flapping"), name="mine")
    assert load_scenario(mine) == read
    assert scenario_path("x/y") == Path("x/y")


def test_every_key_is_read_and_what_is_left_out_has_its_default() -> None:
    read = parse_scenario(f'{HEAD}summary = "s"\nconnections = 7\n{FAULT}wrong = "failure"\nat = "syncs"\n'.encode())
    fault = Fault(wrong=Wrong.FAILURE, begins_s=7200.0, lasts_s=600.0, at=Place.SYNCS)
    assert read == Scenario(name="mine", summary="s", lasts_s=36_000.0, connections=7, faults=(fault,))


REFUSED = [
    ("lasts_s = 3600", "the key `name` is missing"),
    ('name = "mine"', "the key `lasts_s` is missing"),
    (f"{HEAD}conections = 5", "unknown key `conections` (did you mean `connections`?)"),
    (f"{HEAD}connections = 5.0", "connections: expected a whole number, got a number"),
    (f"{HEAD}connections = true", "connections: expected a whole number, got a boolean"),
    (f"{HEAD}connections = 0", f"connections: expected a number from 1 to {MOST_CONNECTIONS}"),
    (f"{HEAD}sync_s = nan", "sync_s: expected a finite number"),
    (f"{HEAD}utilisation = 1.1", "utilisation: expected a number from 0.01 to 1"),
    (f'{HEAD}summary = "a\\nb"', "summary: expected text on one line, without control characters"),
    (f"{HEAD}faults = 3", "faults: expected an array, got a number"),
    (f"{HEAD}faults = [3]", "fault number 1: expected an object, got a number"),
    ('name = "../x"\nlasts_s = 60', "name: expected up to 60 letters, digits, `.`, `_` and `-`, a letter or digit"),
    (f"name = '{'x' * 61}'\nlasts_s = 60", "name: expected up to 60 letters"),
    ('name = "x"\nlasts_s = 31000000\nconnections = 1000000', "lasts_s: more than 100000000 syncs would come due"),
    (f"{HEAD}{FAULT}", "fault number 1: the key `wrong` is missing"),
    (f'{HEAD}{FAULT}wrong = "capcity"', "fault number 1: wrong: unknown value `capcity` (did you mean `capacity`?)"),
    (f'{HEAD}{FAULT}wrong = "failure"\nshare = 0', "fault number 1: share: expected a number from 0.001 to 1"),
    (f'{HEAD}{FAULT}wrong = "failure"\nfactor = 2', "fault number 1: factor: means nothing where `failure` is wrong"),
    (f'{HEAD}{FAULT}wrong = "capacity"', "fault number 1: the key `factor` is missing"),
    (f'{HEAD}{FAULT}wrong = "capacity"\nfactor = 2', "fault number 1: factor: expected a number from 0.01 to 1"),
    (f'{HEAD}{FAULT}wrong = "slowness"\nfactor = 0.5', "fault number 1: factor: expected a number from 1 to 100"),
    (f'{HEAD}{FAULT}wrong = "failure"\nup_s = 5', "fault number 1: up_s, down_s: what flaps has both, above 0"),
    (
        f'{HEAD}{FAULT}wrong = "failure"\n[[faults]]\nwrong = "failure"\nbegins_s = 35000\nlasts_s = 500\n',
        "fault number 2: lasts_s: begins_s, jitter_s and lasts_s together exceed the scenario's 36000 s",
    ),
    ("a = ", "is not TOML: Invalid value"),
    (b"\xff", "is not UTF-8 at byte 0"),
    (b" " * (LARGEST_FILE + 1), f"is larger than {LARGEST_FILE} bytes"),
    ("a = " + "[" * 100_000, "is nested too deep"),
]


@pytest.mark.parametrize(("text", "said"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_wrong_is_told_with_its_file_and_key(text: str | bytes, said: str) -> None:
    (line,) = problems(text)
    assert line.startswith(f"mine.toml: {said}")


def test_all_that_is_wrong_is_told_at_once() -> None:
    told = problems(f"{HEAD}conections = 3\nspread = true\n{FAULT}{FAULT}wrong = 3\n")
    assert len(told) == 4
    told = problems(f'{HEAD}spread = 9\nhang_s = 0\n{FAULT}wrong = "limit"\nshare = 0.1\npause_s = 0')
    assert [line.split(": ")[1:3] for line in told[:2]] == [
        ["spread", "expected a number from 0 to 3"],
        ["hang_s", "expected a number from 0.1 to 3600"],
    ]
    assert len(told) == 4


@pytest.mark.parametrize("operand", ["nowhere.toml", "./", "a\x00b.toml", "a\x1b[31m.toml"])
def test_a_file_that_can_not_be_read_is_told_printably(operand: str) -> None:
    with pytest.raises(PolicyError) as refused:
        load_scenario(operand)
    assert "can't be read" in str(refused.value)
    assert str(refused.value).isprintable()


def test_a_misspelt_name_is_answered_with_the_right_one() -> None:
    with pytest.raises(PolicyError, match=r"outagee: no shipped scenario .* mean `outage`.*; there are `authorisation"):
        load_scenario("outagee")
    with pytest.raises(PolicyError, match="did you mean `calm-week`"):
        shipped_text("calm-weak")


KEYS = [field.name for field in attrs.fields(Scenario) if field.name != "faults"]
FAULT_KEYS = [field.name for field in attrs.fields(Fault)]
LITERALS = [
    "-1",
    "0",
    "1e300",
    "nan",
    "inf",
    "true",
    '"x"',
    '"\\u001b[31m"',
    "[]",
    "[[1]]",
    "{}",
    "{a = 1}",
    "1979-05-27",
]


@given(st.sampled_from([*KEYS, "x\u00e9", "nme"]), st.sampled_from(LITERALS), st.sampled_from(sorted(NAMES)))
def test_a_value_of_any_sort_is_read_or_told_with_its_key(key: str, literal: str, name: str) -> None:
    head, faults, rest = shipped_text(name).partition("[[faults]]")
    kept = "".join(line for line in head.splitlines(keepends=True) if not line.startswith(f"{key} "))
    content = f'{kept}\n"{key}" = {literal}\n{faults}{rest}'.encode()
    try:
        assert str(getattr(parse_scenario(content), key)) in (literal.strip('"'), f"{literal}.0", "")
    except PolicyError as refused:
        for line in str(refused).splitlines():
            assert line.startswith("scenario: ")
            assert line.isprintable()
            assert key in line or "lasts_s" in key


@given(st.sampled_from([*FAULT_KEYS, "shar"]), st.sampled_from(LITERALS), st.sampled_from(list(Wrong)))
def test_so_is_one_of_a_fault(key: str, literal: str, wrong: Wrong) -> None:
    lines = {"wrong": f'"{wrong}"', "begins_s": "60", "lasts_s": "60", "jitter_s": "0"}
    lines |= {"factor": "1"} if wrong in (Wrong.SLOWNESS, Wrong.CAPACITY) else {}
    table = "\n".join(f"{name} = {value}" for name, value in (lines | {key: literal}).items())
    try:
        (fault,) = parse_scenario(f"{HEAD}[[faults]]\n{table}".encode()).faults
        assert getattr(fault, key) in (0, 1, True)
    except PolicyError as refused:
        for line in str(refused).splitlines():
            assert line.startswith("scenario: fault number 1: ")
            assert line.isprintable()
            assert key in line


@given(st.sampled_from(sorted(NAMES)), st.integers(0, 900), st.integers(0, 40), st.binary(max_size=8))
def test_damaged_bytes_are_read_or_refused(name: str, at: int, gone: int, put: bytes) -> None:
    content = shipped_text(name).encode()
    content = content[:at] + put + content[at + gone :]
    try:
        read = parse_scenario(content, source="mine.toml")
    except PolicyError as refused:
        assert all(line.startswith("mine.toml: ") and line.isprintable() for line in str(refused).splitlines())
    else:
        assert read.name == tomllib.loads(content.decode())["name"]
