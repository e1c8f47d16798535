"""What the package promises to those who import it."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

import remediate
from remediate import Engine, History, InputError, PolicyError
from remediate.decision import Action, Evidence, Owner, Retry, headline
from remediate.observation import Observation
from remediate.upstreams import find_upstream, upstream_names
from remediate.upstreams.layer import ApiFailure, ConnectionStatus

MODULES = [
    module.name for module in pkgutil.walk_packages(remediate.__path__, "remediate.") if "__main__" not in module.name
]
STATUS = ConnectionStatus(is_connected=True, last_sync_status="SYNC_FAILURE", is_retryable_failure=True)


@pytest.mark.parametrize("name", ["remediate", *MODULES])
def test_all_is_true(name: str) -> None:
    module = importlib.import_module(name)
    if name == "remediate.cli":
        return
    assert len(set(module.__all__)) == len(module.__all__)
    for exported in module.__all__:
        assert getattr(module, exported) is not None
        assert exported in dir(module)


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute `decde`"):
        remediate.decde  # noqa: B018


def imported(statement: str) -> set[str]:
    script = f"import sys; {statement}; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name for name in ran.stdout.split() if not name.startswith("_")}


def test_importing_is_lazy() -> None:
    heavy = {"attrs", "attr", "cattrs", "msgspec", "httpx", "tenacity", "typer", "rich", "tomllib", "asyncio"}
    assert not imported("import remediate") & heavy
    assert not imported("from remediate import History, Retry") & (heavy - {"attr", "attrs"})
    deciding = imported("import remediate; remediate.decide({})")
    assert not deciding & {"httpx", "tenacity", "typer", "rich", "asyncio"}


def test_the_default_engine_decides_and_explains() -> None:
    engine = Engine.bundled()
    assert remediate.decide(STATUS, History(attempts=1), "k") == engine.decide(STATUS, History(attempts=1), "k")
    assert remediate.explain(STATUS, key="k") == engine.explain(STATUS, key="k")


def test_arguments_of_another_type_are_refused() -> None:
    with pytest.raises(InputError, match="`history`: expected a History"):
        remediate.decide(STATUS, {"attempts": 2})  # type: ignore[arg-type]  # as the name says
    with pytest.raises(InputError, match="`key`: expected a string"):
        remediate.decide(STATUS, key=5)  # type: ignore[arg-type]  # as the name says
    with pytest.raises(InputError, match="expected a JSON object, got a number"):
        remediate.decide(5)  # type: ignore[arg-type]  # as the name says

    @attrs.frozen(kw_only=True)
    class Mine(ConnectionStatus):
        """A subclass is decided as what it is."""

    assert remediate.decide(Mine(is_syncing=True)).rule == "a sync is running"
    assert remediate.explain(Mine(is_syncing=True)).decision.rule == "a sync is running"

    class Foreign(Observation):
        kind = "foreign"
        repeats = "nothing"

    with pytest.raises(InputError, match="`Foreign` is no observation of layer"):
        remediate.decide(Foreign())


def test_matching_a_decision_reads_well() -> None:
    match remediate.decide(STATUS, key="k"):
        case Retry(delay_s=delay, repeats="sync"):
            assert delay > 0
        case _:
            pytest.fail("it is a retry")


def test_decisions_and_observations_are_frozen_and_hashable() -> None:
    decision = remediate.decide(STATUS, key="k")
    for frozen, field in ((decision, "rule"), (STATUS, "is_connected"), (History(), "attempts")):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(frozen, field, None)
        assert hash(frozen) == hash(pickle.loads(pickle.dumps(frozen)))
        assert pickle.loads(pickle.dumps(frozen)) == frozen


def test_an_unrecognised_value_survives_a_pickle() -> None:
    odd = ApiFailure(error_enum="BrandNew")
    again = pickle.loads(pickle.dumps(odd))
    assert again == odd
    assert again.error_enum is not None
    assert not again.error_enum.recognised


def test_errors_are_ours_and_survive_a_pickle() -> None:
    refused = InputError("expected a string", field="key")
    assert issubclass(InputError, ValueError)
    assert str(pickle.loads(pickle.dumps(refused))) == str(refused) == "`key`: expected a string"
    unproven = PolicyError("mine.toml", ["one", "two"])
    assert str(pickle.loads(pickle.dumps(unproven))) == str(unproven) == "mine.toml: one\nmine.toml: two"


def test_every_action_has_a_headline_and_every_enum_is_used() -> None:
    engine = Engine.bundled()
    said = {
        headline(decider.decide_at(region.box, decider.section.shape.cls(), History(), None)).split()[0]
        for decider in engine.deciders.values()
        for region in (
            attrs.evolve(one, box=tuple(mask & -mask for mask in one.box)) for one in decider.section.regions
        )
    }
    assert said == set(Action)
    evidence = {rule.evidence for section in engine.policy.sections.values() for rule in section.rules}
    assert evidence == set(Evidence)
    assert {owner.value for owner in Owner} == set(attrs.asdict(remediate.NextSteps()))


def test_upstreams_are_found_by_their_folder() -> None:
    assert "layer" in upstream_names()
    assert "payloads" not in upstream_names()
    for name in upstream_names():
        assert find_upstream(name, "p").name == name
    with pytest.raises(PolicyError, match="did you mean `layer`"):
        find_upstream("lair", "p")
    with pytest.raises(PolicyError, match="unknown upstream"):
        find_upstream("../layer", "p")


def test_every_source_file_is_short_and_says_what_it_does() -> None:
    for file in Path(remediate.__file__).parent.rglob("*.py"):
        text = file.read_text()
        assert text.startswith('"""'), file
        assert len(text.splitlines()) < 400, file
