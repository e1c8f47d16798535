"""What an upstream publishes against what is known here: every single edit is found, and nothing else."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from remediate import Engine
from remediate.errors import InputError
from remediate.upstreams import find_upstream, upstream_names
from remediate.upstreams.layer import SyncFailureReason
from remediate.workshop.drift.comparing import Drift, Mention, find_drift
from remediate.workshop.drift.openapi import read_openapi
from tests.specs import LAYER, as_page, as_yaml, document

ENUMS = ("sync_failure_reason", "last_sync_status", "type", "error_enum")
PLACES = {
    "sync_failure_reason": ("QuickbooksConnectionStatus", "properties", "sync_failure_reason"),
    "last_sync_status": ("SyncStatus",),
    "type": ("ErrorType",),
    "error_enum": ("ErrorEnum",),
}
SCHEMAS = ("QuickbooksConnectionStatus", "ApiError")
PAGE = b"""
> A page as documentation tools publish it.

# Get the status

Ask with `curl`:

```bash
curl https://example.com/status   # openapi: no
```

````yaml get /status
openapi: 3.1.0
components:
  schemas:
    QuickbooksConnectionStatus:
      type: object
      description: |
        With a block in it:
        ```yaml
        openapi: 9
        ```
      properties:
        is_connected: {type: [boolean, "null"]}
        is_syncing: {type: boolean}
        last_synced_at: {type: string, format: date-time}
        is_retryable_failure: {allOf: [{type: boolean}], description: words}
        last_sync_status:
          oneOf:
            - $ref: "#/components/schemas/Status"
            - type: "null"
        sync_failure_reason:
          anyOf:
            - {type: string, enum: [NO]}
    Status:
      oneOf:
        - {const: SYNC_SUCCESS}
        - {const: SYNC_FAILURE}
