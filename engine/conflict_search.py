"""The smallest set of limits that cannot be kept together, by asking which sets can.

Limits are numbers from 0 on. A set conflicts where no plan keeps all of it; a set that holds one that conflicts does so
too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Limits = frozenset[int]
Conflicts = Callable[[Limits], bool]


@dataclass(frozen=True)
class Found:
    """A set that conflicts; `smallest` where no smaller set conflicts at all, else the search was ended before."""

    limits: Limits
    smallest: bool


def smallest_conflict(number: int, conflicts: Conflicts, goes_on: Callable[[], bool] = lambda: True) -> Found | None:
    """A smallest of the sets of `number` limits that conflict; None where all of them can be kept.

    By Ignatiev, Previti, Liffiton and Marques-Silva, "Smallest MUS Extraction with Minimal Hitting Set Dualization" (CP
    2015): what conflicts holds one limit at least of each set without which the others can be kept. So the smallest set
    that hits all such sets as are known either conflicts, and is a smallest that does, or grows to another one of them.
    An irreducible set that is found before says when to stop, and is the answer where `goes_on` ends the search.
    """
    everything = frozenset(range(number))
    if not conflicts(everything):
        return None
    at_hand = irreducible(sorted(everything), conflicts)
    if len(at_hand) <= 1:
        return Found(at_hand, smallest=goes_on())
    to_hit: list[Limits] = []
    while goes_on():
        hitting = smallest_hitting_set(to_hit, below=len(at_hand))
        if hitting is None:
            return Found(at_hand, smallest=True)
        if conflicts(hitting):
            return Found(hitting, smallest=True)
        to_hit.append(everything - _grown(hitting, sorted(everything - hitting), conflicts))
    return Found(at_hand, smallest=False)


def irreducible(limits: Sequence[int], conflicts: Conflicts) -> Limits:
    """A part of what conflicts that conflicts, and of which none can be spared (Junker, "QuickXplain", AAAI 2004)."""
    return frozenset() if conflicts(frozenset()) else _needed(frozenset(), list(limits), conflicts, asked=True)


def _needed(kept: Limits, limits: Sequence[int], conflicts: Conflicts, *, asked: bool) -> Limits:
    """Which of the limits a conflict needs beside those kept; `asked` where these are known not to conflict."""
    if not asked and conflicts(kept):
        return frozenset()
    if len(limits) == 1:
        return frozenset(limits)
    half = len(limits) // 2
    first, second = limits[:half], limits[half:]
    of_second = _needed(kept.union(first), second, conflicts, asked=False)
    return of_second | _needed(kept | of_second, first, conflicts, asked=not of_second)


def _grown(limits: Limits, more: Sequence[int], conflicts: Conflicts) -> Limits:
    """The limits and as many more as can be kept with them, by halves."""
    if not more or not conflicts(limits.union(more)):
        return limits.union(more)
    if len(more) == 1:
        return limits
    half = len(more) // 2
    return _grown(_grown(limits, more[:half], conflicts), more[half:], conflicts)


def smallest_hitting_set(sets: Sequence[Limits], below: int) -> Limits | None:
    """A smallest set that has an element of each of the sets, of fewer than `below` elements; None where none has."""
    return next((found for size in range(below) for found in _hitting(sets, frozenset(), size)), None)


def _hitting(sets: Sequence[Limits], chosen: Limits, more: int) -> Iterator[Limits]:
    """The sets that have an element of each, of those chosen and up to `more` others."""
    missed = next((each for each in sets if not each & chosen), None)
    if missed is None:
        yield chosen
    elif more:
        for element in sorted(missed):
            yield from _hitting(sets, chosen | {element}, more - 1)
