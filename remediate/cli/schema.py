"""`remediate policy schema`: the language of policies as a JSON Schema, so that editors complete and check."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from remediate.cli import output
from remediate.errors import did_you_mean, printable
from remediate.upstreams import find_upstream, upstream_names

__all__ = ["schema"]

_ANY: Final = "any"


def schema(
    upstream: Annotated[
        str, typer.Option(help=f"Whose sections, fields, values and systems are in it; {_ANY}: nobody's.")
    ] = "layer",
) -> None:
    """Print the JSON Schema (draft 2020-12) of policy files.

    An editor that knows TOML and JSON Schema completes keys and values with it, and shows what they mean;
    a policy names it in its first line: #:schema layer.schema.json. What it lets pass, check proves.

    Example: remediate policy schema > layer.schema.json
    """
    known = (*upstream_names(), _ANY)
    if upstream not in known:
        listed = ", ".join(f"`{name}`" for name in known)
        hint = did_you_mean(upstream, known)
        output.refuse(f"--upstream: unknown upstream `{printable(upstream)}`{hint}; there are {listed}")
    import json

    from remediate.workshop.schema import policy_schema

    made = policy_schema(None if upstream == _ANY else find_upstream(upstream, "--upstream"))
    with output.whole_output():
        sys.stdout.write(json.dumps(made, indent=2) + "\n")
