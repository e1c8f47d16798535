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
from remediate.workshop.drift.composing import Scalar
from remediate.workshop.drift.documents import LONGEST, read_document
from remediate.workshop.drift.openapi import read_openapi
from tests.specs import as_page, as_yaml, document

STATUS = "components:\n  schemas:\n    QuickbooksConnectionStatus:\n      properties:\n        is_connected: "
PLACE = "components.schemas.QuickbooksConnectionStatus.properties.is_connected"
BOMB = "a0: &a0 {type: boolean}\n" + "".join(f"a{n}: &a{n} {{allOf: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))
CHAIN = "".join(f"r{n}: {{$ref: '#/r{n + 1}'}}\n" for n in range(500))


def root(content: bytes) -> Any:
    return read_document(content, "openapi").root


def refusal(text: str | bytes) -> str:
    content = text if isinstance(text, bytes) else text.encode()
    engine = Engine.bundled()
    with pytest.raises(InputError) as refused:
        find_drift(read_openapi(content), engine.upstream, engine.deciders)
    return str(refused.value)


REFUSED = [
    (b"\xff\xfe", "line 1: is not UTF-8 at byte 0"),
    (b"openapi: 3\r\n\xe9", "line 2: is not UTF-8 at byte 12"),
    (b"\r\n\r\xc3\x28", "line 3: is not UTF-8 at byte 3"),
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
    ('{"a":' * 100_000, "line 1: is nested too deep"),
    ('{"a":\n' * 100_000, "line 201: is nested too deep"),
    ("[" + '{"a": [1,\n' * 50_000, "line 100, column 8: is nested too deep"),
    ('{"a": 1, "b": 2, "a": 3}', "line 1, column 18: the key `a` stands twice in one table"),
    ('{"b": {"a": "b\\"{"},\n "c": [{"a": 1,\n  "\\u0061": 3}], ]', "line 3, column 3: the key `a` stands twice"),
    ('Words\n  ```\n  {"openapi": 3,\n   "a": 1,\n   "a": 3}\n```', "line 5, column 4: the key `a` stands twice"),
    ('{"a": 1,\n "b" 2}', "line 2, column 6: not JSON: expecting ':' delimiter"),
    ("[1, 2]", "line 1: has no `components`, as an OpenAPI document has"),
    ("just words", "has no `components`"),
    ("components: {}", "`components`: line 1: has no `schemas`"),
    ("components: {schemas: 3}", "`components.schemas`: line 1: expected an object, got a number"),
    ("components: {schemas: {}}", "the document has no schema `QuickbooksConnectionStatus`"),
    ("# A page\n```\nwords\n```\n", "is a page of which no fenced block begins a line with `openapi:`"),
    ("```\nopenapi: 3\n```\n~~~\nopenapi: 3\n~~~", "has 2 documents in fenced blocks, at lines 2, 5, where"),
    ("# A page\n\n  ~~~yaml\n  openapi: 3\n  a: [b\n  c: d", "line 6, column 4: not YAML"),
    ('Words\n```json\n{"openapi": 3,\n ]}\n```', "line 4, column 2: not JSON: expecting property name"),
    (STATUS + "{$ref: '#/x'}", f"`{PLACE}.$ref`: line 5: `#/x` is not there"),
    (STATUS + "{$ref: 'https://e.com/x'}", f"`{PLACE}.$ref`: line 5: only what is in the document is followed"),
    (STATUS + "{$ref: 3}", f"`{PLACE}.$ref`: line 5: expected a string, got a number"),
    (STATUS + "{$ref: '#/a'}\na: {allOf: [{$ref: '#/b'}]}\nb: {$ref: '#/a'}", "`#/a` leads back to itself"),
    (STATUS + "{$ref: '#/r0'}\n" + CHAIN, "leads on through too many references"),
    (STATUS + "{$ref: '#/a39'}\n" + BOMB, "leads on through too many references"),
    (STATUS + "{enum: A}", f"`{PLACE}.enum`: line 5: expected an array, got a string"),
    (STATUS + "{type: string, enum: [A,\n [A]]}", f"`{PLACE}.enum[1]`: line 6: expected a string, got an array"),
    (STATUS + "{type: string, const: {}}", f"`{PLACE}.const`: line 5: expected a string, got an object"),
    (STATUS + "{type: [string, 3]}", f"`{PLACE}.type[1]`: line 5: expected a string, got a number"),
    (
        STATUS + "\n          $ref: '#/a/b~1c/1'\na: {b/c: [{},\n  3]}",
        "`a.b/c[1]`: line 8: expected an object, got a num",
    ),
    (STATUS + "{$ref: '#/a/2'}\na: [{}, {}]", f"`{PLACE}.$ref`: line 5: `#/a/2` is not there"),
    (STATUS + "{$ref: '#/a/" + "9" * 5000 + "'}\na: [{}, {}]", f"`{PLACE}.$ref`: line 5: `#/a/9"),
    (STATUS + "{$ref: '#/a/x'}\na: [{}, {}]", f"`{PLACE}.$ref`: line 5: `#/a/x` is not there"),
    (STATUS + "*x\nx: &x\n", "line 5, column 23: `*x` stands for nothing"),
    ("x: &x {$ref: 3}\n" + STATUS + "*x", f"`{PLACE}.$ref`: line 6: expected a string, got a number"),
    (STATUS + "{type: {}}", f"`{PLACE}.type`: line 5: expected a string, got an object"),
    (STATUS + "{anyOf: {}}", f"`{PLACE}.anyOf`: line 5: expected an array, got an object"),
    (STATUS + "false", f"`{PLACE}`: line 5: expected an object, got a boolean"),
    (STATUS + "\x1b[31m", "line 5, column 23: a character that YAML does not allow"),
    (
        '{"components": {"schemas": {"ApiError": {"properties":\n{"ty\\u0070e": {"anyOf": [{}, {"x": ["}"]},\n3]}}}}}}',
        "`components.schemas.ApiError.properties.type.anyOf[2]`: line 3: expected an object, got a number",
    ),
    ('Words\n```\n{"openapi": 3,\n"components":\n 3}\n```\n', "`components`: line 4: has no `schemas`"),
]


@pytest.mark.parametrize(("text", "said"), REFUSED, ids=range(len(REFUSED)))
def test_what_can_not_be_read_is_refused_at_its_place(text: str | bytes, said: str) -> None:
    assert said in refusal(text)


@pytest.mark.parametrize("loader", [composing._LOADER, yaml.SafeLoader])
def test_keys_are_what_was_written_and_values_keep_their_kind(loader: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composing, "_LOADER", loader)
    read: Any = root(b"200: a\nNO: b\n~: null\nq: 'NO'\nt: !!str 12\nu: ! 12\nf: [=, '<<']")
    assert read == {"200": "a", "NO": "b", "~": None, "q": "NO", "t": "12", "u": "12", "f": ["=", "<<"]}
    assert root(b'{a: b, "c": [d,],}') == {"a": "b", "c": ["d"]}
    assert root(b'{"a": "\\ud83d\\ude00", "n": [1, 1.50, null, true]}') == {
        "a": "😀",
        "n": [Scalar("integer", "1"), Scalar("number", "1.50"), None, True],
    }


def test_an_alias_is_the_same_value_and_no_copy() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    read: Any = root(bomb.encode())
    assert read["a59"][0] is read["a59"][1] is read["a58"]


def test_a_block_in_a_block_and_a_fence_that_is_longer() -> None:
    page = "Words\n\n~~~~yaml\nopenapi: 3\nx: |\n  ~~~\n  ```\ny: z\n~~~~~\nopenapi: not this\n"
    assert root(page.encode()).keys() == {"openapi", "x", "y"}
    nested = '1. A list\n   ```json\n   {"openapi": "3",\n    "a": []}\n   ```\n'
    assert root(nested.encode()) == {"openapi": "3", "a": []}


WHOLE = "openapi: 3\ncomponents: {}\n"
"""A document of which some pages have one."""
READ = {"openapi": Scalar("integer", "3"), "components": {}}


@pytest.mark.parametrize(
    "page",
    [
        "---\ntitle: Status\nopenapi: get /status\n---\n\n# Status\n\n```yaml\n" + WHOLE + "```\n",
        "openapi: is what follows\n\n```yaml\n" + WHOLE + "```\n",
        "openapi: is what follows\n\n  ```yaml\n  openapi: 3\n  components: {}\n  ```\n",
        "- ```yaml\n  openapi: 3\n  components: {}\n  ```\n",
        "  12. ~~~\n      openapi: 3\n      components: {}\n      ~~~\nopenapi: no\n",
        "> Words\n>\n> ```yaml\n> openapi: 3\n>\n> components: {}\n> ```\n> openapi: no\n",
        "```\n"
        + WHOLE
        + "info: {description: |\n".replace("{description: |", "\n  description: |\n      ```")
        + "```\n",
        "```\nopenapi: 3\n```\n\n````\n" + WHOLE.replace("{}", "{schemas: {Mine: {}}}") + "````\n",
        '```\n$ref: "#/Mine"\nopenapi: 3\n```\n\n```\n{"openapi": 3, "components": {"schemas": {"Mine" : {}}}}\n```',
    ],
)
def test_the_block_that_is_a_document_is_found_on_any_page(page: str) -> None:
    read: Any = read_document(page.encode(), "openapi", ("Other", "Mine")).root
    assert read.pop("info", None) in (None, {"description": "```"})
    assert read["openapi"] == Scalar("integer", "3")
    assert read["components"] in ({}, {"schemas": {"Mine": {}}})


def test_a_document_with_blocks_in_its_words_is_read_whole() -> None:
    text = WHOLE + "info:\n  description: |\n    For instance\n    ```yaml\n    openapi: 9\n    ```\n"
    assert root(text.encode()).keys() == {"openapi", "components", "info"}
    assert root(text.replace("    ```\n", "").encode()).keys() == {"openapi", "components", "info"}


def test_of_several_blocks_that_have_what_is_asked_for_none_is_chosen() -> None:
    block = "```\nopenapi: 3\nMine: 4\n```\n"
    for names in ((), ("Mine",), ("Other",)):
        with pytest.raises(InputError, match="has 2 documents in fenced blocks, at lines 2, 6, where one is"):
            read_document((block + block).encode(), "openapi", names)
    with pytest.raises(InputError, match="has 2 documents in fenced blocks, at lines 5, 9, where one is"):
        read_document(("```\nopenapi: 3\n```\n" + block + block).encode(), "openapi", ("Mine",))


def test_what_text_without_quotes_is_says_yaml_1_2() -> None:
    for text in ("NO", "on", "Yes", "off", "y", "2024-01-01", "12:30:45", "1_000", "0b1", "=", "+", ".", "e5", "nuLL"):
        assert root(f"a: {text}".encode()) == {"a": text}
        assert root(f"a: !!str {text}".encode()) == {"a": text}
    for text in ("1", "-01", "+3", "0o17", "0xfF"):
        assert root(f"a: {text}".encode()) == {"a": Scalar("integer", text)}
    for text in ("1.", "-.5", "1e3", "+.inf", ".NaN", "1.5E-3"):
        assert root(f"a: {text}".encode()) == {"a": Scalar("number", text)}
    for text in ("true", "True", "FALSE"):
        assert root(f"a: {text}".encode()) == {"a": Scalar("boolean", text)}
        assert root(f"a: '{text}'".encode()) == {"a": text}
    for text in ("", "~", "null", "Null", "NULL"):
        assert root(f"a: {text}".encode()) == {"a": None}
    assert root(b"a: !!timestamp 2024-01-01") == {"a": "2024-01-01"}


@pytest.mark.parametrize("mark", ["\x85", "\u2028", "\u2029"])
def test_a_line_break_of_yaml_1_1_is_a_character(mark: str) -> None:
    text = f"a: |\n  one{mark}two \ue000\nb: three{mark}four\n'c{mark}': \"{mark}\"\nd: [x,\n"
    assert root((text + " y]").encode()) == {
        "a": f"one{mark}two \ue000\n",
        "b": f"three{mark}four",
        f"c{mark}": mark,
        "d": ["x", "y"],
    }
    with pytest.raises(InputError, match="^line 6, column 1: "):
        read_document((text + "*y]").encode(), "openapi")
    parsed = read_document((text + " y]").encode(), "openapi")
    assert [parsed.line_of(path) for path in ((), ("b",), (f"c{mark}",), ("d", 1), ("d", 7))] == [1, 3, 4, 6, 5]


lined = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(lined, st.sampled_from([json.dumps, lambda value, indent: yaml.dump(value, indent=indent, allow_unicode=False)]))
def test_the_line_of_everything_is_known(value: Any, written: Any) -> None:
    """Each key and each element that begins a line of its own, in JSON and in YAML."""
    text = written({"a": value}, indent=2)
    parsed = read_document(text.encode(), "openapi")
    rows = text.split("\n")

    def look(here: Any, path: tuple[Any, ...]) -> None:
        for step, inner in here.items() if isinstance(here, dict) else enumerate(here):
            line = rows[parsed.line_of((*path, step)) - 1]
            is_plain = isinstance(step, int) or (step.isalnum() and step.isascii())
            if is_plain:
                assert isinstance(step, int) or step in line
            if is_plain and (inner is None or type(inner) is int):
                assert ("null" if inner is None else str(inner)) in line
            if isinstance(inner, dict | list):
                look(inner, (*path, step))

    look({"a": value}, ())


@pytest.mark.parametrize(
    "text",
    [
        "\n" * 2_000_000,
        "{" + '"openapi"' + " " * 2_000_000,
        "`" * 1_000_000 + "\n" + "```\n" * 200_000,
        STATUS + "{enum: [" + ",".join(f"v{n}" for n in range(50_000)) + "]}",
        STATUS + "{anyOf: [" + ",".join("{const: v}" for _ in range(50_000)) + "]}",
        json.dumps({"openapi": "3", "components": {"schemas": {f"s{n}": {} for n in range(50_000)}}}),
        json.dumps(
            {"components": {"schemas": {"ApiError": {"oneOf": [{"properties": {f"p{n}": {}}} for n in range(30_000)]}}}}
        ),
        "a0: &a0 {properties: {type: {const: A}}}\n"
        + "".join(f"a{n}: &a{n} {{oneOf: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 16))
        + "components: {schemas: {ApiError: *a14}}",
        '{"components": {"schemas": {"ApiError": [' + "{}," * 1_000_000 + "{}]}}}",
    ],
    ids=["blank", "spaces", "fences", "values", "choices", "schemas", "variants", "nested variants", "located"],
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
