"""Why there is no plan, in the words of the workload."""

from __future__ import annotations

from collections.abc import Sequence

from engine.candidates import Candidates, Unmet
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
    deadline.
    """
    reasons = []
    if deadline_h is not None and fastest_h > raised(deadline_h):
        asked, least = _apart(deadline_h, fastest_h)
        reasons.append(f"deadline {asked} h: no plan takes less than {least} h")
    if budget_usd is not None and cheapest_usd > raised(budget_usd):
        reasons.append(f"budget {_usd(budget_usd)}: no plan costs less than {_usd(cheapest_usd)}")
    if not reasons and deadline_h is not None and budget_usd is not None:
        reasons.append(
            f"deadline {plain(deadline_h)} h and budget {_usd(budget_usd)} conflict:"
            f" within the deadline no plan costs less than {_usd(cheapest_in_time_usd)}"
        )
    return tuple(reasons) or ("no plan keeps the limits",)


def _apart(one: float, other: float) -> tuple[str, str]:
    """Two different figures with as many digits as it takes to tell them apart."""
    texts = ((plain(one, digits), plain(other, digits)) for digits in range(4, 18))
    return next(pair for pair in texts if pair[0] != pair[1])


def _usd(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 1 else f"${plain(amount)}"
