"""What every upstream reads alike, with an observation that is no upstream's."""

from __future__ import annotations

import json
import math
from typing import Any, ClassVar

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediate import History, InputError
from remediate.observation import Observation
from remediate.upstreams import Record
from remediate.upstreams.payloads import (
    DEEPEST,
    check_spelling,
    has,
    json_object,
    read_history,
    read_key,
    write_record,
)

FIELDS = ("key", "observation", "retry_after_s", "history")


@attrs.frozen(kw_only=True)
class Lamp(Observation):
    """An observation of nobody's."""

    kind: ClassVar[str] = "lamp"
    is_on: bool | None = None
    colour: str | None = None
    retry_after_s: float | None = None

    @property
    def repeats(self) -> str:
        return "switch"


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize("form", [lambda v: v, json.dumps, lambda v: json.dumps(v).encode()])
def test_depth_is_bounded_alike_in_every_form(form: Any) -> None:
    assert json_object(form(nested(DEEPEST))) == nested(DEEPEST)
    with pytest.raises(InputError, match="nested deeper than 64"):
        json_object(form(nested(DEEPEST + 1)))


def test_what_a_strict_reader_refuses_may_stand_where_nobody_looks() -> None:
    assert json_object(b'{"a": "\\ud800", "b": ' + b"1" * 30 + b"}")["b"] == int("1" * 30)
    with pytest.raises(InputError, match="not JSON"):
        json_object(b'{"a": NaN}')


def beside(record: dict[str, Any]) -> tuple[str | None, History | None]:
    check_spelling(record, FIELDS)
    return read_key(record), read_history(record)


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ({"key": 1}, "key"),
        ({"key": "\ud800"}, "key"),
        ({"history": []}, "history"),
        ({"history": {"attemps": 1}}, "history.attemps"),
        ({"history": {"attempts": -1}}, "history.attempts"),
        ({"histroy": {}}, "histroy"),
    ],
)
def test_what_stands_beside_is_refused_with_its_place(record: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as refused:
        beside(record)
    assert refused.value.field == field
    assert str(refused.value).isprintable()


def test_what_is_absent_or_null_is_not_there() -> None:
    assert beside({}) == beside({"key": None, "history": None}) == (None, None)
    assert beside({"history": {"attempts": None}, "key": ""}) == ("", History())
    assert not has({"a": None}, "a", "b")
    assert has({"a": None, "b": False}, "a", "b")
    check_spelling({"observation": {}, "comment": "nothing like ours"}, FIELDS)


@given(
    st.builds(Lamp, is_on=st.none() | st.booleans(), retry_after_s=st.none() | st.floats()),
    st.none() | st.builds(History, attempts=st.integers(0, 9)),
    st.none() | st.text(max_size=3),
)
def test_a_record_is_written_without_what_is_absent(lamp: Lamp, history: History | None, key: str | None) -> None:
    written = write_record(Record(observation=lamp, history=history, key=key), ("retry_after_s",))
    waits = lamp.retry_after_s is not None and 0 < lamp.retry_after_s < math.inf
    assert written.pop("retry_after_s", None) == (lamp.retry_after_s if waits else None)
    assert written.pop("history", None) == (None if history is None else attrs.asdict(history))
    assert written.pop("key", None) == key
    assert written == {"observation": {} if lamp.is_on is None else {"is_on": lamp.is_on}}
