"""A business of the sandbox as JSON: its troubles and its hostilities, read strictly.

Knows no HTTP and no files. Reading raises InputError and nothing else, with the field.
"""

from __future__ import annotations

import json
from typing import Any, Final, TypeVar

import attrs
import cattrs

from remediate.decision import Owner
from remediate.errors import InputError, kind_of, printable
from remediate.strict import faults, strict_converter
from remediate.upstreams.layer.sandbox.hostile import Disturbance, Hostility
from remediate.upstreams.layer.sandbox.world import Trouble, TroubleKind
from remediate.upstreams.layer.vocabulary import Call

__all__ = ["BusinessScript", "Hostilities", "Mending", "NamedScript", "read_script"]


@attrs.frozen(kw_only=True)
class Hostilities:
    """Hostilities, in the order in which calls meet them."""

    hostilities: tuple[Disturbance, ...] = ()


@attrs.frozen(kw_only=True)
class BusinessScript(Hostilities):
    """What a business goes through.

    Attributes:
        troubles: of those that hold at once, the first shows.
        hostilities: in the order in which calls meet them.
        never_synced: no sync has run yet.
    """

    troubles: tuple[Trouble, ...] = ()
    never_synced: bool = False


@attrs.frozen(kw_only=True)
class NamedScript(BusinessScript):
    """The same with its `id`, as in a file of businesses."""

    id: str


@attrs.frozen(kw_only=True)
class Mending:
    """Who mends."""

    by: Owner


_converter: Final = strict_converter(TroubleKind, Hostility, Call)
_Script = TypeVar("_Script")


def read_script(cls: type[_Script], content: bytes) -> _Script:
    """JSON as one of this module's classes.

    Args:
        cls: which.
        content: JSON in UTF-8; `{"troubles": [...], "hostilities": [...]}` where every key but an
            `id` may be absent. A trouble has the fields of :class:`Trouble`, a hostility those of
            :class:`Disturbance`.

    Raises:
        InputError: it is not JSON, or a key or value is not what it has to be; the first fault.
    """
    try:
        return _converter.structure(_object(content), cls)
    except cattrs.BaseValidationError as error:
        path, what = next(faults(error))
        raise InputError(what, field=".".join(map(str, path)) or None) from None


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {printable(str(error))}") from None
    if not isinstance(value, dict):
        raise InputError(f"expected a JSON object, got {kind_of(value)}")
    return value
