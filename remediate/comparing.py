"""What differs between two policies over every combination: exact, in as few regions as can be.

Knows proven regions and what is answered in them, and neither files nor how it is shown. A region
stands for every combination that changes in the same way; no two of one change could be one box.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from remediate.answers import Answer, Answers, Waits, answers_of
from remediate.checking import witnessed
from remediate.compiling import CompiledPolicy, CompiledSection
from remediate.decision import NextSteps
from remediate.fleet.parameters import Fleet
from remediate.history import Bounds
from remediate.policy import Cadence, Policy
from remediate.regions import Box, Space, intersect, merge, overlaps, size, subtract

__all__ = ["ChangedRegion", "Comparison", "Detail", "Setting", "compare"]

_STEPS: Final = tuple(field.name for field in attrs.fields(NextSteps))
_BOUNDS: Final = tuple(field.name for field in attrs.fields(Bounds))
_WAITS: Final = tuple(field.name for field in attrs.fields(Waits) if field.eq)


@attrs.frozen
class Detail:
    """One thing that is otherwise, and how: a number is a number, a word a string, None is nothing."""

    what: str
    old: str | float | None
    new: str | float | None


@attrs.frozen(kw_only=True)
class ChangedRegion:
    """Combinations that change in the same way.

    Attributes:
        kind: the kind of observation.
        facet: the weightiest thing that is otherwise: `answer`, `limits`, `evidence`, `words`; or `anomaly`.
        where: the values of each field that does not take all; a witness is `present` or `absent`.
        box: the same as masks, over the axes; for an anomaly over the axes and the witnesses.
        combinations: how many there are.
        details: what is otherwise; of an answer that is another, not its waits and words.
        old_rules: the rules that answered there.
        new_rules: the rules that answer now.
    """

    kind: str
    facet: str
    where: Mapping[str, tuple[str, ...]]
    box: Box
    combinations: int
    details: tuple[Detail, ...]
    old_rules: tuple[str, ...] = ()
    new_rules: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Setting:
    """A number of the policy as a whole that is otherwise."""

    name: str
    old: float | tuple[float, ...]
    new: float | tuple[float, ...]


@attrs.frozen(kw_only=True)
class Comparison:
    """What differs between two policies of one upstream.

    Attributes:
        changes: where something else is answered; disjoint.
        anomalies: where an anomaly is told that was not, or no longer; disjoint for each anomaly.
        settings: of the pace of an episode.
        combinations: how many each kind of observation has.
    """

    changes: tuple[ChangedRegion, ...]
    anomalies: tuple[ChangedRegion, ...]
    settings: tuple[Setting, ...]
    combinations: Mapping[str, int]

    @property
    def is_equal(self) -> bool:
        """Whether both answer alike, in the same words and at the same times."""
        return not (self.changes or self.anomalies or self.settings)


@attrs.frozen
class _Piece:
    """A box that changes, and the rules on both sides."""

    box: Box
    old_rule: str
    new_rule: str


_Change = tuple[str, tuple[Detail, ...]]


def compare(old: CompiledPolicy, new: CompiledPolicy) -> Comparison:
    """What differs between two policies that answer the same observations.

    Args:
        old: a proven policy.
        new: another, of the same upstream.
    """
    changes: list[ChangedRegion] = []
    anomalies: list[ChangedRegion] = []
    for kind, section in old.sections.items():
        changes += _changed_regions(old, section, new, new.sections[kind])
        anomalies += _changed_anomalies(section, new.sections[kind])
    return Comparison(
        changes=tuple(changes),
        anomalies=tuple(anomalies),
        settings=tuple(_settings(old.policy, new.policy)),
        combinations={kind: section.shape.space.size for kind, section in old.sections.items()},
    )


def _changed_regions(
    old: CompiledPolicy, before: CompiledSection, new: CompiledPolicy, after: CompiledSection
) -> Iterator[ChangedRegion]:
    space = before.shape.space
    pieces: dict[_Change, list[_Piece]] = {}
    every: dict[Answers, int] = {}
    for change, piece in _pieces(space, _answered(old, before, every), _answered(new, after, every), list(every)):
        pieces.setdefault(change, []).append(piece)
    for (facet, details), changed in sorted(pieces.items(), key=lambda one: _FACETS.index(one[0][0])):
        for box in merge(piece.box for piece in changed):
            inside = [piece for piece in changed if intersect(piece.box, box) is not None]
            yield ChangedRegion(
                kind=before.kind,
                facet=facet,
                where=space.where(box),
                box=box,
                combinations=size(box),
                details=details,
                old_rules=tuple(dict.fromkeys(piece.old_rule for piece in inside)),
                new_rules=tuple(dict.fromkeys(piece.new_rule for piece in inside)),
            )


_Answered = dict[tuple[Box, int], str]
"""The rule behind each box, and the number of what is answered there."""


def _answered(compiled: CompiledPolicy, section: CompiledSection, every: dict[Answers, int]) -> _Answered:
    """Every region; answers that are not known yet get the next number."""
    return {
        (region.box, every.setdefault(answers_of(compiled, section, region), len(every))): region.rule.name
        for region in section.regions
    }


def _pieces(space: Space, old: _Answered, new: _Answered, every: Sequence[Answers]) -> Iterator[tuple[_Change, _Piece]]:
    """Every box that changes. What both have as it is covers the same on either side, so it is left out."""
    left = [(box, answers, rule) for (box, answers), rule in old.items() if (box, answers) not in new]
    right = [(box, answers, rule) for (box, answers), rule in new.items() if (box, answers) not in old]
    known: dict[tuple[int, int], _Change] = {}
    for i, j in overlaps(space, [box for box, _, _ in left], [box for box, _, _ in right]):
        (was, before, old_rule), (now, after, new_rule) = left[i], right[j]
        shared = None if before == after else intersect(was, now)
        if shared is None:
            continue
        if (before, after) not in known:
            known[before, after] = _change(every[before], every[after])
        yield known[before, after], _Piece(shared, old_rule, new_rule)


# What is otherwise between two answers.

_FACETS: Final = ("answer", "limits", "evidence", "words")


def _change(old: Answers, new: Answers) -> _Change:
    """The weightiest facet, and the details: of an answer that is another, not its waits and words."""
    parts = list(zip(old.parts(), new.parts(), strict=True))
    alike = [(when, one, other) for (when, one), (_, other) in parts if _is_alike(one, other)]
    answers = tuple(_told(old, new))
    limits = tuple(_limits(old, new, alike))
    evidence = tuple(_detail("evidence", old.evidence.value, new.evidence.value))
    words = tuple(_words(alike))
    facets = zip(_FACETS, (answers, limits, evidence, words), strict=True)
    return next(name for name, found in facets if found), (*answers, *limits, *evidence, *words)


def _is_alike(old: Answer | None, new: Answer | None) -> bool:
    """Whether the same is answered: on the same waits, or on the schedule of the same name."""
    if old is None or new is None:
        return old is new
    return old.said == new.said and (old.said != "retry" or old.waits == new.waits or old.headline == new.headline)


def _told(old: Answers, new: Answers) -> Iterator[Detail]:
    """Each answer that is another: that within and past the limit together, then the others."""
    if not (_is_alike(old.within, new.within) and _is_alike(old.past, new.past)):
        yield Detail("answer", _in_words(old), _in_words(new))
    if not _is_alike(old.repaired, new.repaired):
        before, after = ("as before" if one is None else one.headline for one in (old.repaired, new.repaired))
        yield Detail("once repaired", before, after)
    if old.too_long is not None and new.too_long is not None and not _is_alike(old.too_long, new.too_long):
        yield Detail("after too long a Retry-After", old.too_long.headline, new.too_long.headline)


def _in_words(answers: Answers) -> str:
    past = "" if answers.past is None else f", then {answers.past.headline}"
    return f"{answers.within.headline}{past}"


_Alike = Sequence[tuple[str, Answer | None, Answer | None]]


def _limits(old: Answers, new: Answers, alike: _Alike) -> Iterator[Detail]:
    if _is_alike(old.past, new.past):
        yield from _bounds("", old.bounds, new.bounds)
    if _is_alike(old.repaired, new.repaired):
        yield from _bounds("once repaired: ", old.repaired_bounds, new.repaired_bounds)
    for when, one, another in _both(alike):
        for name in _WAITS:
            mine, theirs = getattr(one.waits, name, None), getattr(another.waits, name, None)
            yield from _detail(f"{when}{'' if one.waits is None else one.waits.schedule}: {name}", mine, theirs)
        yield from _detail(f"{when}look_again_s", one.look_again_s, another.look_again_s)


def _bounds(when: str, old: Bounds | None, new: Bounds | None) -> Iterator[Detail]:
    for name in _BOUNDS:
        yield from _detail(f"{when}{name}", getattr(old, name, None), getattr(new, name, None))


def _words(alike: _Alike) -> Iterator[Detail]:
    for when, one, another in _both(alike):
        yield from _detail(f"{when}because", one.because, another.because)
        for name in _STEPS:
            mine, theirs = getattr(one.next_steps, name), getattr(another.next_steps, name)
            yield from _detail(f"{when}next_steps.{name}", mine, theirs)


def _both(alike: _Alike) -> Iterator[tuple[str, Answer, Answer]]:
    """The answers of both at each time at which there are any."""
    for when, one, other in alike:
        if one is not None and other is not None:
            yield f"{when}: " if when else "", one, other


def _detail(what: str, old: str | float | None, new: str | float | None) -> Iterator[Detail]:
    if old != new:
        yield Detail(what, old, new)


# Anomalies, and the pace.


def _changed_anomalies(before: CompiledSection, after: CompiledSection) -> Iterator[ChangedRegion]:
    space = witnessed(before.shape)
    old, new = _by_name(before.anomalies), _by_name(after.anomalies)
    for name in dict.fromkeys((*old, *new)):
        was, now = old.get(name, []), new.get(name, [])
        for here, there, detail in ((was, now, Detail(name, name, None)), (now, was, Detail(name, None, name))):
            for box in merge(_without(here, there)):
                yield ChangedRegion(
                    kind=before.kind,
                    facet="anomaly",
                    where=space.where(box),
                    box=box,
                    combinations=size(box),
                    details=(detail,),
                )


def _by_name(anomalies: Iterable[tuple[str, Box]]) -> dict[str, list[Box]]:
    """The boxes of each anomaly, which may overlap."""
    found: dict[str, list[Box]] = {}
    for name, box in anomalies:
        found.setdefault(name, []).append(box)
    return found


def _without(boxes: Iterable[Box], others: Iterable[Box]) -> list[Box]:
    """What is in any of the first and in none of the others, in disjoint boxes."""
    disjoint: list[Box] = []
    for box in boxes:
        left = [box]
        for other in (*others, *disjoint):
            left = [piece for one in left for piece in subtract(one, other)]
        disjoint += left
    return disjoint


def _settings(old: Policy, new: Policy) -> Iterator[Setting]:
    for table, cls in (("episode", Cadence), ("fleet", Fleet)):
        for field in attrs.fields(cls):
            mine, theirs = (getattr(getattr(policy, table), field.name) for policy in (old, new))
            if mine != theirs:
                yield Setting(name=f"{table}.{field.name}", old=mine, new=theirs)
