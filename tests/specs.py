"""An OpenAPI document that publishes exactly what an upstream's vocabulary has."""

from __future__ import annotations

import typing
from enum import StrEnum
from typing import Any

import attrs
import yaml

from remediate.upstreams import Upstream, find_upstream

LAYER = find_upstream("layer", "these tests")
TYPES = {bool: "boolean", str: "string"}


def document(upstream: Upstream = LAYER) -> dict[str, Any]:
    """As a published page has it: one enum by itself, the others by reference, ignored properties beside."""
    schemas: dict[str, Any] = {}
    for cls in upstream.observations:
        published = upstream.published[cls.kind]
        properties: dict[str, Any] = {}
        for field in attrs.fields(cls):
            if field.name in upstream.beside:
                continue
            kind = typing.get_args(typing.get_type_hints(cls)[field.name])[0]
            if not issubclass(kind, StrEnum):
                properties[field.name] = {"type": TYPES[kind]}
                continue
            enum = {"type": "string", "enum": [member.value for member in kind]}
            if field.name == "sync_failure_reason":
                properties[field.name] = enum
            else:
                schemas[kind.__name__] = enum
                properties[field.name] = {"$ref": f"#/components/schemas/{kind.__name__}", "nullable": True}
        properties |= {name: {"type": "object"} for name in published.ignored}
        schemas[published.schema] = {"type": "object", "properties": properties, "required": ["type"]}
    return {"openapi": "3.0.1", "info": {"title": "Ours", "version": "1"}, "components": {"schemas": schemas}}


def as_yaml(spec: dict[str, Any]) -> str:
    return str(yaml.dump(spec, Dumper=_NoAliases, sort_keys=False, allow_unicode=True))


def as_page(spec: dict[str, Any], fence: str = "````") -> str:
    return f"# The status\n\nWords, and `code`.\n\n{fence}yaml get /status\n{as_yaml(spec)}\n{fence}\n\nMore words.\n"


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True
