"""What every upstream's failed calls have in common."""

from __future__ import annotations

import attrs
import pytest

from remediate import InputError
from remediate.upstreams.calls import FAILED_FROM, HttpBucket, bucket_of, is_http_status, is_refusal
from remediate.upstreams.layer import ApiFailure, ConnectionStatus


@attrs.frozen
class Answered:
    status: object = attrs.field(validator=is_http_status)


def test_every_status_from_the_first_failure_on_has_a_bucket_and_every_bucket_a_status() -> None:
    assert FAILED_FROM == 300
    assert {bucket_of(status) for status in range(100, FAILED_FROM)} == {None}
    assert {bucket_of(status) for status in range(FAILED_FROM, 600)} == set(HttpBucket)


@pytest.mark.parametrize(("status", "bucket"), [(302, "3xx"), (404, "404"), (418, "other_4xx"), (599, "other_5xx")])
def test_a_status_that_has_no_bucket_of_its_own_falls_into_that_of_its_hundred(status: int, bucket: str) -> None:
    assert bucket_of(status) == bucket


@pytest.mark.parametrize("status", [99, 600, True, 404.0, "404"])
def test_what_is_no_status_is_refused(status: object) -> None:
    with pytest.raises(InputError) as refused:
        Answered(status)
    assert refused.value.field == "status"


@pytest.mark.parametrize("status", [None, 100, 599])
def test_a_status_and_none_are_taken(status: object) -> None:
    assert Answered(status).status == status


@pytest.mark.parametrize(
    ("status", "refuses"), [(None, False), (200, False), (299, False), (300, True), (500, True), (502, False)]
)
def test_a_gateway_s_word_and_no_failure_at_all_are_no_refusal(status: int | None, refuses: bool) -> None:
    assert is_refusal(status) == refuses
    assert ApiFailure(http_status=status).is_refusal == refuses
    assert not ConnectionStatus().is_refusal
