"""Tasks of a DAG in chains: no two tasks of one chain can run at the same time."""

from __future__ import annotations

from collections.abc import Sequence


def chain_cover(tasks: int, edges: Sequence[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """The tasks (numbers in topological order) in few chains, of each of which every task waits for the one before.

    A minimum of chains (Dilworth 1950) is a maximum matching between the tasks and those that wait for them, in the
    transitive closure (Fulkerson 1956): a task's partner is the next of its chain.
    """
    after = _closure(tasks, edges)
    follows: dict[int, int] = {}
    for task in reversed(range(tasks)):
        _match(task, after, follows)
    following = {before: later for later, before in follows.items()}
    chains = []
    for first in range(tasks):
        if first not in follows:
            chain = [first]
            while chain[-1] in following:
                chain.append(following[chain[-1]])
            chains.append(tuple(chain))
    return tuple(chains)


def _closure(tasks: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """By task those that wait for it, directly or not, as the bits of a number."""
    after = [0] * tasks
    for source, target in sorted(edges, reverse=True):
        after[source] |= after[target] | 1 << target
    return after


def _match(task: int, after: Sequence[int], follows: dict[int, int]) -> None:
    """Give the task a successor, moving those that stand in its way to others if they can (augmenting path)."""
    unseen = (1 << len(after)) - 1
    path, taken = [task], list[int]()
    while path:
        later = _lowest_bit(after[path[-1]] & unseen)
        if later is None:
            path.pop()
            del taken[-1:]
            continue
        unseen ^= 1 << later
        taken.append(later)
        if later not in follows:
            follows |= zip(taken, path, strict=True)
            return
        path.append(follows[later])


def _lowest_bit(number: int) -> int | None:
    """The place of the lowest bit that is set, if any is."""
    return (number & -number).bit_length() - 1 if number else None
