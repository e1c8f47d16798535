from __future__ import annotations

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
from tests.ledgers import new_database, postgres_server
from tests.lines import BASE, Line
from tests.thoroughness import PROFILE, part

# The same examples every time, so that a run fails for what was changed; `thorough` looks for new ones.
settings.register_profile("quick", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("quick"), max_examples=300)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=5_000, derandomize=False)
settings.load_profile(PROFILE)


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine.bundled()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL of these tests' own; an address with `{}` where a database's name goes."""
    with postgres_server(tmp_path_factory.mktemp("postgres")) as server:
        yield server.get_uri("{}")


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


WAYS = [(httpx, False), (httpx, True), (httpx2, True), (httpx2, False)]


@pytest.fixture(params=part(WAYS, 2), ids=lambda way: f"{'a' * way[1]}sync-{way[0].__name__}")
def way(request: pytest.FixtureRequest) -> tuple[ModuleType, bool]:
    """A library of HTTP, and whether it is awaited; in plain runs each once."""
    library, is_async = request.param
    return library, is_async


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
