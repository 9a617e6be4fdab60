"""Any DAG of tasks: one candidate a task, paying for the data that moves between places.

The model grows with places, not with pairs of candidates: a task's choice is linked to its place, and each
edge carries one unit of flow from the place of its source to the place of its target (a transportation
polytope, so that the relaxation is tight on every single edge).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.ilp import Model, Sense, Solved, Terms, Variable
from engine.status import Status
from engine.workload import Objective

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

CHOICE_THRESHOLD: Final = 0.5


@dataclass(frozen=True)
class TaskOptions:
    """The candidates of one task, as arrays of one length.

    `cost_usd`, `hours` (the run) and `ready_h` (when its inputs have arrived) are per candidate; `place` is
    its place's number.
    """

    name: str
    cost_usd: Floats
    hours: Floats
    ready_h: Floats
    place: Integers


@dataclass(frozen=True)
class EdgeOptions:
    """Data that `target` needs of `source` (numbers of tasks).

    `egress_usd` and `transfer_h` are matrices (place of the source x place of the target).
    """

    source: int
    target: int
    egress_usd: Floats
    transfer_h: Floats


@dataclass(frozen=True)
class DagProblem:
    """Choose a candidate for each task; tasks stand in topological order."""

    tasks: tuple[TaskOptions, ...]
    edges: tuple[EdgeOptions, ...]
    objective: Objective
    deadline_h: float | None = None
    budget_usd: float | None = None


@dataclass(frozen=True)
class DagSolution:
    """`choice` is a candidate's number for each task; `objective`, `bound` in $ or h. Without a choice, see `status`."""

    status: Status
    choice: tuple[int, ...]
    objective: float
    bound: float
    gap: float


@dataclass(frozen=True)
class Schedule:
    """What a choice comes to: `start_h` and `transfer_h` follow the problem's tasks and edges."""

    start_h: tuple[float, ...]
    cost_usd: float
    makespan_h: float


@dataclass(frozen=True)
class _Variables:
    chosen: tuple[tuple[Variable, ...], ...]
    flow: tuple[dict[tuple[int, int], Variable], ...]
    start: tuple[Variable, ...]
    makespan: Variable


def solve(problem: DagProblem, time_limit_s: float | None = None) -> DagSolution:
    """The best choice: by the objective, then by the other one among its optima."""
    pruned, kept = prune(problem)
    model, variables = build(pruned)
    cost, time = _cost_terms(pruned, variables), {variables.makespan: 1.0}
    order: list[Terms] = [cost, time] if problem.objective is Objective.COST else [time, cost]
    solved = model.solve_in_order(order, time_limit_s)
    first, last = solved[0], solved[-1]
    if not last.values:
        return DagSolution(first.status, (), first.objective, first.bound, first.gap)
    choice = tuple(int(kept[task][number]) for task, number in enumerate(_chosen(variables, last)))
    return DagSolution(first.status, choice, first.objective, first.bound, first.gap)


def schedule(problem: DagProblem, choice: Sequence[int]) -> Schedule:
    """Cost and times of a choice, computed without the model."""
    places = [int(task.place[number]) for task, number in zip(problem.tasks, choice, strict=True)]
    cost = sum(float(task.cost_usd[number]) for task, number in zip(problem.tasks, choice, strict=True))
    start = [float(task.ready_h[number]) for task, number in zip(problem.tasks, choice, strict=True)]
    run = [float(task.hours[number]) for task, number in zip(problem.tasks, choice, strict=True)]
    for edge in sorted(problem.edges, key=lambda edge: edge.target):
        pair = places[edge.source], places[edge.target]
        cost += float(edge.egress_usd[pair])
        arrives = start[edge.source] + run[edge.source] + float(edge.transfer_h[pair])
        start[edge.target] = max(start[edge.target], arrives)
    return Schedule(tuple(start), cost, max(s + r for s, r in zip(start, run, strict=True)))


def prune(problem: DagProblem) -> tuple[DagProblem, list[Integers]]:
    """The problem without candidates that another one always replaces at no loss, and the numbers kept.

    Candidate b falls to a if, whatever the other tasks choose, a is no dearer and no slower:
    cost(a) + sum over edges of the most that a's place can cost more than b's <= cost(b), and likewise its run
    time, its inputs' arrival and its transfers. Swapping b for a in any plan then keeps every limit and does
    not worsen either objective; of equals the first stays.
    """
    kept = [_undominated(problem, number) for number in range(len(problem.tasks))]
    tasks = tuple(_take(task, numbers) for task, numbers in zip(problem.tasks, kept, strict=True))
    return replace(problem, tasks=tasks), kept


