"""The short way from JSON to an observation that has nothing beside it.

Knows what makes an object something else than it seems, and leaves everything doubtful to the long
way in :mod:`remediate.upstreams.layer.wire`, which knows every shape and says what is wrong.
"""

from __future__ import annotations

from typing import Final

import msgspec

from remediate.upstreams.layer.vocabulary import ApiFailure, ConnectionStatus
from remediate.upstreams.payloads import DEEPEST

__all__ = ["plain"]


class _Markers(msgspec.Struct):
    """Every field that would make an object something else than a plain status."""

    observation: msgspec.Raw = msgspec.Raw()
    http_status: msgspec.Raw = msgspec.Raw()
    transport: msgspec.Raw = msgspec.Raw()
    data: msgspec.Raw = msgspec.Raw()
    errors: msgspec.Raw = msgspec.Raw()
    error_enum: msgspec.Raw = msgspec.Raw()
    type: msgspec.Raw = msgspec.Raw()
    access_token: msgspec.Raw = msgspec.Raw()
    redirect_url: msgspec.Raw = msgspec.Raw()
    history: msgspec.Raw = msgspec.Raw()
    call: msgspec.Raw = msgspec.Raw()
    retry_after_s: msgspec.Raw = msgspec.Raw()
    key: msgspec.Raw = msgspec.Raw()


_UNMARKED: Final = msgspec.Raw()
_NO_MARKERS: Final = _Markers()
_markers: Final = msgspec.json.Decoder(_Markers).decode
_array: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_status: Final = msgspec.json.Decoder(ConnectionStatus).decode
_failure: Final = msgspec.json.Decoder(ApiFailure).decode


def plain(content: bytes) -> ConnectionStatus | ApiFailure | None:
    """A status or a failure, bare or in Layer's envelope, with nothing beside it; None for anything else."""
    nests = content.rfind(b"{") > 0 or b"[" in content
    if not content.isascii() or (nests and content.count(b"{") + content.count(b"[") > DEEPEST):
        return None
    try:
        return _plain(content)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def _plain(content: bytes) -> ConnectionStatus | ApiFailure | None:
    marked = _markers(content)
    if marked == _NO_MARKERS:
        return _status(content)
    data, marked.data = bytes(marked.data), _UNMARKED
    errors, marked.errors = bytes(marked.errors), _UNMARKED
    if data and not errors and marked == _NO_MARKERS:
        inner = _markers(data)
        return _status(data) if _says_no_type(inner) and inner == _NO_MARKERS else None
    if errors and not data and marked == _NO_MARKERS:
        elements = _array(errors)
        return _failed(bytes(elements[0])) if elements else ApiFailure()
    is_bare = not data and not errors and bytes(marked.error_enum) not in (b"", b"null")
    return _failed(content) if is_bare and _says_no_type(marked) else None


def _says_no_type(marked: _Markers) -> bool:
    """Take the type off; false where it is, or may be, that of an accepted sync."""
    kind, marked.type = bytes(marked.type), _UNMARKED
    return b"EmptyResponse" not in kind and b"\\" not in kind


def _failed(content: bytes) -> ApiFailure | None:
    """An error object that has no field of ours."""
    marked = _markers(content)
    marked.error_enum = marked.type = _UNMARKED
    return _failure(content) if marked == _NO_MARKERS else None
