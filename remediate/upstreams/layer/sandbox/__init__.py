"""Layer on loopback as it really behaves, for tests, demonstrations and trying things out.

Knows all that is known of Layer's behaviour, and needs the extra `demo` to be served; nothing of
the library imports it. `Sandbox` is the whole of it, `serving` puts it on a port.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remediate.upstreams.layer.sandbox.counting import Counts, Report
from remediate.upstreams.layer.sandbox.hostile import Hostility
from remediate.upstreams.layer.sandbox.sandbox import Sandbox
from remediate.upstreams.layer.sandbox.world import Trouble, TroubleKind

if TYPE_CHECKING:
    from remediate.upstreams.layer.sandbox.server import serving

__all__ = ["Counts", "Hostility", "Report", "Sandbox", "Trouble", "TroubleKind", "serving"]


def __getattr__(name: str) -> object:
    if name != "serving":
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    from remediate.upstreams.layer.sandbox.server import serving

    return serving


def __dir__() -> list[str]:
    return sorted(__all__)
