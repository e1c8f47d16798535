"""Runners that are killed and frozen at random: nothing acknowledged is lost, nothing is done twice.

Plain runs kill ten times, and their time runs faster. `REMEDIATE_KILLS=3000 pytest -n 0 tests/test_crashes.py` takes
its time.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import attrs
from sqlalchemy import select

from remediate.events import Late, Mended, Observed
from remediate.fleet import Phase
from remediate.ledger.schema import GRANTED, connections
from remediate.upstreams.layer.sandbox import Hostility, Sandbox, Trouble, serving
from tests.crashing import Set, frozen, kill, start
from tests.layer_calls import LAPSED
from tests.ledgers import new_database
from tests.test_sending import receiving

KILLS = int(os.environ.get("REMEDIATE_KILLS", "10"))
CONNECTIONS = 2_000 if KILLS >= 300 else 120
SPEED = 60.0 if KILLS >= 300 else 120.0
LEASE_S = 1.5 * SPEED
SYNC_S = SPEED / 3


class Fleet:
    """Connections in trouble, and people who mend what they hear of.

    Three in four fail at once, which to a governor is an outage: here each connection is alone.
    """

    def __init__(self, here: Set, sandbox: Sandbox, told: list[tuple[dict[str, str], bytes]]) -> None:
        self.here, self.sandbox, self._told = here, sandbox, told
        self.keys: list[str] = []
        self.ledger = here.opened()
        self._heard: set[str] = set()

    def add(self, count: int, heals_within_s: float) -> None:
        for number in range(count):
            key = f"b{number}"
            self.keys.append(key)
            kind = number % 4
            if kind == 0:
                self.sandbox.add(key)
            elif kind == 1:
                self.sandbox.add(key, LAPSED)
            else:
                heals_s = heals_within_s * (number % 10 + 1) / 10
                self.sandbox.add(key, Trouble(reason="QUICKBOOKS_SERVICE_UNAVAILABLE", heals_after_s=heals_s))
            if number % 7 == 0:
                self.sandbox.disturb(key, Hostility.RESET_AFTER, call="sync")
        self.ledger.enroll(self.keys, every_s=600)

    def messages(self) -> dict[str, dict[str, Any]]:
        """What was heard, each once."""
        return {headers["webhook-id"]: json.loads(body) for headers, body in self._told}

    def people_act(self) -> None:
        for identity, content in self.messages().items():
            if identity not in self._heard:
                key = content["data"]["key"]
                self.sandbox.mend(key, "customer")
                self.ledger.tell(key, Mended(by="the customer"))
                self._heard.add(identity)

    def left_over(self) -> list[object]:
        """What is not as it should be, for whoever has to find out why."""
        standings = [self.ledger.standing(key) for key in self.keys]
        return [self.ledger.overview(), *(one for one in standings if not one.state or one.state.is_open)]

    def comes_to_rest(self, within_s: float) -> None:
        """Without a schedule, for with one somebody is always being synced."""
        self.ledger.enroll(self.keys, every_s=0)
        self.until(self.is_at_rest, within_s)

    def is_at_rest(self) -> bool:
        overview = self.ledger.overview()
        return dict(overview.answers) == {"no_op healthy": len(self.keys)} and overview.waiting == 0

    def until(self, holds: Callable[[], bool], within_s: float) -> None:
        ends_s = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < ends_s, self.left_over()
            self.people_act()
            time.sleep(0.05)

    def check(self) -> None:
        """Nothing that was acknowledged is lost, and each journal is its state."""
        events: dict[str, list[tuple[Any, float]]] = {}
        for key in self.keys:
            events[key] = [(event, at_s) for _, event, at_s in self.ledger.history(key, limit=100_000)]
            standing = self.ledger.standing(key)
            assert len(events[key]) == standing.version
            assert self.ledger.engine.lifecycle.replay(key, events[key]) == standing.state
        seen = {(key, event.asked_s) for key in self.keys for event, _ in events[key] if isinstance(event, Observed)}
        said = [line.split() for line in self.here.acknowledged.read_text().splitlines()]
        assert said
        assert [(key, at) for key, at in said if (key, float(at)) not in seen] == []
        first = Counter(one["data"]["key"] for one in self.messages().values() if one["type"] == "notice")
        lapsed = {key for number, key in enumerate(self.keys) if number % 4 == 1}
        assert set(first) == lapsed
        assert set(first.values()) == {1}, "told once each"
        late = sum(isinstance(event, Late) for key in self.keys for event, _ in events[key])
        assert self.ledger.overview().late == late


@contextmanager
def fleet(address: str, tmp_path: Path, count: int, **more: Any) -> Iterator[Fleet]:
    began_s = time.time()
    with receiving(204) as (receiver, told):
        paths = {"acknowledged": tmp_path / "acknowledged"}
        here = Set(
            layer="", receiver=receiver, ledger=address, speed=SPEED, began_s=began_s, lease_s=LEASE_S, **paths, **more
        )
        sandbox = Sandbox(
            clock=here.clock, calls_per_s=None, sync_s=SYNC_S, start_lag_s=SPEED / 30, accepts_overlaps=True
        )
        with serving(sandbox) as url:
            made = Fleet(attrs.evolve(here, layer=url), sandbox, told)
            made.add(count, heals_within_s=300)
            with made.ledger:
                yield made


def test_a_runner_that_is_killed_again_and_again_loses_nothing(address: str, tmp_path: Path) -> None:
    if address == ":memory:":
        return  # which no process survives
    chance = random.Random(7)
    with fleet(address, tmp_path, 40) as made:
        for _ in range(KILLS):
            process = start(made.here)
            time.sleep(chance.uniform(0.05, 0.35))
            made.people_act()
            kill(process)
        last = start(made.here)
        made.comes_to_rest(60)
        kill(last)
        made.check()
        total = made.sandbox.report().total
        assert (total.futile, total.overlapping) == (0, 0)
        assert made.ledger.overview().late == 0
        triggers = sum(made.ledger.standing(key).state.triggers for key in made.keys)
        assert total.triggers_received <= triggers


def test_runners_that_share_a_fleet_are_killed_and_frozen(postgres: str, tmp_path: Path) -> None:
    chance = random.Random(11)
    with fleet(new_database(postgres), tmp_path, CONNECTIONS, dawdles_s=0.05) as made:
        runners = [start(made.here) for _ in range(4)]
        for turn in range(max(4, KILLS // 10)):
            time.sleep(chance.uniform(0.1, 0.5))
            made.people_act()
            number = chance.randrange(4)
            if turn % 2:
                kill(runners[number])
                runners[number] = start(made.here)
            else:
                with frozen(runners[number]):
                    time.sleep(1.2 * LEASE_S / SPEED)
                    made.people_act()
        made.comes_to_rest(60)
        for runner in runners:
            kill(runner)
        made.check()
        total = made.sandbox.report().total
        assert total.futile == 0
        assert total.overlapping <= made.ledger.overview().late


def test_a_runner_that_was_frozen_before_its_call_is_found_out(postgres: str, tmp_path: Path) -> None:
    """The one hole that a trigger without a token leaves: it is seen, counted, and looked at."""
    marks = tmp_path / "marks"
    with fleet(new_database(postgres), tmp_path, 0, marks=marks, dawdles_s=0.3) as made:
        made.sandbox.add("b", Trouble(reason="QUICKBOOKS_SERVICE_UNAVAILABLE", heals_after_s=120))
        made.keys.append("b")
        made.ledger.enroll(["b"])
        first = start(made.here)
        made.until(marks.exists, 20)
        with frozen(first):
            second = start(made.here)
            made.until(lambda: made.sandbox.report().total.triggers_received > 0, 30)
        made.until(lambda: made.ledger.overview().late == 1, 20)
        assert made.sandbox.report().total.overlapping == 1
        made.comes_to_rest(60)
        kill(first)
        kill(second)
        assert made.sandbox.report().total.overlapping <= made.ledger.overview().late


LEADS_S = LEASE_S / 4 / SPEED
"""How long a leader that is dead or stands still leads, real seconds."""


class Outage(Fleet):
    """A governed fleet in which all is well but for an outage, and who leads it."""

    def __init__(self, made: Fleet, count: int) -> None:
        super().__init__(made.here, made.sandbox, made._told)
        self.keys = [f"b{number}" for number in range(count)]
        for key in self.keys:
            self.sandbox.add(key)
        self.ledger.enroll(self.keys, every_s=480)
        self.runners: dict[int, ForkServerProcess] = {}
        self.leaders: list[int] = []
        self.starts: dict[int, str] = {}

    def people_act(self) -> None:
        """They have nothing to do: each start that is seen is one connection's."""
        granted = select(connections.c.key, connections.c.start).where(connections.c.stage == GRANTED)
        for row in self.ledger._database.read(lambda tx: tx.execute(granted).all()):
            assert self.starts.setdefault(row.start, row.key) == row.key

    def one_more(self) -> None:
        runner = start(self.here)
        assert runner.pid is not None
        self.runners[runner.pid] = runner

    def leads(self) -> int | None:
        """The process that leads; None: nobody does now."""
        standing = self.ledger.fleet.standing()
        return None if standing is None or standing.leader is None else int(standing.leader.split(":")[1])

    def leader(self) -> ForkServerProcess:
        self.until(lambda: self.leads() in self.runners, 15)
        pid = self.leads()
        assert pid is not None
        self.leaders.append(pid)
        return self.runners[pid]

    def follows(self) -> None:
        """Another leads."""
        self.until(lambda: self.leads() in self.runners.keys() - {self.leaders[-1]}, 15)

    def is_in(self, *phases: Phase) -> bool:
        standing = self.ledger.fleet.standing()
        return standing is not None and standing.governed.phase in phases

    def triggers(self) -> dict[str, int]:
        return {key: one.triggers_received for key, one in self.sandbox.report().businesses.items()}


