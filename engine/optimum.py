"""Questions that are asked again with limits lifted or moved, and the best option that answers each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import polars as pl

from catalog_data.snapshot import Snapshot
from engine.candidates import Candidates, find_candidates
from engine.dag import best_choice, schedule
from engine.dag_bounds import tried_choices
from engine.instance import Instance, instance_of
from engine.plan import Option
from engine.plan_dag import solve_instance
from engine.plan_single import single_problem
from engine.problems.single import rank
from engine.solve import from_now, holding
from engine.spread import with_groups
from engine.status import NO_LIMIT, Status, TimeLimit
from engine.workload import Carbon, Task, Workload

NUMBER = "number"


@dataclass(frozen=True)
class Question:
    """What is to be planned: the deadline counts from the start, the observations hold, tasks are spread.

    `lifted` has by task the fields whose checks are not held (`Check.field`).
    """

    workload: Workload
    snapshot: Snapshot
    lifted: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, workload: Workload, snapshot: Snapshot, now: datetime) -> Question:
        """The question that planning the workload at an instant answers.

        Raises:
            InfeasibleError: the deadline has passed.
        """
        return cls(with_groups(from_now(workload, now)), holding(snapshot, now))

    def without_check(self, task: str, name: str) -> Question:
        """The question with the checks of one more field of a task lifted."""
        return replace(self, lifted={**self.lifted, task: self.lifted.get(task, frozenset()) | {name}})

    def with_task(self, task: Task) -> Question:
        """The question with this task in place of the one of its name."""
        tasks = tuple(task if each.name == task.name else each for each in self.workload.tasks)
        return replace(self, workload=replace(self.workload, tasks=tasks))

    def indifferent(self) -> Question:
        """The question without charges beyond cost and without an order of alternatives: the limits alone."""
        tasks = tuple(replace(task, ordered=False) for task in self.workload.tasks)
        carbon = Carbon(limit_kg=self.workload.carbon.limit_kg)
        plain = replace(self.workload, tasks=tasks, value_of_time_usd_h=0.0, carbon=carbon, preferences=())
        return replace(self, workload=plain)


@dataclass(frozen=True)
class Best:
    """The best option that was found (None: none), and what is proven of it.

    `order` has what plans are compared by, from the measure that matters most on; `taken` how much of each of the
    problem's limits the option takes, by the limit's name.
    """

    status: Status
    option: Option | None = None
    order: tuple[float, ...] = ()
    taken: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Solver:
    """Answers questions about one snapshot's offers; what candidates were found is kept for the next question.

    `only` has by task the candidates that it may use, as a frame of some columns of Candidates.frame; a task that it
    does not name may use all.
    """

    limit: TimeLimit = NO_LIMIT
    only: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    known: dict[str, Candidates] = field(default_factory=dict)

    def candidates(self, question: Question) -> list[Candidates]:
        """The candidates of each task; tasks that are alike share their frames."""
        return [self._candidates_of(task, question) for task in question.workload.tasks]

    def best(self, question: Question) -> Best:
        """The best option for a question."""
        return best_of(question, self.candidates(question), self.limit)

    def any_plan(self, question: Question) -> Best:
        """Some option for a question, and whether there is any."""
        return _any_of(question, self.candidates(question), self.limit)

    def _candidates_of(self, task: Task, question: Question) -> Candidates:
        workload, lifted = question.workload, question.lifted.get(task.name, frozenset())
        charged = workload.residency, workload.carbon.price_usd_t, workload.preferences, question.snapshot.quotas
        key = repr((_likeness(task), sorted(lifted), charged))
        if key not in self.known:
            self.known[key] = find_candidates(task, workload, question.snapshot, lifted)
        candidates = replace(self.known[key], task=task)
        allowed = self.only.get(task.name)
        if allowed is None:
            return candidates
        kept = candidates.frame.join(allowed, on=allowed.columns, how="semi", maintain_order="left")
        return replace(candidates, frame=kept)


def _likeness(task: Task) -> tuple[object, ...]:
    """All of a task that its candidates depend on."""
    return task.requirements, task.num_nodes, task.estimate, task.inputs, task.ordered


def best_of(question: Question, found: Sequence[Candidates], limit: TimeLimit = NO_LIMIT) -> Best:
    """The best option among candidates of the question's tasks."""
    if any(candidates.frame.is_empty() for candidates in found):
        return Best(Status.INFEASIBLE)
    instance = instance_of(question.workload, found, question.snapshot)
    if len(found) == 1:
        status, choice = _ranked(question.workload, found[0])
    else:
        instance, solution = solve_instance(instance, limit)
        status, choice = solution.status, solution.choice
    return _best(instance, status, choice) if choice else Best(status)


def _any_of(question: Question, found: Sequence[Candidates], limit: TimeLimit) -> Best:
    """An option that keeps the limits: one of those that are soon at hand if one of them does, else the best."""
    if len(found) == 1 or any(candidates.frame.is_empty() for candidates in found):
        return best_of(question, found, limit)
    instance = instance_of(question.workload, found, question.snapshot)
    choice = best_choice(instance.problem, tried_choices(instance.problem, limit))
    if choice is None or instance.short_of(choice):
        return best_of(question, found, limit)
    return _best(instance, Status.FEASIBLE, choice)


def _ranked(workload: Workload, candidates: Candidates) -> tuple[Status, tuple[int, ...]]:
    """The best candidate of a single task, as a choice."""
    numbered = replace(candidates, frame=candidates.frame.with_row_index(NUMBER))
    ranked = rank(single_problem(workload, numbered))
    return (Status.INFEASIBLE, ()) if ranked.is_empty() else (Status.OPTIMAL, (ranked[NUMBER][0],))


def _best(instance: Instance, status: Status, choice: tuple[int, ...]) -> Best:
    plan = schedule(instance.problem, choice)
    return Best(
        status,
        instance.option(choice),
        tuple(plan.figure(measure) for measure in instance.problem.order),
        {limit.name: taken for limit, taken in zip(instance.problem.limits, plan.taken, strict=True)},
    )
