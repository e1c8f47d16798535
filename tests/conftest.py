from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from remediate import Engine

settings.register_profile("quick", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("quick"), max_examples=300)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine.bundled()