def test_leaders_of_a_fleet_are_killed_and_frozen_in_an_outage(postgres: str, tmp_path: Path) -> None:
    with fleet(new_database(postgres), tmp_path, 0, governed=True) as plain:
        made = Outage(plain, 40)
        for _ in range(3):
            made.one_more()
        made.until(lambda: all(made.triggers().values()), 30)
        for call in ("status", "sync"):
            made.sandbox.disturb(None, Hostility.UNAVAILABLE, call=call, times=None)
        for turn in range(max(4, KILLS // 10)):
            leader = made.leader()
            if turn % 2:
                with frozen(leader):  # perhaps in a transaction, which the database ends later than this
                    time.sleep(4 * LEADS_S)
            else:
                pid = leader.pid
                kill(made.runners.pop(pid))  # type: ignore[arg-type]  # it was started
                made.follows()
                made.one_more()
            made.until(lambda: made.is_in(Phase.OPEN), 30)
        before = made.triggers()
        made.sandbox.calm(None)
        made.until(lambda: all(many > before[key] for key, many in made.triggers().items()), 30)
        made.until(lambda: made.is_in(Phase.CLOSED), 30)
        made.comes_to_rest(30)
        for runner in made.runners.values():
            kill(runner)
        incidents = [one["data"]["state"] for one in made.messages().values() if one["type"] == "incident"]
        assert sorted(incidents) == ["closed", "opened"]
        total = made.sandbox.report().total
        assert (total.futile, total.overlapping, made.ledger.overview().late) == (0, 0, 0)
        for key, many in made.triggers().items():
            standing = made.ledger.standing(key)
            assert many <= standing.state.triggers
            events = [(event, at_s) for _, event, at_s in made.ledger.history(key, limit=100_000)]
            assert made.ledger.engine.lifecycle.replay(key, events) == standing.state
        assert len(made.messages()) == 2, "nobody else was told anything"
        assert len(set(made.leaders)) > 1
        made.ledger.close()
