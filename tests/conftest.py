from __future__ import annotations

import os
from types import ModuleType

import httpx
import httpx2
import pytest
from hypothesis import HealthCheck, settings

from remediate import Engine
from remediate.upstreams.layer.calls import Calls
from remediate.upstreams.layer.environment import find_credentials, find_environment
from tests.lines import BASE, Line

# The same examples every time, so that a run fails for what was changed; `thorough` looks for new ones.
settings.register_profile("quick", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("quick"), max_examples=300)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=5_000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine.bundled()


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def client(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def calls(line: Line) -> Calls:
    return Calls(line, find_environment(BASE), find_credentials("me", "s3cret"), lambda: line.now_s)