def _take(task: TaskOptions, numbers: Integers) -> TaskOptions:
    return replace(
        task,
        cost_usd=task.cost_usd[numbers],
        hours=task.hours[numbers],
        ready_h=task.ready_h[numbers],
        place=task.place[numbers],
    )


def _undominated(problem: DagProblem, number: int) -> Integers:
    """The numbers of the candidates of a task that no other one dominates, ascending.

    Only a few strong candidates (the cheapest and the fastest of all, and the best of each place) are tried
    as dominators: that finds nearly all that falls at a fraction of the cost of all pairs.
    """
    task = problem.tasks[number]
    more_usd, more_h = _worst_differences(problem, number)
    order = np.lexsort((np.arange(task.place.size), task.ready_h + task.hours, task.cost_usd))
    alive = np.ones(task.place.size, dtype=bool)
    for a in _dominators(task, order):
        if not alive[a]:
            continue
        extra_usd, extra_h = more_usd[task.place[a], task.place], more_h[task.place[a], task.place]
        falls = (
            (task.cost_usd[a] + extra_usd <= task.cost_usd)
            & (task.hours[a] + extra_h <= task.hours)
            & (task.ready_h[a] <= task.ready_h)
        )
        falls[a] = False
        alive &= ~falls
    return np.flatnonzero(alive)


def _dominators(task: TaskOptions, order: Integers) -> Iterator[int]:
    """Candidates in the order given that are the first of their place or faster than all before in it."""
    fastest: dict[int, float] = {}
    for number in order:
        where, finish = int(task.place[number]), float(task.ready_h[number] + task.hours[number])
        if finish < fastest.get(where, np.inf):
            fastest[where] = finish
            yield int(number)


def _worst_differences(problem: DagProblem, number: int) -> tuple[Floats, Floats]:
    """For places (a, b): the most that being in a rather than in b adds to the task's edges, in $ and in h."""
    places = 1 + max(int(task.place.max(initial=0)) for task in problem.tasks)
    usd, hours = np.zeros((places, places)), np.zeros((places, places))
    for edge in problem.edges:
        if number not in {edge.source, edge.target}:
            continue
        other = problem.tasks[edge.target if number == edge.source else edge.source]
        there = np.unique(other.place)
        if number == edge.source:
            egress, transfer = edge.egress_usd[:places, there], edge.transfer_h[:places, there]
        else:
            egress, transfer = edge.egress_usd[there, :places].T, edge.transfer_h[there, :places].T
        usd += (egress[:, None, :] - egress[None, :, :]).max(axis=2)
        hours += np.maximum((transfer[:, None, :] - transfer[None, :, :]).max(axis=2), 0.0)
    return usd, hours


def build(problem: DagProblem) -> tuple[Model, _Variables]:
    """The model, one function for each family of constraints."""
    model = Model("dag")
    variables = _Variables(
        chosen=tuple(
            tuple(model.binary(f"choose[{task.name},{number}]") for number in range(task.place.size))
            for task in problem.tasks
        ),
        flow=tuple(_flow_variables(model, problem, edge) for edge in problem.edges),
        start=tuple(model.continuous(f"start[{task.name}]") for task in problem.tasks),
        makespan=model.continuous("makespan"),
    )
    add_one_candidate_a_task(model, problem, variables)
    add_flow_leaves_source(model, problem, variables)
    add_flow_reaches_target(model, problem, variables)
    add_inputs_arrive(model, problem, variables)
    add_precedence(model, problem, variables)
    add_makespan(model, problem, variables)
    add_deadline(model, problem, variables)
    add_budget(model, problem, variables)
    return model, variables


def _flow_variables(model: Model, problem: DagProblem, edge: EdgeOptions) -> dict[tuple[int, int], Variable]:
    source, target = problem.tasks[edge.source], problem.tasks[edge.target]
    return {
        (int(a), int(b)): model.continuous(f"flow[{source.name},{target.name},{a},{b}]", high=1.0)
        for a in np.unique(source.place)
        for b in np.unique(target.place)
    }


def add_one_candidate_a_task(model: Model, problem: DagProblem, variables: _Variables) -> None:
    """sum_c choose[t,c] = 1: every task runs on exactly one candidate."""
    for task, chosen in zip(problem.tasks, variables.chosen, strict=True):
        model.constrain(f"one_candidate[{task.name}]", dict.fromkeys(chosen, 1.0), Sense.EQUAL, 1.0)


def add_flow_leaves_source(model: Model, problem: DagProblem, variables: _Variables) -> None:
    """sum_b flow[e,a,b] = sum_{c in a} choose[source,c]: an edge's data leaves the place of its source."""
    for edge, flow in zip(problem.edges, variables.flow, strict=True):
        _add_flow_ends(model, problem, variables, edge, flow, end=0)


