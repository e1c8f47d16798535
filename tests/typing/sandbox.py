"""How users type the sandbox: checked by mypy, never run."""

from __future__ import annotations

from typing import assert_type

from remediate.upstreams.layer import Call
from remediate.upstreams.layer.sandbox import Counts, Hostility, Report, Sandbox, Trouble, TroubleKind, serving


def script() -> None:
    sandbox = Sandbox(clock=lambda: 0.0, calls_per_s=None, every_s=60)
    sandbox.add("b", Trouble(reason="NEW", mended_by="support"), Trouble(kind=TroubleKind.STUCK), never_synced=True)
    sandbox.disturb("b", Hostility.HANG, call=Call.STATUS, times=None)
    sandbox.disturb(None, "html", "token")
    assert_type(sandbox.mend("b", by="customer"), bool)
    assert_type(sandbox.report(), Report)
    assert_type(sandbox.report().businesses["b"], Counts)
    with serving(sandbox, port=0) as url:
        assert_type(url, str)


def mistakes() -> None:
    Trouble("NEW")  # type: ignore[call-arg]  # keywords only
    Sandbox(sync=3)  # type: ignore[call-arg]  # misspelt
