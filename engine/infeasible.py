"""Why there is no plan, in the words of the workload."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.candidates import Candidates
from engine.matching import Unmet
from engine.requirements import CAPACITY_NOW, NO_CAPACITY, plain
from engine.status import raised


class InfeasibleError(Exception):
    """No plan satisfies the workload; `reasons` name the requirements or limits, one line each."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


class NoPlanInTimeError(Exception):
    """The time limit was hit before any plan was found."""


def require_candidates(found: Sequence[Candidates]) -> None:
    """Every task has at least one candidate.

    Raises:
        InfeasibleError: for each requirement of each task without one, what no offer has.
    """
    reasons = [_unmet_line(candidates, unmet) for candidates in found for unmet in candidates.unmet]
    if reasons:
        raise InfeasibleError([*reasons, *waiting_lines(found)])


def waiting_lines(found: Sequence[Candidates]) -> list[str]:
    """How many offers each task lost to want of capacity alone, where no other line says so: waiting may help."""
    return [
        f"{candidates.task.name}: {number:,} more offer{'s' if number > 1 else ''} had no capacity when last looked;"
        " waiting may help"
        for candidates in found
        if (number := candidates.fell_out.get(NO_CAPACITY))
        and all(unmet.wanted != CAPACITY_NOW for unmet in candidates.unmet)
    ]


def _unmet_line(candidates: Candidates, unmet: Unmet) -> str:
    task = candidates.task
    number = unmet.requirement
    which = "" if number is None or len(task.requirements) == 1 else f" (alternative {number + 1})"
    line = f"{task.name}{which}: no offer has {unmet.wanted}"
    if not unmet.offers:
        return line
    one = unmet.offers == 1
    come = "1 offer comes" if one else f"{unmet.offers:,} offers come"
    they = {"have": "it has", "are": "it is"}[unmet.seen_as] if one else f"they {unmet.seen_as}"
    seen = f"; {they} {', '.join(unmet.seen)}" if unmet.seen else ""
    return f"{line} ({come} this far{seen})"


def limits_lines(
    deadline_h: float | None,
    budget_usd: float | None,
    *,
    fastest_h: float,
    cheapest_usd: float,
    cheapest_in_time_usd: float,
) -> tuple[str, ...]:
    """Which of the user's limits no plan keeps.

    `fastest_h` and `cheapest_usd` are what any plan comes to at least, `cheapest_in_time_usd` one that keeps the
    deadline; infinite where other limits leave no plan at all.
    """
    reasons = []
    if deadline_h is not None and raised(deadline_h) < fastest_h < math.inf:
        asked, least = _apart(deadline_h, fastest_h)
        reasons.append(f"deadline {asked} h: no plan takes less than {least} h")
    if budget_usd is not None and raised(budget_usd) < cheapest_usd < math.inf:
        reasons.append(f"budget {_usd(budget_usd)}: no plan costs less than {_usd(cheapest_usd)}")
    if not reasons and deadline_h is not None and budget_usd is not None:
        conflict = (
            f"deadline {plain(deadline_h)} h and budget {_usd(budget_usd)} conflict:"
            f" within the deadline no plan costs less than {_usd(cheapest_in_time_usd)}"
        )
        reasons += [conflict] if raised(budget_usd) < cheapest_in_time_usd < math.inf else []
    return tuple(reasons) or ("no plan keeps the limits",)


def _apart(one: float, other: float) -> tuple[str, str]:
    """Two different figures with as many digits as it takes to tell them apart."""
    texts = ((plain(one, digits), plain(other, digits)) for digits in range(4, 18))
    return next(pair for pair in texts if pair[0] != pair[1])


def _usd(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 1 else f"${plain(amount)}"


@dataclass(frozen=True, kw_only=True)
class Change:
    """What would have to change of a limit (its name) for a plan to be found while all others stay.

    `text` says it, and `value` is the figure where it is one; None where no value of it would do. `exact`: a figure a
    little tighter would not do.
    """

    limit: str
    text: str | None
    value: float | None = None
    exact: bool = True


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """Limits that no plan keeps together, and what would have to change of one of them.

    `smallest` where no fewer limits conflict; otherwise the time ran out, and some of these may be spared. Where there
    are several conflicts, a change is one that would do if the limits of all others were lifted.
    """

    limits: tuple[str, ...]
    changes: tuple[Change, ...]
    smallest: bool


def conflict_lines(conflicts: Sequence[Conflict]) -> Iterator[str]:
    """The conflicts as lines of text."""
    for conflict in conflicts:
        no_fewer = "" if conflict.smallest else " (there may be fewer: the time ran out)"
        yield f"conflict: {' + '.join(conflict.limits)}{no_fewer}"
        texts = [change.text for change in conflict.changes if change.text is not None]
        yield from (f"would work: {text}" for text in texts)
        if not texts:
            yield "would work: no change of one of them alone"
    if len(conflicts) > 1:
        yield f"each of these {len(conflicts)} conflicts must be resolved"
