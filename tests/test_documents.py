"""Documents from outside: whatever the bytes are, they are read or refused with their place."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from remediate import Engine
from remediate.cli.app import app
from remediate.errors import InputError
from remediate.workshop.drift import composing
from remediate.workshop.drift.comparing import find_drift
from remediate.workshop.drift.documents import LONGEST, read_document
from remediate.workshop.drift.openapi import read_openapi
from tests.specs import as_page, as_yaml, document

STATUS = "components:\n  schemas:\n    QuickbooksConnectionStatus:\n      properties:\n        is_connected: "
PLACE = "components.schemas.QuickbooksConnectionStatus.properties.is_connected"
BOMB = "a0: &a0 {type: boolean}\n" + "".join(f"a{n}: &a{n} {{allOf: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))
CHAIN = "".join(f"r{n}: {{$ref: '#/r{n + 1}'}}\n" for n in range(500))


def refusal(text: str | bytes) -> str:
    content = text if isinstance(text, bytes) else text.encode()
    engine = Engine.bundled()
    with pytest.raises(InputError) as refused:
        find_drift(read_openapi(content), engine.upstream, engine.deciders)
    return str(refused.value)


REFUSED = [
    (b"\xff\xfe", "is not UTF-8 at byte 0"),
    (b"openapi: 3\n\xe9", "is not UTF-8 at byte 11"),
    (b"", "has no document"),
    (b" " * (LONGEST + 1), "is longer than 16 MiB"),
    ("a: b\n---\na: c\n", "line 2, column 1: a second document, where one is expected"),
    ("a:\n  b: \x07", "line 2, column 6: a character that YAML does not allow"),
    ("a: [b\nc: d", "line 2, column 2: not YAML: did not find expected ',' or ']'"),
    ("a: 1\nb: 2\na: 3", "line 3, column 1: the key `a` stands twice in one table"),
    ("x: &x {a: 1}\ny:\n  <<: *x", "line 3, column 3: a merge key, `<<`, which OpenAPI does not have"),
    ("a: *b", "line 1, column 4: `*b` stands for nothing, or for what it is in"),
    ("a: &b [*b]", "line 1, column 8: `*b` stands for nothing, or for what it is in"),
    ("? [a]\n: b", "line 1, column 3: a key that is not text"),
    ("a: !!python/object/apply:os.system [id]", "the tag `tag:yaml.org,2002:python/object/apply:os.system`"),
    ("a: !!python/name:os.system ''", "the tag `tag:yaml.org,2002:python/name:os.system`"),
    ("a: !mine {b: c}", "line 1, column 4: the tag `!mine`"),
    ("!!set {b: c}", "the tag `tag:yaml.org,2002:set`"),
    ("a: " + "[" * 300 + "]" * 300, "line 1, column 204: is nested too deep"),
    ("[" * 100_000, "is nested too deep"),
    ('{"a":' * 100_000, "is nested too deep"),
    ('{"a": 1, "b": 2, "a": 3}', "the key `a` stands twice in one table"),
    ('{"a": 1,\n "b" 2}', "line 2, column 6: not JSON: expecting ':' delimiter"),
    ("[1, 2]", "has no `components`, as an OpenAPI document has"),
    ("just words", "has no `components`"),
    ("components: {}", "`components`: has no `schemas`"),
    ("components: {schemas: 3}", "`components.schemas`: expected an object, got a number"),
    ("components: {schemas: {}}", "the document has no schema `QuickbooksConnectionStatus`"),
    ("# A page\n```\nwords\n```\n", "is a page of which no fenced block begins a line with `openapi:`"),
    ("```\nopenapi: 3\n```\n~~~\nopenapi: 3\n~~~", "has 2 documents in fenced blocks, at lines 2, 5, where"),
    ("# A page\n\n  ~~~yaml\n  openapi: 3\n  a: [b\n  c: d", "line 6, column 4: not YAML"),
    ('Words\n```json\n{"openapi": 3,\n ]}\n```', "line 4, column 2: not JSON: expecting property name"),
    (STATUS + "{$ref: '#/x'}", f"`{PLACE}.$ref`: `#/x` is not there"),
    (STATUS + "{$ref: 'https://e.com/x'}", f"`{PLACE}.$ref`: only what is in the document is followed"),
    (STATUS + "{$ref: 3}", f"`{PLACE}.$ref`: expected a string, got a number"),
    (STATUS + "{$ref: '#/a'}\na: {allOf: [{$ref: '#/b'}]}\nb: {$ref: '#/a'}", "`#/a` leads back to itself"),
    (STATUS + "{$ref: '#/r0'}\n" + CHAIN, "leads on through too many references"),
    (STATUS + "{$ref: '#/a39'}\n" + BOMB, "leads on through too many references"),
    (STATUS + "{enum: A}", f"`{PLACE}.enum`: expected an array, got a string"),
    (STATUS + "{enum: [A, 2024-01-01]}", f"`{PLACE}.enum[1]`: line 5: `2024-01-01` is a date in YAML"),
    (STATUS + "{enum: [A, 1.5]}", "`1.5` is a number in YAML, so as a string it needs quotes"),
    (STATUS + "{enum: [[A]]}", f"`{PLACE}.enum[0]`: expected a string, got an array"),
    (STATUS + "{const: off}", f"`{PLACE}.const`: line 5: `off` is a boolean in YAML"),
    (STATUS + "{type: {}}", f"`{PLACE}.type`: expected a string, got an object"),
    (STATUS + "{anyOf: {}}", f"`{PLACE}.anyOf`: expected an array, got an object"),
    (STATUS + "false", f"`{PLACE}`: expected an object, got a boolean"),
    (STATUS + "\x1b[31m", "line 5, column 23: a character that YAML does not allow"),
    (
        '{"components": {"schemas": {"ApiError": {"properties": {"type": {"enum": [true]}}}}}}',
        "expected a string, got a boolean",
    ),
]


@pytest.mark.parametrize(("text", "said"), REFUSED, ids=range(len(REFUSED)))
def test_what_can_not_be_read_is_refused_at_its_place(text: str | bytes, said: str) -> None:
    assert said in refusal(text)


@pytest.mark.parametrize("loader", [composing._LOADER, yaml.SafeLoader])
def test_keys_are_what_was_written_and_values_keep_their_kind(loader: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composing, "_LOADER", loader)
    read: Any = read_document(b"200: a\nNO: b\n~: null\nq: 'NO'\nt: !!str 12\nu: ! 12\nf: [=, '<<']", "openapi")
    assert read == {"200": "a", "NO": "b", "~": None, "q": "NO", "t": "12", "u": "12", "f": ["=", "<<"]}
    assert read_document(b'{a: b, "c": [d,],}', "openapi") == {"a": "b", "c": ["d"]}
    assert read_document(b'{"a": "\\ud83d\\ude00", "n": [1, null]}', "openapi") == {"a": "😀", "n": [1, None]}


def test_an_alias_is_the_same_value_and_no_copy() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    read: Any = read_document(bomb.encode(), "openapi")
    assert read["a59"][0] is read["a59"][1] is read["a58"]


def test_a_block_in_a_block_and_a_fence_that_is_longer() -> None:
    page = "Words\n\n~~~~yaml\nopenapi: 3\nx: |\n  ~~~\n  ```\ny: z\n~~~~~\nopenapi: not this\n"
    assert read_document(page.encode(), "openapi").keys() == {"openapi", "x", "y"}  # type: ignore[attr-defined]
    nested = '1. A list\n   ```json\n   {"openapi": "3",\n    "a": []}\n   ```\n'
    assert read_document(nested.encode(), "openapi") == {"openapi": "3", "a": []}


@pytest.mark.parametrize(
    "text",
    [
        "\n" * 2_000_000,
        "{" + '"openapi"' + " " * 2_000_000,
        "`" * 1_000_000 + "\n" + "```\n" * 200_000,
        STATUS + "{enum: [" + ",".join(f"v{n}" for n in range(50_000)) + "]}",
        STATUS + "{anyOf: [" + ",".join("{const: v}" for _ in range(50_000)) + "]}",
        json.dumps({"openapi": "3", "components": {"schemas": {f"s{n}": {} for n in range(50_000)}}}),
    ],
    ids=["blank", "spaces", "fences", "values", "choices", "schemas"],
)
def test_what_is_long_is_done_with_soon(text: str) -> None:
    began = time.perf_counter()
    ran = CliRunner().invoke(app, ["policy", "drift", "-"], input=text.encode(), catch_exceptions=False)
    assert ran.exit_code in (1, 2)
    assert time.perf_counter() - began < 20


SPEC = document()
TEXTS = [as_yaml(SPEC).encode(), as_page(SPEC).encode(), json.dumps(SPEC).encode()]
SPICE = [
    b"&a",
    b"*a",
    b"!!python/object:x",
    b"<<: ",
    b"\n",
    b"\t",
    b"[",
    b"{",
    b"NO",
    b"$ref: '#/a'",
    b"```\n",
    b"\x00",
    b"\xff",
]
SPICE += [b"1e999", b"~", b"? ", b"- ", b"'", b'"', b"|", b"allOf", b"oneOf", b"null", b"\x1b[2J", b"\xc2\x85"]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A document of which a few places were cut, doubled, or given something else."""
    content = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        to = min(len(content), at + draw(st.sampled_from([0, 1, 5, 40, 2_000])))
        between = draw(st.one_of(st.sampled_from(SPICE), st.binary(max_size=4), st.just(content[at:to] * 2)))
        content = content[:at] + between + content[to:]
    return content


