"""What the JSON Schema of policies tells an editor's user: words at every field, and what a table has to have."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest

from remediate.upstreams import find_upstream, upstream_names
from remediate.workshop import schema
from remediate.workshop.schema import policy_schema
from tests.test_policy_schema import SMALL, changed, loads, proves, validator


@pytest.mark.parametrize("upstream", [*upstream_names(), None])
def test_every_definition_is_used(upstream: str | None) -> None:
    made = policy_schema(upstream and find_upstream(upstream, "these tests"))
    defined = made.pop("$defs")
    left, used = [json.dumps(made)], set()
    while left:
        for name in re.findall(r'"#/\$defs/([^"]+)"', left.pop()):
            if name not in used:
                used.add(name)
                left.append(json.dumps(defined[name]))
    assert used == defined.keys()


def test_a_field_is_described_wherever_it_may_be_asked_for() -> None:
    made = policy_schema(find_upstream("layer", "these tests"))
    said = "Whether a sync is running."
    for name in ("status.Rule", "status.Invariant", "status.Anomaly"):
        assert made["$defs"][name]["properties"]["when"]["properties"]["is_syncing"]["description"] == said
    assert made["$defs"]["AsIf"]["properties"]["as_if"]["properties"]["is_syncing"]["description"] == said
    assert made["properties"]["groups"]["properties"]["is_syncing"]["description"] == said
    when = made["$defs"]["status.Anomaly"]["properties"]["when"]["properties"]
    assert when["sync_failure_reason"]["description"] == "Why it failed."
    assert when["last_synced_at"]["description"] == "When the last sync was, as it came."
    assert "last_synced_at" not in made["$defs"]["status.Rule"]["properties"]["when"]["properties"]


def test_a_field_of_two_kinds_means_what_it_means_in_each() -> None:
    one, other = {"const": 1, "description": "One."}, {"const": 2, "description": "Other."}
    assert schema._any_of([one, other, one]) == {"anyOf": [one, other, one], "description": "One. Other."}
    assert schema._any_of([one]) is one
    assert schema._any_of([{"const": 1}, {"const": 2}]) == {"anyOf": [{"const": 1}, {"const": 2}]}
    assert schema._told({"const": 1}, None) == {"const": 1}


@pytest.mark.parametrize(
    ("path", "add"),
    [
        (("status", "invariants", 0, "never"), {}),
        (("status", "invariants", 0), {"only": "no_op"}),
        (("limits", "long", "syncing_for_s"), {}),
    ],
)
def test_what_the_proof_asks_of_a_table_the_schema_asks_too(path: tuple[Any, ...], add: dict[str, Any]) -> None:
    small = tomllib.loads(SMALL)
    mutant = changed(small, path)
    for key, to in add.items():
        mutant = changed(small, path, to, add=key)
    assert loads(mutant)
    assert not proves(mutant)
    for upstream in ("layer", None):
        (error,) = validator(upstream).iter_errors(mutant)
        assert error.validator in ("oneOf", "anyOf")
        assert error.json_path.startswith(("$.status.invariants[0]", "$.limits.long"))
