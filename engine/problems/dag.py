"""Any DAG of tasks: one candidate a task, paying for the data that moves between places.

The model grows with places, not with pairs of candidates: a task's choice is linked to its place, and each
edge carries one unit of flow from the place of its source to the place of its target (a transportation
polytope, so that the relaxation is tight on every single edge). What no best plan can contain is left out before
the model is built (engine.dag_prune, engine.dag_bounds).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

import numpy as np

from engine.antichains import bit_numbers, bits
from engine.dag import Booleans, DagProblem, EdgeOptions, Integers, Measure, best_choice, compact, renumbered, schedule
from engine.dag_bounds import HOUR_WEIGHTS, tried_choices, within_reach
from engine.dag_prune import prune
from engine.ilp import Model, Sense, Solved, Terms, Variable
from engine.status import NO_LIMIT, Status, TimeLimit, raised, relative_gap

CHOICE_THRESHOLD: Final = 0.5
HEAD_START: Final = 0.25
"""The share of the time left that each step before the search for the best may take."""
BUILT_A_SECOND: Final = 50_000
"""Variables of a model that are built and handed to the solver in a second, at the least."""
MOST_VARIABLES: Final = 1_000_000
"""A larger model would not fit into the memory of a small machine, with what the solver makes of it."""
NOT_SOLVED: Final = Solved(Status.UNKNOWN, np.inf, -np.inf, np.inf, (), 0.0)


@dataclass(frozen=True)
class DagSolution:
    """`choice` is a candidate's number for each task, empty where none was found; `objective`, `bound` in $ or h."""

    status: Status
    choice: tuple[int, ...]
    objective: float
    bound: float
    gap: float


@dataclass(frozen=True)
class Variables:
    """The model's variables: by task and candidate, by edge and pair of places, by task, and one."""

    chosen: tuple[tuple[Variable, ...], ...]
    flow: tuple[dict[tuple[int, int], Variable], ...]
    start: tuple[Variable, ...]
    makespan: Variable
    unused: Mapping[tuple[int, int], Variable]
    """By (limit, task): what a task takes of a limit at once that no task has had before it."""
    passed: Mapping[tuple[int, int, int], Variable]
    """By (limit, source, target): what a task that waits takes over of what the one before it had."""


def solve(problem: DagProblem, limit: TimeLimit = NO_LIMIT, known: Sequence[tuple[int, ...]] = ()) -> DagSolution:
    """The best choice: by preference, then by the objective, then by the other measure.

    Where the limit of time is hit, or the model would be too large, the answer is the best choice at hand, if any.
    Choices that are `known` spare the search for a good one, if any of them keeps the limits.
    """
    pruned, kept = prune(problem)
    pruned = compact(pruned)
    good = best_choice(pruned, _among(kept, known)) or _good_choice(pruned, limit)
    solution = _search(pruned, good, limit)
    return replace(solution, choice=renumbered(solution.choice, kept))


