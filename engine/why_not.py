"""Why a plan does not use an offer: the check that it fails, what it would cost more, or the limit that forbids it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl

from catalog_data.normalise import accelerator_name, nearest_name
from catalog_data.schema import Purchase
from engine.candidates import Candidates, find_candidates
from engine.conflicts import Asked
from engine.explain import Kind, billed_kinds
from engine.infeasible import Conflict, NoPlanInTimeError
from engine.optimum import Best, Question, Solver
from engine.plan import Option, Placement
from engine.requirements import TOLERANCE, Check, checks_of, quota_checks, with_defaults
from engine.workload import Task
from engine.worth import SAME

SHOWN: Final = 8
_KEY: Final = ("cloud", "region", "instance_type", "purchase", "price_usd_h")
_KIND: Final = ("cloud", "region", "instance_type", "purchase")
_COLUMNS: Final = ("cloud", "region", "zone", "instance_type", "purchase", "accelerator")


class UnknownOfferError(ValueError):
    """No offer is meant by the words; `hint` names one that may be."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, kw_only=True)
class Failed:
    """So many of the offers fail this check first; `wanted` is what the task asks for instead."""

    reason: str
    wanted: str
    offers: int


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What the plan with the offer costs more than the best one (below 0: less), and why."""

    reason: str
    usd: float


@dataclass(frozen=True, kw_only=True)
class Forced:
    """The best plan that uses one of the offers, against the best of all."""

    cloud: str
    region: str
    instance_type: str
    purchase: str
    cost_usd: float
    hours: float
    more_usd: float
    more_h: float
    more_charge_usd: float
    differences: tuple[Difference, ...]
    moved: tuple[str, ...]
    """The other tasks that would be placed elsewhere."""
    is_best: bool
    """Whether it is as good as the best plan by all that plans are compared by."""


@dataclass(frozen=True, kw_only=True)
class WhyNot:
    """The answer for one task: so many `offers` match, of so many `kinds`, the first of which are `matched`.

    Those that `failed` are no candidates. Of the others either the best plan with one of them is `forced`, or
    `conflicts` say which limits forbid it.
    """

    schema_version: int
    task: str
    offers: int
    kinds: int
    matched: tuple[str, ...]
    failed: tuple[Failed, ...]
    forced: Forced | None
    conflicts: tuple[Conflict, ...]


def why_not(words: str, task_name: str, question: Question, solver: Solver) -> WhyNot:
    """Why the best plan for a question does not run a task on the offers that the words mean.

    Raises:
        UnknownOfferError: there is no such offer.
        NoPlanInTimeError: the time was out before the best plan was found.
    """
    task = next(task for task in question.workload.tasks if task.name == task_name)
    meant = question.snapshot.offers.filter(offers_meant(words, question.snapshot.offers))
    if meant.is_empty():
        raise _no_offer(words, question.snapshot.offers)
    kinds = meant.select(*_KIND).unique().sort(_KIND)
    among = [_among(task, offers, question) for offers in _by_accelerator(task, meant)]
    forced, conflicts = _forced(task, pl.concat(each.frame.select(_KEY) for each in among), question, solver)
    return WhyNot(
        schema_version=1,
        task=task.name,
        offers=meant.height,
        kinds=kinds.height,
        matched=tuple(_kind_text(row) for row in kinds.head(SHOWN).iter_rows(named=True)),
        failed=tuple(_failed([each.fell_out for each in among], task, question)),
        forced=forced,
        conflicts=conflicts,
    )


def offers_meant(words: str, offers: pl.DataFrame) -> pl.Expr:
    """Whether an offer is meant: each word is its cloud, region, zone, instance type, purchase or accelerator.

    Words stand in any order and case; `aws/us-east-1` are two, `H100:8` says how many, and `on-demand` is `on_demand`.

    Raises:
        UnknownOfferError: a word is nothing of any offer.
    """
    names = {column: offers[column].drop_nulls().unique().to_list() for column in _COLUMNS}
    return pl.all_horizontal([_meant(word, names) for word in _split(words)])


def _split(words: str) -> list[str]:
    found = [part for word in words.replace(",", " ").split() for part in word.split("/") if part]
    if not found:
        raise UnknownOfferError("no offer is named", "say for example `aws p5.48xlarge us-east-1 spot`")
    return found


def _meant(word: str, names: Mapping[str, Sequence[str]]) -> pl.Expr:
    """What an offer has that the word means."""
    folded = word.casefold()
    is_any = [
        pl.col(column).is_in([name for name in known if name.casefold() == folded])
        for column, known in names.items()
        if any(name.casefold() == folded for name in known)
    ]
    bought = folded.replace("-", "_")
    if bought in set(Purchase):
        is_any.append(pl.col("purchase") == bought)
    if (accelerated := _accelerated(word)) is not None:
        is_any.append(accelerated)
    if not is_any:
        near = nearest_name(word, [*Purchase, *(name for known in names.values() for name in known)])
        raise UnknownOfferError(f"no offer has anything called {word}", f"did you mean {near}?" if near else "")
    return pl.any_horizontal([condition.fill_null(value=False) for condition in is_any])


def _accelerated(word: str) -> pl.Expr | None:
    """Whether an offer has the accelerator (`H100`, `H100:8`) that the word names, if it names one."""
    model, _, count = word.partition(":")
    try:
        has_it = pl.col("accelerator") == accelerator_name(model)
        return has_it & ((pl.col("accelerator_count") - float(count)).abs() < TOLERANCE) if count else has_it
    except ValueError:
        return None


def _no_offer(words: str, offers: pl.DataFrame) -> UnknownOfferError:
    """What there is of all words but one."""
    split = _split(words)
    for number, word in reversed(list(enumerate(split))):
        rest = [*split[:number], *split[number + 1 :]]
        found = offers.filter(offers_meant(" ".join(rest), offers)) if rest else offers.clear()
        if not found.is_empty():
            kinds = found.select(*_KIND).unique().sort(_KIND).head(SHOWN)
            named = "; ".join(_kind_text(row) for row in kinds.iter_rows(named=True))
            return UnknownOfferError(f"no offer is all of {', '.join(split)}", f"without {word} there is: {named}")
    return UnknownOfferError(f"no offer is all of {', '.join(split)}")


def _kind_text(row: Mapping[str, Any]) -> str:
    return "{cloud}/{region} {instance_type} ({purchase})".format_map(row)


def _by_accelerator(task: Task, offers: pl.DataFrame) -> list[pl.DataFrame]:
    """The offers with an accelerator that the task names, and the others: only among themselves is each judged."""
    requests = [requirement.accelerator for requirement in task.requirements]
    named = pl.col("accelerator").is_in([request.name for request in requests if request]).fill_null(value=False)
    return [part for part in (offers.filter(named), offers.filter(~named)) if not part.is_empty()]


def _among(task: Task, offers: pl.DataFrame, question: Question) -> Candidates:
    """The candidates among some offers."""
    return find_candidates(task, question.workload, replace(question.snapshot, offers=offers))


def _failed(fell_out: Sequence[Mapping[str, int]], task: Task, question: Question) -> Iterator[Failed]:
    """How many offers fail which check first, and what the task asks for there."""
    wanted: dict[str, dict[str, None]] = {}
    for check in _checks(task, question):
        wanted.setdefault(check.fell_out, {})[check.wanted] = None
    for reason, offers in sum(map(Counter, fell_out), Counter[str]()).items():
        texts = " or ".join(text for text in wanted.get(reason, {}) if text)
        yield Failed(reason=reason, wanted=texts, offers=offers)


def _checks(task: Task, question: Question) -> Iterator[Check]:
    quotas = quota_checks(question.snapshot.quotas, question.snapshot.offers, task.num_nodes)
    for requirement in task.requirements:
        full, _ = with_defaults(requirement)
        yield from checks_of(full, question.workload.residency, task.num_nodes, quotas)


def _forced(
    task: Task, candidates: pl.DataFrame, question: Question, solver: Solver
) -> tuple[Forced | None, tuple[Conflict, ...]]:
    """The best plan in which the task runs on one of these candidates, or the limits that forbid it; else nothing."""
    if candidates.is_empty():
        return None, ()
    best = solver.best(question)
    if best.option is None:
        raise NoPlanInTimeError("the best plan was not found in time")
    bound = replace(solver, only={task.name: candidates})
    forced = bound.best(question)
    if forced.option is None:
        return None, Asked(question, bound).conflicts()
    return _compared(task, question, (best, best.option), (forced, forced.option)), ()


def _compared(task: Task, question: Question, first: tuple[Best, Option], second: tuple[Best, Option]) -> Forced:
    (best, one), (forced, other) = first, second
    placement = next(each for each in other.placements if each.task == task.name)
    before = {each.task: _where(each) for each in one.placements}
    return Forced(
        cloud=placement.cloud,
        region=placement.region,
        instance_type=placement.instance_type,
        purchase=placement.purchase,
        cost_usd=other.cost_usd,
        hours=other.hours,
        more_usd=other.cost_usd - one.cost_usd,
        more_h=other.hours - one.hours,
        more_charge_usd=other.charge_usd - one.charge_usd,
        differences=tuple(_differences(one, other, question)),
        moved=tuple(
            f"{each.task} to {_where(each)}"
            for each in other.placements
            if each.task != task.name and _where(each) != before[each.task]
        ),
        is_best=all(
            math.isclose(a, b, rel_tol=SAME, abs_tol=SAME) for a, b in zip(best.order, forced.order, strict=True)
        ),
    )


def _where(placement: Placement) -> str:
    return f"{placement.cloud}/{placement.region} {placement.instance_type} ({placement.purchase})"


def _differences(one: Option, other: Option, question: Question) -> Iterator[Difference]:
    """Why the cost differs, the largest first; the reasons add up to the whole difference.

    Price and time are told apart as usual: the other price at the hours of the first plan, the other hours at the
    other price.
    """
    found: dict[str, float] = defaultdict(float)
    tasks = {task.name: task for task in question.workload.tasks}
    for was, now in zip(one.placements, other.placements, strict=True):
        was_usd_h, now_usd_h = (each.num_nodes * each.price_usd_h for each in (was, now))
        found["price an hour"] += (now_usd_h - was_usd_h) * was.billed_h
        kinds = zip(billed_kinds(was, tasks[was.task]), billed_kinds(now, tasks[was.task]), strict=True)
        for (kind, was_h), (_, now_h) in kinds:
            found[kind] += now_usd_h * (now_h - was_h)
        found[Kind.DISKS] += (now.disk_usd or 0.0) - (was.disk_usd or 0.0)
        found[Kind.INPUTS] += now.input_usd - was.input_usd
    for before, after in zip(one.transfers, other.transfers, strict=True):
        found[Kind.EGRESS] += after.egress_usd - before.egress_usd
    ranked = sorted(found.items(), key=lambda item: -abs(item[1]))
    yield from (Difference(reason=str(reason), usd=usd) for reason, usd in ranked if abs(usd) > SAME)