````
"""


def drift(spec: dict[str, Any] | str | bytes, engine: Engine) -> tuple[Drift, ...]:
    text = as_yaml(spec) if isinstance(spec, dict) else spec
    content = text if isinstance(text, bytes) else text.encode()
    return find_drift(read_openapi(content), engine.upstream, engine.deciders)


def told(found: tuple[Drift, ...]) -> list[tuple[str, str, str | None, str | None]]:
    return [(one.change, one.what, one.field, one.value) for one in found]


def edited(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    spec = document()
    change(spec["components"]["schemas"])
    return spec


def enum_of(schemas: dict[str, Any], field: str) -> list[str]:
    at: Any = schemas
    for step in PLACES[field]:
        at = at[step]
    found: list[str] = at["enum"]
    return found


@pytest.mark.parametrize("written", [as_yaml, as_page, json.dumps, lambda spec: json.dumps(spec, indent="\t")])
def test_what_is_published_as_we_know_it_is_no_drift(written: Callable[[Any], str], engine: Engine) -> None:
    assert drift(written(document()), engine) == ()
    assert drift("\ufeff" + written(document()).replace("\n", "\r\n"), engine) == ()


@pytest.mark.parametrize("field", ENUMS)
def test_every_single_edit_of_an_enum_is_found(field: str, engine: Engine) -> None:
    for position, value in enumerate(enum_of(document()["components"]["schemas"], field)):

        def removed(schemas: dict[str, Any], position: int = position) -> None:
            del enum_of(schemas, field)[position]

        def renamed(schemas: dict[str, Any], position: int = position) -> None:
            enum_of(schemas, field)[position] += "_V2"

        def added(schemas: dict[str, Any], position: int = position) -> None:
            enum_of(schemas, field).insert(position, "xx0")

        assert told(drift(edited(removed), engine)) == [("removed", "value", field, value)]
        assert told(drift(edited(added), engine)) == [("added", "value", field, "xx0")]
        gone, new = drift(edited(renamed), engine)
        assert told((gone, new)) == [("removed", "value", field, value), ("added", "value", field, f"{value}_V2")]
        assert (gone.perhaps, new.perhaps) == (new.value, gone.value)
        assert new.answers
        assert not gone.answers


def test_what_is_far_is_not_called_renamed(engine: Engine) -> None:
    def swapped(schemas: dict[str, Any]) -> None:
        enum_of(schemas, "last_sync_status")[:] = ["SYNC_SUCCESS", "qq"]

    assert [one.perhaps for one in drift(edited(swapped), engine)] == [None, None]


def test_what_is_gone_is_told_with_the_rules_that_name_it(engine: Engine) -> None:
    def without(value: str) -> tuple[Drift, ...]:
        return drift(edited(lambda schemas: enum_of(schemas, "sync_failure_reason").remove(value)), engine)

    (found,) = without("QUICKBOOKS_SERVICE_UNAVAILABLE")
    assert found.rules == (
        Mention(rule="a service refused for good", group="outage"),
        Mention(rule="QuickBooks is down", group="outage"),
    )
    (found,) = without("QUICKBOOKS_BAD_REQUEST")
    assert found.rules == (Mention(rule="QuickBooks can't read the request"),)
    names = {rule.name for rule in engine.policy.sections["status"].rules if "is_syncing" in rule.when}
    (found,) = drift(edited(lambda schemas: schemas[SCHEMAS[0]]["properties"].pop("is_syncing")), engine)
    assert {mention.rule for mention in found.rules} == names != set()


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_property_that_comes_goes_or_is_renamed_is_found(schema: str, engine: Engine) -> None:
    ignored = {name for one in LAYER.published.values() for name in one.ignored}
    for field in document()["components"]["schemas"][schema]["properties"]:
        found = drift(edited(lambda schemas, field=field: schemas[schema]["properties"].pop(field)), engine)
        assert told(found) == ([] if field in ignored else [("removed", "property", field, None)])

        def rename(schemas: dict[str, Any], field: str = field) -> None:
            properties = schemas[schema]["properties"]
            properties[f"{field}_2"] = properties.pop(field)

        near = drift(edited(rename), engine)
        assert told(near)[-1] == ("added", "property", f"{field}_2", None)
        if field not in ignored:
            assert [one.perhaps for one in near] == [f"{field}_2", field]
    found = drift(edited(lambda schemas: schemas[schema]["properties"].update(foo={"$ref": "elsewhere.yaml"})), engine)
    assert told(found) == [("added", "property", "foo", None)]


@pytest.mark.parametrize(
    ("field", "schema", "was", "now"),
    [
        ("is_connected", {"type": "string"}, "boolean", "string"),
        ("is_connected", {}, "boolean", "any type"),
        ("is_connected", {"type": ["boolean", "string"]}, "boolean", "boolean or string"),
        ("is_connected", {"enum": ["yes", "no"]}, "boolean", "string of 2 values"),
        ("last_synced_at", {"type": "integer"}, "string", "integer"),
        ("sync_failure_reason", {"type": "string"}, "string of 12 values", "string"),
        ("sync_failure_reason", True, "string of 12 values", "any type"),
        ("sync_failure_reason", {"type": "integer", "enum": [1, 2]}, "string of 12 values", "integer"),
        ("sync_failure_reason", {"type": "array", "items": {"type": "string"}}, "string of 12 values", "array"),
        (
            "last_sync_status",
            {"anyOf": [{"enum": ["A"]}, {"type": "integer"}]},
            "string of 2 values",
            "integer or string of 1 values",
        ),
        ("last_sync_status", {"type": "null"}, "string of 2 values", "null"),
        ("last_sync_status", {"type": None}, "string of 2 values", "null"),
        ("last_sync_status", {"enum": ["A", 3, 1.5]}, "string of 2 values", "integer or number or string of 1 values"),
        ("last_sync_status", {"enum": [True, False, None]}, "string of 2 values", "boolean"),
        ("last_sync_status", {"const": ["A"]}, "string of 2 values", "array"),
        (
            "last_sync_status",
            {"type": ["string", "integer"], "enum": ["A", 3]},
            "string of 2 values",
            "integer or string of 1 values",
        ),
    ],
)
def test_a_property_of_another_type_is_found(field: str, schema: Any, was: str, now: str, engine: Engine) -> None:
    (found,) = drift(edited(lambda schemas: schemas[SCHEMAS[0]]["properties"].update({field: schema})), engine)
    assert told((found,)) == [("retyped", "property", field, None)]
    assert (found.was, found.now) == (was, now)
    assert bool(found.answers) == (schema == {"type": "string"} and field == "sync_failure_reason")


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda enum: {"allOf": [{"$ref": "#/components/schemas/Mine"}], "nullable": True, "description": "words"},
        lambda enum: {"allOf": [{"type": "string"}, {"$ref": "#/components/schemas/Mine"}]},
        lambda enum: {"oneOf": [{"$ref": "#/components/schemas/Mine"}, {"type": "null"}]},
        lambda enum: {"anyOf": [{"$ref": "#/components/schemas/Mine"}, {"enum": [None]}]},
        lambda enum: {"type": ["string", "null"], "enum": [*enum, None]},
        lambda enum: {"enum": [*enum, enum[0]]},
        lambda enum: {"oneOf": [{"const": value, "title": value.lower()} for value in enum]},
        lambda enum: {"anyOf": [{"enum": enum[:5]}, {"enum": enum[4:]}]},
        lambda enum: {"$ref": "#/components/schemas/a~1b%20c"},
        lambda enum: {"allOf": [{"enum": [*enum, "MORE"]}, {"enum": enum}]},
    ],
)
def test_an_enum_in_any_dress_is_the_same(wrapped: Callable[[list[str]], Any], engine: Engine) -> None:
    def dressed(schemas: dict[str, Any], more: tuple[str, ...] = ()) -> None:
        enum = [*SyncFailureReason, *more]
        schemas["Mine"] = schemas["a/b c"] = {"type": "string", "enum": [str(value) for value in enum]}
        schemas[SCHEMAS[0]]["properties"]["sync_failure_reason"] = wrapped([str(value) for value in enum])

    assert drift(edited(dressed), engine) == ()
    found = drift(edited(lambda schemas: dressed(schemas, ("NEW",))), engine)
    assert told(found) == [("added", "value", "sync_failure_reason", "NEW")]


def test_a_schema_that_is_composed_is_read_whole(engine: Engine) -> None:
    def composed(schemas: dict[str, Any]) -> None:
        old = schemas[SCHEMAS[0]]["properties"]
        schemas["Base"] = {"type": "object", "properties": {"is_connected": old.pop("is_connected")}}
        schemas[SCHEMAS[0]] = {"allOf": [{"$ref": "#/components/schemas/Base"}, {"properties": old}]}

    assert drift(edited(composed), engine) == ()


def test_one_schema_that_is_missing_is_drift_and_both_are_an_error(engine: Engine) -> None:
    (found,) = drift(edited(lambda schemas: schemas.pop("ApiError")), engine)
    assert (found.change, found.what, found.schema, found.kind) == ("removed", "schema", "ApiError", "failure")

    def neither(schemas: dict[str, Any]) -> None:
        schemas["QuickbooksConnectionState"] = schemas.pop("QuickbooksConnectionStatus")
        schemas.pop("ApiError")

    said = "the document has no schema `QuickbooksConnectionStatus` .did you mean `QuickbooksConnectionState`"
    with pytest.raises(InputError, match=said):
        drift(edited(neither), engine)


def test_the_values_of_a_boolean_are_no_drift(engine: Engine) -> None:
    properties = {"is_connected": {"enum": [True, False]}, "is_syncing": {"type": "boolean", "enum": [True, False]}}
    spec = edited(lambda schemas: schemas[SCHEMAS[0]]["properties"].update(properties))
    assert drift(spec, engine) == drift(json.dumps(spec), engine) == ()


def test_a_schema_that_is_no_object_any_more_is_found(engine: Engine) -> None:
    (found,) = drift(edited(lambda schemas: schemas.update(ApiError={"type": "array"})), engine)
    assert (found.change, found.what, found.was, found.now) == ("retyped", "schema", "object", "array")


def test_a_page_is_read_and_a_fault_is_told_at_its_line(engine: Engine) -> None:
    with pytest.raises(InputError) as refused:
        drift(PAGE.replace(b"[NO]", b"NO"), engine)
    line = PAGE.decode().split("\n").index("            - {type: string, enum: [NO]}") + 1
    assert str(refused.value) == (
        "`components.schemas.QuickbooksConnectionStatus.properties.sync_failure_reason.anyOf[0].enum`: "
        f"line {line}: expected an array, got a string"
    )
    for page in (PAGE, PAGE.replace(b"[NO]", b'["NO"]')):
        found = drift(page, engine)
        assert [one.value for one in found if one.change == "added"] == ["NO"]
        assert [one.field for one in found if one.what == "property"] == []
        assert {one.field for one in found if one.value is not None} == {"sync_failure_reason"}


def test_what_stands_without_quotes_in_an_enum_is_told(engine: Engine) -> None:
    page = as_page(document())
    first = "- QUICKBOOKS_SERVICE_UNAVAILABLE\n"
    for written in ("NO", "on", "2024-01-01", "404", "1.50", "true", "0x1F"):
        found = drift(page.replace(first, f"{first}          - {written}\n"), engine)
        assert told(found) == [("added", "value", "sync_failure_reason", written)]
        assert found[0].answers
    spec = document()
    enum_of(spec["components"]["schemas"], "sync_failure_reason").extend([404, True, None])  # type: ignore[list-item]
    found = drift(json.dumps(spec), engine)
    assert [one.value for one in found] == ["404", "true"]


VARIANTS = (
    {"properties": {"type": {"const": "NEW"}}},
    {"properties": {"type": {"$ref": "#/components/schemas/ErrorType"}}},
)


@pytest.mark.parametrize("word", ["oneOf", "anyOf"])
@pytest.mark.parametrize("variants", [VARIANTS, VARIANTS[::-1], (*VARIANTS, {"type": "null"}), ({}, *VARIANTS)])
def test_a_property_of_several_variants_is_what_any_of_them_says(
    word: str, variants: tuple[Any, ...], engine: Engine
) -> None:
    def split(schemas: dict[str, Any], chosen: tuple[Any, ...] = variants, *, base: bool = True) -> None:
        properties = schemas["ApiError"].pop("properties")
        properties.pop("type")
        members = [dict(one) for one in chosen]
        if base:
            schemas["ApiError"]["allOf"] = [{"properties": properties}, {word: members}]
        else:
            schemas["ApiError"][word] = [
                {"properties": properties | one["properties"]} if "properties" in one else one for one in members
            ]

    for base in (True, False):
        found = drift(edited(lambda schemas, base=base: split(schemas, base=base)), engine)
        assert told(found) == [("added", "value", "type", "NEW")]
    nested = ({word: list(variants)}, VARIANTS[1])
    assert told(drift(edited(lambda schemas: split(schemas, nested)), engine)) == [("added", "value", "type", "NEW")]
    assert drift(edited(lambda schemas: split(schemas, (VARIANTS[1], VARIANTS[1]))), engine) == ()


def test_a_variant_that_is_silent_does_not_narrow_what_holds_for_all(engine: Engine) -> None:
    def base(schemas: dict[str, Any], *variants: dict[str, Any]) -> None:
        schemas["ApiError"]["oneOf"] = list(variants)

    narrow = {"properties": {"type": {"const": "Plaid"}}}
    assert drift(edited(lambda schemas: base(schemas, narrow, {"properties": {}})), engine) == ()
    assert drift(edited(lambda schemas: base(schemas, {"oneOf": [narrow, {}]}, narrow)), engine) == ()
    known = len(enum_of(document()["components"]["schemas"], "type"))
    for variants in ((narrow, {"type": "string"}), (narrow, narrow), (narrow, {"oneOf": [narrow, narrow]})):
        found = drift(edited(lambda schemas, variants=variants: base(schemas, *variants)), engine)
        assert [one.change for one in found] == ["removed"] * (known - 1)
        assert "Plaid" not in {one.value for one in found}


def test_a_reference_into_a_list_is_followed(engine: Engine) -> None:
    def refer(schemas: dict[str, Any]) -> None:
        enum = schemas.pop("ErrorEnum")
        schemas["Whole"] = {"allOf": [{}, {"x": [enum]}]}
        schemas["ApiError"]["properties"]["error_enum"] = {"$ref": "#/components/schemas/Whole/allOf/1/x/0"}

    assert drift(edited(refer), engine) == ()


def test_what_is_published_names_fields_that_there_are() -> None:
    for name in upstream_names():
        upstream = find_upstream(name, "these tests")
        assert set(upstream.published) <= set(upstream.shapes)
        for cls in upstream.observations:
            published = upstream.published.get(cls.kind)
            fields = {field.name for field in attrs.fields(cls)}
            assert published is None or not fields & set(published.ignored)


def test_a_closed_vocabulary_has_no_answer_for_a_newcomer(engine: Engine) -> None:
    published = {"failure": LAYER.published["failure"]}
    upstream = attrs.evolve(LAYER, published=published, beside=("http_status", "transport", "retry_after_s"))
    spec = copy.deepcopy(document())
    call = {"type": "string", "enum": ["status", "sync", "authorize", "token", "hang_up"]}
    spec["components"]["schemas"]["ApiError"]["properties"]["call"] = call
    (found,) = find_drift(read_openapi(as_yaml(spec).encode()), upstream, engine.deciders)
    assert (found.value, found.answers) == ("hang_up", ())