@given(
    st.one_of(
        mutated(), st.binary(max_size=200), st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace"))
    )
)
def test_every_input_ends_in_an_exit_status_and_a_message(content: bytes) -> None:
    ran = CliRunner().invoke(app, ["policy", "drift", "-"], input=content, catch_exceptions=False)
    assert ran.exit_code in (0, 1, 2)
    assert bool(ran.stdout) == (ran.exit_code == 1)
    assert bool(ran.stderr) == (ran.exit_code == 2)
    assert all(character.isprintable() or character == "\n" for character in ran.output)
    if ran.exit_code == 2:
        assert ran.stderr.startswith("-: ")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
schemas = st.recursive(
    st.one_of(
        json_values, st.sampled_from([{"type": "string"}, {"enum": ["A", None]}, {"$ref": "#/components/schemas/M"}])
    ),
    lambda inner: st.dictionaries(
        st.sampled_from(["type", "enum", "const", "allOf", "anyOf", "oneOf", "$ref", "properties", "is_connected"]),
        inner | st.lists(inner, max_size=3),
        max_size=3,
    ),
)


@given(schemas, schemas)
def test_every_schema_is_compared_or_refused(mine: Any, whole: Any) -> None:
    spec = document()
    named = spec["components"]["schemas"]
    named["M"] = mine
    named["ApiError"] = whole
    named["QuickbooksConnectionStatus"]["properties"]["last_sync_status"] = mine
    engine = Engine.bundled()
    try:
        found = find_drift(read_openapi(json.dumps(spec).encode()), engine.upstream, engine.deciders)
    except InputError as refused:
        assert str(refused)
    else:
        assert found
