"""Which limits bind a plan, and what one unit more of each is worth: by planning again with the limit moved.

The duals of a linear relaxation would be quicker and wrong: plans are made of whole choices, so that what another unit
brings comes in jumps, and is often nothing until there are enough of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from engine.optimum import Best, Question, Solver
from engine.status import Status
from engine.user_limits import Figure, UserLimit, figure_limits


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What the best plan comes to when a limit is moved, less what it comes to now: below 0 is saved.

    `proven`: the new plan is proven best, so that no more could be saved.
    """

    cost_usd: float
    hours: float
    charge_usd: float
    proven: bool


@dataclass(frozen=True, kw_only=True)
class Worth:
    """A limit of the workload: what it allows, what the plan takes of it, and what more of it would bring.

    `taken` is None where no plan could take more than is allowed. `binds`: without the limit there is a better plan;
    None where the time ran out. `moved_to` is the limit one sensible unit looser (said in `moved_text`), `with_more`
    what that brings and `without` what no limit at all would; both None where nothing better is found.
    """

    limit: str
    text: str
    allowed: float
    taken: float | None
    binds: bool | None
    moved_to: float
    moved_text: str
    with_more: Gain | None
    without: Gain | None


def worth_of_limits(question: Question, solver: Solver) -> tuple[Best, tuple[Worth, ...]]:
    """The best plan for a question, and of each of its limits what more of it is worth."""
    best = solver.best(question)
    limits = figure_limits(question) if best.option is not None else []
    return best, tuple(_worths(question, best, limits, solver))


def _worths(question: Question, best: Best, limits: Sequence[UserLimit], solver: Solver) -> Iterator[Worth]:
    for limit in limits:
        if limit.figure is not None:
            yield _worth(question, best, limit, limit.figure, solver)


def _worth(question: Question, best: Best, limit: UserLimit, figure: Figure, solver: Solver) -> Worth:
    free = solver.best(limit.lifted(question))
    without = _gain(best, free)
    with_more = None if without is None else _gain(best, solver.best(figure.moved(question, figure.loosened)))
    return Worth(
        limit=limit.name,
        text=limit.text,
        allowed=figure.value,
        taken=figure.taken(best),
        binds=True if without is not None else False if free.status is Status.OPTIMAL else None,
        moved_to=figure.loosened,
        moved_text=figure.shown(figure.loosened),
        with_more=with_more,
        without=without,
    )


def _gain(best: Best, other: Best) -> Gain | None:
    """What another plan brings; None where it is not better."""
    if best.option is None or other.option is None or not _is_better(other, best):
        return None
    return Gain(
        cost_usd=other.option.cost_usd - best.option.cost_usd,
        hours=other.option.hours - best.option.hours,
        charge_usd=other.option.charge_usd - best.option.charge_usd,
        proven=other.status is Status.OPTIMAL,
    )


SAME: Final = 1e-6
"""How far two figures may lie apart, relative to them, and count as equal: what a solver leaves between equals."""


def _is_better(one: Best, other: Best) -> bool:
    """Whether a plan comes before another one, by the first measure in which they differ."""
    for figure, than in zip(one.order, other.order, strict=True):
        if abs(figure - than) > SAME * max(1.0, abs(than)):
            return figure < than
    return False