def _among(kept: Sequence[Integers], known: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """In the numbers of what was kept, those choices of which nothing was left out."""
    new = {id(of_task): {old: number for number, old in enumerate(of_task.tolist())} for of_task in kept}
    renumber = [new[id(of_task)] for of_task in kept]
    return [
        tuple(numbers[old] for numbers, old in zip(renumber, choice, strict=True))
        for choice in known
        if all(old in numbers for numbers, old in zip(renumber, choice, strict=True))
    ]


def _good_choice(problem: DagProblem, limit: TimeLimit) -> tuple[int, ...] | None:
    """A choice that keeps the limits, and is close to the best."""
    tried = tried_choices(problem, limit.share(HEAD_START))
    return best_choice(problem, [*tried, *_among_few_places(problem, tried, limit.share(HEAD_START))])


def _among_few_places(problem: DagProblem, tried: Sequence[tuple[int, ...]], limit: TimeLimit) -> list[tuple[int, ...]]:
    """The best choice among the places that occur in those tried: soon found, and close to the best of all.

    The better the plan at hand, the less is left of the whole problem. None where these are all places.
    """
    used = [task.place[choice[number]] for choice in tried for number, task in enumerate(problem.tasks)]
    among = {id(task.place): np.flatnonzero(np.isin(task.place, np.unique(used))) for task in problem.tasks}
    few = [among[id(task.place)] for task in problem.tasks]
    if all(numbers.size == task.place.size for numbers, task in zip(few, problem.tasks, strict=True)):
        return []
    near = compact(problem.take(few))
    found = _search(near, best_choice(near, tried_choices(near, limit)), limit, ties=near.main is Measure.TIME)
    return [renumbered(found.choice, few)] if found.choice else []


def _search(problem: DagProblem, good: tuple[int, ...] | None, limit: TimeLimit, *, ties: bool = True) -> DagSolution:
    """The best choice by the model; `good` is one that keeps the limits, if any is known.

    Without `ties` any of those that are best by the objective will do: by time alone too many plans are.

    What is out of reach by one measure leaves before the many sums of cost and time are tried. What is then found to
    be the least holds for plans no worse than `good`: it is a bound for all as far as `good` is above it.
    """
    plan = None if good is None else schedule(problem, good)
    by_one = within_reach(problem, plan, (), limit.share(HEAD_START))
    if not all(numbers.size for numbers in by_one.candidates):
        return DagSolution(Status.INFEASIBLE, (), np.inf, np.inf, 0.0)
    near = compact(problem.take(by_one.candidates))
    reach = within_reach(near, plan, takewhile(lambda _: limit.allows(), HOUR_WEIGHTS), limit.share(HEAD_START))
    if not all(numbers.size for numbers in reach.candidates):
        return DagSolution(Status.INFEASIBLE, (), np.inf, np.inf, 0.0)
    reduced = near.take(reach.candidates)
    order = _order(reduced) if ties else [each for each in _order(reduced) if each in reduced.order[:2]]
    found = [] if good is None else [good]
    size = _variables(reduced, reach.pairs)
    if size > MOST_VARIABLES or not limit.allows(size / BUILT_A_SECOND):
        return _solution(problem, found, [], order, reach.least)
    model, variables = build(reduced, reach.pairs)
    solved = model.solve_in_order([terms(reduced, variables, measure) for measure in order], limit.left_s)
    choices = (tuple(_chosen(variables, each)) for each in solved if each.values)
    found += [renumbered(renumbered(choice, reach.candidates), by_one.candidates) for choice in choices]
    return _solution(problem, found, solved, order, reach.least)


def _variables(problem: DagProblem, pairs: Sequence[Booleans]) -> int:
    """About how many variables the model has."""
    passing = sum(map(len, _passing(problem).values()))
    return sum(task.place.size for task in problem.tasks) + sum(int(may.sum()) for may in pairs) + passing


def _order(problem: DagProblem) -> list[Measure]:
    """The measures to minimise one after the other; preference does not matter where there is nothing to prefer."""
    equal = all(np.ptp(task.preference) == 0 for task in problem.tasks)
    return [measure for measure in problem.order if not (equal and measure is Measure.PREFERENCE)]


def _solution(
    problem: DagProblem,
    found: Sequence[tuple[int, ...]],
    solved: Sequence[Solved],
    order: Sequence[Measure],
    least: float,
) -> DagSolution:
    """The best of what was found (the solver's own choices come last), and what is proven of it.

    `solved` follows the measures in `order`: what the solver gives up of one for the sake of the next, within its
    tolerances, is not given up here. What comes to no more than the `least` of all plans is proven too, where there is
    nothing to prefer.
    """
    last = solved[-1] if solved else NOT_SOLVED
    main = solved[order.index(problem.main)] if len(solved) > order.index(problem.main) else None
    if not found:
        return DagSolution(last.status, (), last.objective, last.bound, last.gap)
    choice = best_choice(problem, found) or found[-1]
    objective = schedule(problem, choice).figure(problem.main)
    is_least = Measure.PREFERENCE not in order and objective <= raised(least)
    if is_least or (main is not None and main.status is Status.OPTIMAL):
        return DagSolution(Status.OPTIMAL, choice, objective, objective, 0.0)
    bound = min(objective, max(least, -np.inf if main is None else main.bound))
    return DagSolution(Status.FEASIBLE, choice, objective, bound, relative_gap(objective, bound))


def build(problem: DagProblem, pairs: Sequence[Booleans] | None = None) -> tuple[Model, Variables]:
    """The model; `pairs` says by edge which places may be linked (matrices), all where it is None."""
    model = Model("dag")
    variables = declare(model, problem, pairs)
    for add in FAMILIES:
        add(model, problem, variables)
    return model, variables


def declare(model: Model, problem: DagProblem, pairs: Sequence[Booleans] | None = None) -> Variables:
    """Add the variables."""
    passing = _passing(problem)
    return Variables(
        chosen=tuple(
            tuple(model.binary(f"choose[{task.name},{number}]") for number in range(task.place.size))
            for task in problem.tasks
        ),
        flow=tuple(
            _flow_variables(model, problem, edge, None if pairs is None else pairs[number])
            for number, edge in enumerate(problem.edges)
        ),
        start=tuple(model.continuous(f"start[{task.name}]") for task in problem.tasks),
        makespan=model.continuous("makespan"),
        unused={
            (index, task): model.continuous(f"unused[{problem.limits[index].name},{problem.tasks[task].name}]")
            for index, edges in passing.items()
            for task in sorted({task for edge in edges for task in edge if problem.tasks[task].loads[index].any()})
        },
        passed={
            (index, a, b): model.continuous(
                f"passed[{problem.limits[index].name},{problem.tasks[a].name},{problem.tasks[b].name}]"
            )
            for index, edges in passing.items()
            for a, b in edges
        },
    )


def _passing(problem: DagProblem) -> dict[int, list[tuple[int, int]]]:
    """By limit at once the edges on the way from a task that may take of it to another one that may."""
    found = {}
    for index, limit in enumerate(problem.limits):
        if limit.at_once:
            takes = [bool(task.loads[index].any()) for task in problem.tasks]
            taking = bits(number for number, may in enumerate(takes) if may)
            later = taking
            for number in bit_numbers(taking):
                later |= problem.after[number]
            found[index] = [
                (a, b)
                for a, b in dict.fromkeys((edge.source, edge.target) for edge in problem.edges)
                if later >> a & 1 and (takes[b] or problem.after[b] & taking)
            ]
    return found


def _flow_variables(
    model: Model, problem: DagProblem, edge: EdgeOptions, may: Booleans | None
) -> dict[tuple[int, int], Variable]:
    source, target = problem.tasks[edge.source], problem.tasks[edge.target]
    return {
        (a, b): model.continuous(f"flow[{source.name},{target.name},{a},{b}]", high=1.0)
        for a in np.unique(source.place).tolist()
        for b in np.unique(target.place).tolist()
        if may is None or may[a, b]
    }


def add_one_candidate_a_task(model: Model, problem: DagProblem, variables: Variables) -> None:
    """sum_c choose[t,c] = 1: every task runs on exactly one candidate."""
    for task, chosen in zip(problem.tasks, variables.chosen, strict=True):
        model.constrain(f"one_candidate[{task.name}]", dict.fromkeys(chosen, 1.0), Sense.EQUAL, 1.0)


def add_flow_leaves_source(model: Model, problem: DagProblem, variables: Variables) -> None:
    """sum_b flow[e,a,b] = sum_{c in a} choose[source,c]: an edge's data leaves the place of its source."""
    for edge, flow in zip(problem.edges, variables.flow, strict=True):
        leaves = [(a, variable) for (a, _), variable in flow.items()]
        _add_flow_end(model, problem, variables, f"flow_leaves[{_names(problem, edge)}", edge.source, leaves)


def add_flow_reaches_target(model: Model, problem: DagProblem, variables: Variables) -> None:
    """sum_a flow[e,a,b] = sum_{c in b} choose[target,c]: an edge's data reaches the place of its target."""
    for edge, flow in zip(problem.edges, variables.flow, strict=True):
        reaches = [(b, variable) for (_, b), variable in flow.items()]
        _add_flow_end(model, problem, variables, f"flow_reaches[{_names(problem, edge)}", edge.target, reaches)


def _add_flow_end(
    model: Model,
    problem: DagProblem,
    variables: Variables,
    row: str,
    task: int,
    ends: Sequence[tuple[int, Variable]],
) -> None:
    """One row for each place of the task: the flow that ends there, and the candidates that stand there."""
    rows: dict[int, dict[Variable, float]] = {place: {} for place in np.unique(problem.tasks[task].place).tolist()}
    for place, variable in ends:
        rows[place][variable] = 1.0
    for place, variable in zip(problem.tasks[task].place.tolist(), variables.chosen[task], strict=True):
        rows[place][variable] = -1.0
    for place, terms_of_place in rows.items():
        model.constrain(f"{row},{place}]", terms_of_place, Sense.EQUAL, 0.0)


def _names(problem: DagProblem, edge: EdgeOptions) -> str:
    return f"{problem.tasks[edge.source].name},{problem.tasks[edge.target].name}"


def add_inputs_arrive(model: Model, problem: DagProblem, variables: Variables) -> None:
    """start[t] >= sum_c ready_h[t,c] choose[t,c]: a task waits for its own inputs."""
    for task, chosen, start in zip(problem.tasks, variables.chosen, variables.start, strict=True):
        if task.ready_h.any():
            waits = {variable: -float(task.ready_h[c]) for c, variable in enumerate(chosen)}
            model.constrain(f"inputs_arrive[{task.name}]", {start: 1.0} | waits, Sense.AT_LEAST, 0.0)


def _run_terms(problem: DagProblem, variables: Variables, task: int, sign: float) -> dict[Variable, float]:
    hours = problem.tasks[task].hours
    return {variable: sign * float(hours[c]) for c, variable in enumerate(variables.chosen[task])}


def add_precedence(model: Model, problem: DagProblem, variables: Variables) -> None:
    """start[v] >= start[u] + hours[u] + sum_ab transfer_h[e,a,b] flow[e,a,b] for each edge e = (u, v)."""
    for edge, flow in zip(problem.edges, variables.flow, strict=True):
        row = {variables.start[edge.target]: 1.0, variables.start[edge.source]: -1.0}
        row |= _run_terms(problem, variables, edge.source, -1.0)
        row |= {variable: -float(edge.transfer_h[pair]) for pair, variable in flow.items()}
        model.constrain(f"precedence[{_names(problem, edge)}]", row, Sense.AT_LEAST, 0.0)


def add_makespan(model: Model, problem: DagProblem, variables: Variables) -> None:
    """makespan >= start[t] + hours[t]: the plan ends when its last task does."""
    for number, task in enumerate(problem.tasks):
        row = {variables.makespan: 1.0, variables.start[number]: -1.0}
        row |= _run_terms(problem, variables, number, -1.0)
        model.constrain(f"makespan[{task.name}]", row, Sense.AT_LEAST, 0.0)


def add_deadline(model: Model, problem: DagProblem, variables: Variables) -> None:
    """makespan <= deadline_h."""
    if problem.deadline_h is not None:
        row = terms(problem, variables, Measure.TIME)
        model.constrain("deadline", row, Sense.AT_MOST, raised(problem.deadline_h))


def add_budget(model: Model, problem: DagProblem, variables: Variables) -> None:
    """sum cost_usd[t,c] choose[t,c] + sum egress_usd[e,a,b] flow[e,a,b] <= budget_usd."""
    if problem.budget_usd is not None:
        row = terms(problem, variables, Measure.COST)
        model.constrain("budget", row, Sense.AT_MOST, raised(problem.budget_usd))


def add_limits(model: Model, problem: DagProblem, variables: Variables) -> None:
    """sum load[t,c] choose[t,c] <= most; of a limit at once sum_t unused[l,t] <= most, with the loads of lone tasks.

    What a task has is unused, or passed on by those it waits for: a flow with the loads as lower bounds at the tasks
    (add_loads_are_met, add_no_more_is_passed), which begins with what is unused. A unit of it visits tasks that wait
    for each other, so it counts for one task of an antichain at most: the flow is no less than what any antichain
    takes. The least flow is no more than what some antichain takes: it is the optimum of its dual, max sum_t load[t] *
    y[t] over y >= 0 of which no path of the graph has more than 1, whose vertices are antichains, since the matrix of
    a flow is totally unimodular (Dilworth's theorem of 1950, with weights). So exactly those choices are allowed of
    which no antichain takes more than `most`. Flow may pass through a task beyond its load: edges are enough.
    """
    for index, limit in enumerate(problem.limits):
        row: dict[Variable, float] = {}
        for task in range(len(problem.tasks)):
            if (index, task) in variables.unused:
                row[variables.unused[index, task]] = 1.0
            else:
                row |= _load_terms(problem, variables, task, index)
        model.constrain(f"limit[{limit.name}]", row, Sense.AT_MOST, raised(limit.most))


def add_loads_are_met(model: Model, problem: DagProblem, variables: Variables) -> None:
    """unused[l,t] + sum_e passed[l,e] >= sum_c load[t,c] choose[t,c], over the edges e into t."""
    had = _had(variables)
    for index, task in variables.unused:
        takes = {variable: -load for variable, load in _load_terms(problem, variables, task, index).items()}
        name = f"load_is_met[{problem.limits[index].name},{problem.tasks[task].name}]"
        model.constrain(name, had[index, task] | takes, Sense.AT_LEAST, 0.0)


def add_no_more_is_passed(model: Model, problem: DagProblem, variables: Variables) -> None:
    """sum_f passed[l,f] <= unused[l,t] + sum_e passed[l,e], over the edges f out of t and e into t."""
    had = _had(variables)
    left: dict[tuple[int, int], dict[Variable, float]] = {}
    for (index, source, _), passed in variables.passed.items():
        left.setdefault((index, source), {})[passed] = -1.0
    for (index, task), passes in left.items():
        name = f"no_more_is_passed[{problem.limits[index].name},{problem.tasks[task].name}]"
        model.constrain(name, had[index, task] | passes, Sense.AT_LEAST, 0.0)


def _had(variables: Variables) -> dict[tuple[int, int], dict[Variable, float]]:
    """By (limit, task) all that a task has of a limit at once: what was unused, and what is passed to it."""
    found = {of_task: {unused: 1.0} for of_task, unused in variables.unused.items()}
    for (index, _, target), passed in variables.passed.items():
        found.setdefault((index, target), {})[passed] = 1.0
    return found


def _load_terms(problem: DagProblem, variables: Variables, task: int, limit: int) -> dict[Variable, float]:
    loads = problem.tasks[task].loads[limit].tolist()
    return {variable: load for variable, load in zip(variables.chosen[task], loads, strict=True) if load}


def add_due(model: Model, problem: DagProblem, variables: Variables) -> None:
    """start[t] + hours[t] <= due_h[t]: a task is done by its own instant."""
    for number, due_h in enumerate(problem.due_h):
        if np.isfinite(due_h):
            row = {variables.start[number]: 1.0} | _run_terms(problem, variables, number, 1.0)
            model.constrain(f"due[{problem.tasks[number].name}]", row, Sense.AT_MOST, raised(due_h))


def add_purses(model: Model, problem: DagProblem, variables: Variables) -> None:
    """sum cost_usd[t,c] choose[t,c] + sum egress_usd[e,a,b] flow[e,a,b] <= budget_usd over the tasks of a purse."""
    for purse in problem.purses:
        row: dict[Variable, float] = {}
        for task in purse.tasks:
            row |= dict(zip(variables.chosen[task], problem.tasks[task].cost_usd.tolist(), strict=True))
        for edge, flow in zip(problem.edges, variables.flow, strict=True):
            if edge.target in purse.tasks:
                row |= {variable: float(edge.egress_usd[pair]) for pair, variable in flow.items()}
        model.constrain(f"purse[{purse.name}]", row, Sense.AT_MOST, raised(purse.budget_usd))


FAMILIES: Final = (
    add_one_candidate_a_task,
    add_flow_leaves_source,
    add_flow_reaches_target,
    add_inputs_arrive,
    add_precedence,
    add_makespan,
    add_deadline,
    add_budget,
    add_limits,
    add_loads_are_met,
    add_no_more_is_passed,
    add_due,
    add_purses,
)
"""The families of constraints, in the order in which their rows stand in the model."""


def terms(problem: DagProblem, variables: Variables, measure: Measure) -> Terms:
    """A measure of the plan, as the model's terms."""
    if measure is Measure.TIME:
        return {variables.makespan: 1.0}
    found: dict[Variable, float] = {}
    if measure is Measure.LOAD:
        for number in range(len(problem.tasks)):
            found |= _load_terms(problem, variables, number, 0)
        return found
    for task, chosen in zip(problem.tasks, variables.chosen, strict=True):
        money = task.charged_usd if measure is Measure.CHARGE else task.cost_usd
        figures = task.preference if measure is Measure.PREFERENCE else money
        found |= dict(zip(chosen, map(float, figures), strict=True))
    if measure is not Measure.PREFERENCE:
        for edge, flow in zip(problem.edges, variables.flow, strict=True):
            found |= {variable: float(edge.egress_usd[pair]) for pair, variable in flow.items()}
    if measure is Measure.CHARGE:
        found[variables.makespan] = problem.value_of_time_usd_h
    return found


def _chosen(variables: Variables, solved: Solved) -> Iterator[int]:
    for chosen in variables.chosen:
        yield next(c for c, variable in enumerate(chosen) if solved.values[variable] > CHOICE_THRESHOLD)
