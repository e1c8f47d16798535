"""The governor against what teams use, over incidents on virtual time: ``python -m benchmarks.fleet``."""

from __future__ import annotations
