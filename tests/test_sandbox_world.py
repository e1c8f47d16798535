"""The sandbox's model: what a business shows, call after call, at times that the tests choose."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediate import InputError, Owner
from remediate.upstreams.layer.sandbox import Counts, Trouble
from remediate.upstreams.layer.sandbox.door import Bucket, Tokens
from remediate.upstreams.layer.sandbox.hostile import Disturbance, Disturbances, Hostility
from remediate.upstreams.layer.sandbox.mix import MIX, mixed
from remediate.upstreams.layer.sandbox.world import Refusal, Status, TroubleKind, World
from remediate.upstreams.layer.vocabulary import Call, SyncFailureReason, SyncStatus

LAPSED = Trouble(reason="QUICKBOOKS_AUTHENTICATION_FAILURE", is_retryable=True, mended_by="customer")
OUTAGE = Trouble(reason="QUICKBOOKS_SERVICE_UNAVAILABLE", is_retryable=True, heals_after_s=60)
LATEST_S = 1.5 + 6  # the longest lag and the longest sync, at the defaults
START_S = 1_000.0


def world_of(*troubles: Trouble, never_synced: bool = False, **settings: Any) -> World:
    world = World(**settings)
    world.add("b", troubles, START_S, never_synced=never_synced)
    return world


def status(world: World, at_s: float) -> Status:
    shown = world.status("b", START_S + at_s)
    assert isinstance(shown, Status)
    return shown


def trigger(world: World, at_s: float) -> Refusal | None:
    return world.trigger("b", START_S + at_s)


def counts(world: World, at_s: float = 0) -> Counts:
    return world.report(START_S + at_s).businesses["b"]


def test_a_business_without_trouble_has_just_synced() -> None:
    assert status(world_of(), 0) == Status(last_sync_status=SyncStatus.SYNC_SUCCESS, last_synced_s=START_S)
    assert status(world_of(never_synced=True), 0) == Status()
    assert status(world_of(OUTAGE), 0) == Status(
        last_sync_status=SyncStatus.SYNC_FAILURE,
        sync_failure_reason="QUICKBOOKS_SERVICE_UNAVAILABLE",
        is_retryable_failure=True,
        last_synced_s=START_S,
    )


def test_a_trigger_shows_after_a_lag_and_its_outcome_at_the_end() -> None:
    world = world_of(Trouble(reason="NEW", begins_s=2, mended_by="support"))
    assert trigger(world, 1) is None
    assert not status(world, 1.49).is_syncing
    running = status(world, 2.51)
    assert running.is_syncing
    assert running.last_sync_status == "SYNC_SUCCESS"
    ended = status(world, 1 + LATEST_S)
    assert not ended.is_syncing
    assert (ended.last_sync_status, ended.sync_failure_reason, ended.is_retryable_failure) == (
        "SYNC_FAILURE",
        "NEW",
        None,
    )
    assert ended.last_synced_s is not None
    assert START_S + 1 + 0.5 + 2 <= ended.last_synced_s <= START_S + 1 + LATEST_S


def test_the_trouble_at_the_end_decides_not_the_one_at_the_beginning() -> None:
    world = world_of(Trouble(reason="NEW", heals_after_s=1.1))
    trigger(world, 1)
    assert status(world, 1).last_sync_status == "SYNC_FAILURE"
    assert status(world, 1 + LATEST_S).last_sync_status == "SYNC_SUCCESS"


def test_the_old_failure_stays_after_re_authorisation_until_the_next_sync() -> None:
    world = world_of(LAPSED)
    before = status(world, 1)
    assert world.mend("b", Owner.CUSTOMER, START_S + 2)
    assert not world.mend("b", Owner.CUSTOMER, START_S + 2)
    assert status(world, 1_000_000) == before
    assert trigger(world, 1_000_000) is None
    assert status(world, 1_000_000 + LATEST_S).last_sync_status == "SYNC_SUCCESS"


def test_only_the_right_person_mends_and_the_next_trouble_shows() -> None:
    closed = Trouble(reason="QUICKBOOKS_VALIDATION_ERROR", is_retryable=False, mended_by="support")
    world = world_of(LAPSED, closed)
    assert not world.mend("b", Owner.ENGINEERING, START_S)
    world.mend("b", Owner.CUSTOMER, START_S)
    trigger(world, 0)
    assert status(world, LATEST_S).sync_failure_reason == "QUICKBOOKS_VALIDATION_ERROR"
    with pytest.raises(LookupError):
        world.mend("nobody", Owner.CUSTOMER, START_S)


def test_a_trouble_that_has_not_begun_is_not_mended() -> None:
    world = world_of(attrs.evolve(LAPSED, begins_s=10))
    assert not world.mend("b", Owner.CUSTOMER, START_S + 9)
    assert world.mend("b", Owner.CUSTOMER, START_S + 10)


def test_a_second_trigger_is_refused_from_the_first_until_the_sync_has_ended() -> None:
    world = world_of()
    assert trigger(world, 0) is None
    assert trigger(world, 0) is Refusal.ALREADY_SYNCING  # before it shows
    assert trigger(world, 1.6) is Refusal.ALREADY_SYNCING
    assert trigger(world, LATEST_S) is None
    told = counts(world, LATEST_S)
    assert (told.triggers_received, told.triggers_accepted, told.overlapping, told.max_in_flight) == (4, 2, 2, 1)


def test_overlaps_run_beside_each_other_where_they_are_accepted() -> None:
    world = world_of(accepts_overlaps=True)
    assert [trigger(world, 0) for _ in range(3)] == [None] * 3
    told = counts(world)
    assert (told.triggers_accepted, told.overlapping, told.max_in_flight) == (3, 2, 3)


def test_a_stuck_sync_runs_until_the_provider_ends_it() -> None:
    world = world_of(Trouble(kind="stuck", begins_s=1))
    trigger(world, 0)
    assert status(world, 1_000_000).is_syncing
    assert trigger(world, 1_000_000) is Refusal.ALREADY_SYNCING
    assert world.mend("b", Owner.PROVIDER, START_S + 1_000_000)
    after = status(world, 1_000_000)
    assert (after.is_syncing, after.last_sync_status) == (False, "SYNC_SUCCESS")
    assert after.last_synced_s == START_S + 1_000_000


def test_a_stuck_sync_may_come_loose_by_itself_and_a_stuck_business_syncs_from_the_beginning() -> None:
    world = world_of(Trouble(kind="stuck", heals_after_s=100))
    assert status(world, 99).is_syncing
    assert status(world, 100) == Status(last_sync_status=SyncStatus.SYNC_SUCCESS, last_synced_s=START_S + 100)


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [("unknown", Refusal.UNKNOWN), ("archived", Refusal.ARCHIVED), ("disconnected", Refusal.NOT_CONNECTED)],
)
def test_what_is_not_there_is_refused(kind: str, refusal: Refusal) -> None:
    world = world_of(Trouble(kind=kind, begins_s=5))
    assert trigger(world, 4) is None
    assert [trigger(world, 5), world.authorise("b", START_S + 5), world.unlink("b", START_S + 5)] == [refusal] * 3
    shown = world.status("b", START_S + 20)
    if refusal is Refusal.NOT_CONNECTED:
        assert shown == attrs.evolve(shown, is_connected=False, last_sync_status="SYNC_FAILURE")  # it ended meanwhile
    else:
        assert shown is refusal


def test_nobody_knows_a_business_that_was_not_added() -> None:
    world = World()
    calls = (world.status, world.trigger, world.authorise, world.unlink)
    assert [call("x", START_S) for call in calls] == [Refusal.UNKNOWN] * 4
    report = world.report(START_S)
    assert report.total == Counts(status_calls=1, triggers_received=1, authorise_calls=1, unlink_calls=1)
    assert not report.businesses


def test_unlinking_disconnects_until_the_customer_connects_again() -> None:
    world = world_of()
    assert world.authorise("b", START_S) is None
    assert world.unlink("b", START_S + 1) is None
    assert not status(world, 1).is_connected
    assert world.authorise("b", START_S + 1) is Refusal.NOT_CONNECTED
    world.mend("b", Owner.CUSTOMER, START_S + 2)
    assert status(world, 2).is_connected


@pytest.mark.parametrize(
    ("trouble", "futile"),
    [(None, 0), (OUTAGE, 0), (LAPSED, 1), (Trouble(reason="NEW"), 1), (attrs.evolve(LAPSED, begins_s=1), 0)],
)
def test_a_sync_that_no_time_can_help_is_futile(trouble: Trouble | None, futile: int) -> None:
    world = world_of(*filter(None, [trouble]))
    trigger(world, 0)
    trigger(world, 0)
    assert counts(world).futile == futile


def test_layer_syncs_by_itself_at_a_phase_of_each_business() -> None:
    world = World(every_s=600)
    for number in range(50):
        world.add(f"b{number}", (), START_S)
    shown = [world.status(f"b{number}", START_S + 606) for number in range(50)]
    last_s = {one.last_synced_s for one in shown if isinstance(one, Status)}
    assert len(last_s) == 50
    assert max(last_s) - min(last_s) > 400
    assert world.report(START_S + 600 * 100).total.scheduled == 50 * 100


def test_layer_does_not_sync_by_itself_while_a_sync_runs_or_can_not() -> None:
    world = world_of(Trouble(kind="stuck", begins_s=0, heals_after_s=10_000), every_s=60)
    assert counts(world, 9_999).scheduled == 0
    assert counts(world, 11_000).scheduled > 10
    assert counts(world_of(Trouble(kind="disconnected"), every_s=60), 10_000).scheduled == 0


def test_draws_are_of_the_seed_and_the_id() -> None:
    def ends(seed: int, business_id: str) -> float | None:
        world = World(seed=seed)
        world.add(business_id, (), 0)
        world.trigger(business_id, 0)
        shown = world.status(business_id, 100)
        assert isinstance(shown, Status)
        return shown.last_synced_s

    assert ends(1, "b") == ends(1, "b")
    assert len({ends(1, "b"), ends(2, "b"), ends(1, "c"), ends(1, "\ud800/é")}) == 4


def test_adding_again_begins_anew_and_keeps_the_counts() -> None:
    world = world_of(LAPSED)
    trigger(world, 0)
    world.add("b", (), START_S + 1)
    assert status(world, 1).last_sync_status == "SYNC_SUCCESS"
    assert counts(world, 1).futile == 1


def test_a_report_is_a_copy_and_sums_up() -> None:
    world = world_of()
    world.add("c", (), START_S)
    before = world.report(START_S)
    world.count("tokens_issued")
    world.count("answered_429", "c")
    for business_id in ("b", "b", "c"):
        world.status(business_id, START_S)
    trigger(world, 0)
    assert before.total == Counts()
    after = world.report(START_S)
    assert after.total == Counts(
        tokens_issued=1, answered_429=1, status_calls=3, triggers_received=1, triggers_accepted=1, max_in_flight=1
    )
    assert after.businesses["c"] == Counts(status_calls=1, answered_429=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"begins_s": -1},
        {"heals_after_s": float("nan")},
        {"heals_after_s": 1, "mended_by": "support"},
        {"kind": "stck"},
        {"mended_by": "nobody"},
    ],
)
def test_a_trouble_that_can_not_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # an InputError is one, and so is what an enum raises
        Trouble(**wrong)


@pytest.mark.parametrize("wrong", [{"sync_s": -1}, {"start_lag_s": float("inf")}, {"every_s": 0}])
def test_a_world_that_can_not_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        World(**wrong)


# Over sequences.

REASONS = st.sampled_from([*SyncFailureReason, "A_NEW_ONE", None])
SECONDS = st.floats(0, 40).map(lambda value: round(value, 3))
TROUBLES = st.one_of(
    st.builds(Trouble, kind=st.sampled_from(TroubleKind), reason=REASONS, begins_s=SECONDS, heals_after_s=SECONDS),
    st.builds(
        Trouble, kind=st.sampled_from(TroubleKind), reason=REASONS, begins_s=SECONDS, mended_by=st.sampled_from(Owner)
    ),
)
CALLS = st.one_of(
    st.tuples(st.just("trigger")),
    st.tuples(st.just("authorise")),
    st.tuples(st.just("mend"), st.sampled_from(Owner)),
)
LIVES = st.lists(st.tuples(SECONDS, CALLS), max_size=12)
SETTINGS = st.fixed_dictionaries(
    {"every_s": st.sampled_from([None, 3.0, 17.0]), "accepts_overlaps": st.booleans(), "seed": st.integers(0, 3)}
)


def do(world: World, call: tuple[Any, ...], now_s: float) -> object:
    if call[0] == "mend":
        return world.mend("b", call[1], now_s)
    return getattr(world, call[0])("b", now_s)


@given(st.lists(TROUBLES, max_size=3), LIVES, SETTINGS, st.integers(1, 7))
def test_many_small_steps_are_one_big_one(
    troubles: list[Trouble], life: list[tuple[float, Any]], settings: dict[str, Any], steps: int
) -> None:
    at_once, in_steps = world_of(*troubles, **settings), world_of(*troubles, **settings)
    now_s = START_S
    for wait_s, call in [*life, (500.0, ("authorise",))]:
        for step in range(1, steps):
            in_steps.report(now_s + wait_s * step / steps)
        now_s += wait_s
        assert do(at_once, call, now_s) == do(in_steps, call, now_s)
    assert at_once.status("b", now_s) == in_steps.status("b", now_s)
    assert at_once.report(now_s) == in_steps.report(now_s)


@given(st.lists(TROUBLES, max_size=3), LIVES, SETTINGS)
def test_never_two_syncs_at_once_unless_overlaps_are_accepted(
    troubles: list[Trouble], life: list[tuple[float, Any]], settings: dict[str, Any]
) -> None:
    world = world_of(*troubles, **settings)
    now_s = START_S
    for wait_s, call in life:
        now_s += wait_s
        do(world, call, now_s)
    told = world.report(now_s).total
    if not settings["accepts_overlaps"]:
        assert told.max_in_flight <= 1
    assert told.futile <= told.triggers_accepted <= told.triggers_received
    assert told.overlapping <= told.triggers_received
    assert told.max_in_flight <= 1 + told.triggers_accepted


@given(st.lists(TROUBLES, max_size=3), LIVES, st.floats(0, 1e6))
def test_a_status_changes_only_by_a_sync(troubles: list[Trouble], life: list[tuple[float, Any]], late_s: float) -> None:
    """Without syncs, nothing that people do changes what the last one left."""
    world = world_of(*[one for one in troubles if one.kind is not TroubleKind.STUCK])
    left = [
        (shown.last_sync_status, shown.sync_failure_reason, shown.last_synced_s)
        for at_s, call in [(0.0, ("authorise",)), *life, (late_s, ("authorise",))]
        for _ in [do(world, call, START_S + at_s) if call[0] != "trigger" else None]
        for shown in [world.status("b", START_S + at_s)]
        if isinstance(shown, Status)
    ]
    assert len(set(left)) <= 1


# What stands before it.


def test_a_bucket_is_filled_at_every_whole_second() -> None:
    bucket = Bucket(2)
    rooms = [bucket.take(now_s) for now_s in (10.0, 10.5, 10.9, 11.0)]
    assert [(room.is_free, room.remaining, room.reset_s) for room in rooms] == [
        (True, 1, 11),
        (True, 0, 11),
        (False, 0, 11),
        (True, 1, 12),
    ]


def test_tokens_expire_and_are_revoked() -> None:
    tokens = Tokens(10)
    first = tokens.issue(0)
    assert tokens.is_valid(first, 9.9)
    assert not tokens.is_valid(first, 10)
    second = tokens.issue(5)
    tokens.revoke_all()
    assert not tokens.is_valid(second, 5)
    assert first != second


def test_disturbances_are_used_up_in_order_by_the_calls_that_they_are_for() -> None:
    queue = Disturbances()
    queue.add("b", Disturbance(hostility="hang", call="sync", times=2))
    queue.add("b", Disturbance(hostility="html"))
    queue.add(None, Disturbance(hostility="empty", times=None))
    assert queue.take("b", Call.STATUS) is Hostility.HTML
    assert queue.take("b", Call.STATUS) is Hostility.EMPTY
    assert [queue.take("b", Call.SYNC) for _ in range(3)] == [Hostility.HANG, Hostility.HANG, Hostility.EMPTY]
    assert queue.take(None, Call.TOKEN) is Hostility.EMPTY
    assert queue.take("c", None) is Hostility.EMPTY
    queue.clear(None)
    assert queue.take("c", None) is None
    with pytest.raises(InputError, match="about no business"):
        queue.add("b", Disturbance(hostility="hang", call="token"))
    with pytest.raises(InputError, match="1 or more"):
        Disturbance(hostility="hang", times=0)


def test_the_mix_repeats_and_holds_every_kind() -> None:
    made = list(mixed(2 * len(MIX)))
    assert len({one.id for one in made}) == len(made) == 40
    assert [one.troubles for one in made[:20]] == [one.troubles for one in made[20:]]
    well = [one for one in MIX if not one.troubles and not one.hostilities]
    passing = [one for one in MIX if any(trouble.heals_after_s for trouble in one.troubles)]
    waiting = [one for one in MIX if any(trouble.mended_by and trouble.kind == "failing" for trouble in one.troubles)]
    assert (len(well), len(passing), len(waiting), len(MIX)) == (3, 6, 7, 20)  # as the command's help says
    kinds = {trouble.kind for one in made for trouble in one.troubles}
    assert kinds == set(TroubleKind) - {TroubleKind.UNKNOWN}
    assert {trouble.mended_by for one in made for trouble in one.troubles} == {*Owner, None}