def add_flow_reaches_target(model: Model, problem: DagProblem, variables: _Variables) -> None:
    """sum_a flow[e,a,b] = sum_{c in b} choose[target,c]: an edge's data reaches the place of its target."""
    for edge, flow in zip(problem.edges, variables.flow, strict=True):
        _add_flow_ends(model, problem, variables, edge, flow, end=1)


def _add_flow_ends(
    model: Model,
    problem: DagProblem,
    variables: _Variables,
    edge: EdgeOptions,
    flow: dict[tuple[int, int], Variable],
    end: int,
) -> None:
    task = (edge.source, edge.target)[end]
    names = problem.tasks[edge.source].name, problem.tasks[edge.target].name
    row = ("flow_leaves", "flow_reaches")[end]
    for where in np.unique(problem.tasks[task].place):
        terms: dict[Variable, float] = {variable: 1.0 for pair, variable in flow.items() if pair[end] == where}
        for number in np.flatnonzero(problem.tasks[task].place == where):
            terms[variables.chosen[task][number]] = -1.0
        model.constrain(f"{row}[{names[0]},{names[1]},{where}]", terms, Sense.EQUAL, 0.0)


def add_inputs_arrive(model: Model, problem: DagProblem, variables: _Variables) -> None:
    """start[t] >= sum_c ready_h[t,c] choose[t,c]: a task waits for its own inputs."""
    for task, chosen, start in zip(problem.tasks, variables.chosen, variables.start, strict=True):
        if task.ready_h.any():
            terms = {start: 1.0} | {variable: -float(task.ready_h[c]) for c, variable in enumerate(chosen)}
            model.constrain(f"inputs_arrive[{task.name}]", terms, Sense.AT_LEAST, 0.0)


def _run_terms(problem: DagProblem, variables: _Variables, task: int, sign: float) -> dict[Variable, float]:
    hours = problem.tasks[task].hours
    return {variable: sign * float(hours[c]) for c, variable in enumerate(variables.chosen[task])}


def add_precedence(model: Model, problem: DagProblem, variables: _Variables) -> None:
    """start[v] >= start[u] + hours[u] + sum_ab transfer_h[e,a,b] flow[e,a,b] for each edge e = (u, v)."""
    for edge, flow in zip(problem.edges, variables.flow, strict=True):
        terms = {variables.start[edge.target]: 1.0, variables.start[edge.source]: -1.0}
        terms |= _run_terms(problem, variables, edge.source, -1.0)
        terms |= {variable: -float(edge.transfer_h[pair]) for pair, variable in flow.items()}
        names = problem.tasks[edge.source].name, problem.tasks[edge.target].name
        model.constrain(f"precedence[{names[0]},{names[1]}]", terms, Sense.AT_LEAST, 0.0)


def add_makespan(model: Model, problem: DagProblem, variables: _Variables) -> None:
    """makespan >= start[t] + hours[t]: the plan ends when its last task does."""
    for number, task in enumerate(problem.tasks):
        terms = {variables.makespan: 1.0, variables.start[number]: -1.0}
        terms |= _run_terms(problem, variables, number, -1.0)
        model.constrain(f"makespan[{task.name}]", terms, Sense.AT_LEAST, 0.0)


def add_deadline(model: Model, problem: DagProblem, variables: _Variables) -> None:
    """makespan <= deadline_h."""
    if problem.deadline_h is not None:
        model.constrain("deadline", {variables.makespan: 1.0}, Sense.AT_MOST, problem.deadline_h)


def add_budget(model: Model, problem: DagProblem, variables: _Variables) -> None:
    """sum cost_usd[t,c] choose[t,c] + sum egress_usd[e,a,b] flow[e,a,b] <= budget_usd."""
    if problem.budget_usd is not None:
        model.constrain("budget", _cost_terms(problem, variables), Sense.AT_MOST, problem.budget_usd)


def _cost_terms(problem: DagProblem, variables: _Variables) -> dict[Variable, float]:
    terms = {
        variable: float(task.cost_usd[c])
        for task, chosen in zip(problem.tasks, variables.chosen, strict=True)
        for c, variable in enumerate(chosen)
    }
    for edge, flow in zip(problem.edges, variables.flow, strict=True):
        terms |= {variable: float(edge.egress_usd[pair]) for pair, variable in flow.items()}
    return terms


def _chosen(variables: _Variables, solved: Solved) -> Iterator[int]:
    for chosen in variables.chosen:
        yield next(c for c, variable in enumerate(chosen) if solved.values[variable] > CHOICE_THRESHOLD)
