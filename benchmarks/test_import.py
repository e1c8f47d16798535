"""A fresh interpreter to the first decision, in imports of attrs.

Each run is a process of its own. The start of an interpreter that does nothing is timed beside
them in every round and taken off both sides.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import pytest

from benchmarks.conftest import Measure
from benchmarks.measuring import Round, Work

_ROUNDS: Final = 40
_SCRIPTS: Final = {
    "import.package": "import remediate",
    "import.names": "from remediate import decide, History",
    "import.first": "from remediate import decide; decide(b'{\"is_connected\": true}')",
}


def _interpreter(script: str) -> Work:
    return lambda: subprocess.run([sys.executable, "-I", "-c", script], check=True)


@pytest.mark.parametrize("name", _SCRIPTS)
def test_importing(name: str, measure: Measure) -> None:
    one = Round(
        measured=_interpreter(_SCRIPTS[name]),
        times=1,
        base=_interpreter("import attrs"),
        base_times=1,
        floor=_interpreter("pass"),
    )
    measure(name, lambda _: one, rounds=_ROUNDS)
