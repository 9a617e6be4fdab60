"""What tasks of a DAG can take at one time: the heaviest antichain, a set of tasks none of which waits for another.

Let one unit pass from a task to one that waits for it, directly or not, wherever both can use it. What all tasks weigh
less what passes at most is the weight of the heaviest antichain (Dilworth 1950 with weights: maximum flow and minimum
cut of the bipartite graph of all pairs of tasks that wait for one another, as Fulkerson 1956 proves the theorem).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf


def waiting(tasks: int, edges: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """By task (numbers in topological order) those that wait for it, directly or not, as the bits of a number."""
    after = [0] * tasks
    for source, target in sorted(edges, reverse=True):
        after[source] |= after[target] | 1 << target
    return tuple(after)


def heaviest_antichain(weights: Sequence[float], after: Sequence[int]) -> tuple[int, ...]:
    """Tasks, none of which waits for another, that weigh most together; `after` is what `waiting` says.

    Weights are at least 0, and may be infinite. What weighs nothing is left out.
    """
    if inf in weights:
        return (weights.index(inf),)
    heavy = bits(task for task, weight in enumerate(weights) if weight > 0)
    passing = _Passing(weights, [later & heavy for later in after])
    # From the last task on: those with fewest to send to come first, and few have to give way (25 times as fast).
    for task in reversed(range(len(weights))):
        passing.send_from(task)
    # A minimum cut: no task of it waits for another, or more could pass between the two.
    return tuple(bit_numbers(passing.stuck & ~passing.filled))


def bits(numbers: Iterable[int]) -> int:
    """A set of numbers as the bits of one."""
    found = 0
    for number in numbers:
        found |= 1 << number
    return found


def bit_numbers(number: int) -> Iterator[int]:
    """The places of the bits that are set, from the lowest."""
    while number:
        lowest = number & -number
        yield lowest.bit_length() - 1
        number ^= lowest


class _Passing:
    """A flow from tasks to those `after` them: what each can still send and receive, and what it receives of whom.

    `stuck` are the tasks that can send no more and would, and those that only send to the same; `filled` are all that
    these could send to. Nothing that is done for other tasks changes that.
    """

    def __init__(self, weights: Sequence[float], after: Sequence[int]) -> None:
        self.after = after
        self.unsent = list(weights)
        self.unfilled = list(weights)
        self.open = bits(task for task, weight in enumerate(weights) if weight > 0)
        self.received: list[dict[int, float]] = [{} for _ in weights]
        self.stuck = 0
        self.filled = 0

    def send_from(self, task: int) -> None:
        """All that can pass from the task, by shortest augmenting paths (Edmonds and Karp 1972)."""
        while self.unsent[task] > 0 and (way := self._way(task)):
            self._send(way)

    def _way(self, task: int) -> tuple[int, ...]:
        """Along which more can pass, breadth first: who sends, who receives, who sends that one less, and so on."""
        senders, receivers = 1 << task, self.filled
        through: dict[int, tuple[int, int]] = {}
        queue = [task]
        for sender in queue:
            new = self.after[sender] & ~receivers
            if new & self.open:
                return _way_back(through, sender, next(bit_numbers(new & self.open)))
            receivers |= new
            for receiver in bit_numbers(new):
                for other in self.received[receiver]:
                    if not senders >> other & 1:
                        senders |= 1 << other
                        through[other] = sender, receiver
                        queue.append(other)
        self.stuck |= senders
        self.filled = receivers
        return ()

    def _send(self, way: Sequence[int]) -> None:
        first, last = way[0], way[-1]
        given_back = list(zip(way[2::2], way[1::2], strict=False))
        amount = min(self.unsent[first], self.unfilled[last], *(self.received[b][a] for a, b in given_back))
        self.unsent[first] -= amount
        self.unfilled[last] -= amount
        if self.unfilled[last] <= 0:
            self.open &= ~(1 << last)
        for a, b in zip(way[::2], way[1::2], strict=True):
            self.received[b][a] = self.received[b].get(a, 0.0) + amount
        for a, b in given_back:
            self.received[b][a] -= amount
            if self.received[b][a] <= 0:
                del self.received[b][a]


def _way_back(through: Mapping[int, tuple[int, int]], sender: int, last: int) -> tuple[int, ...]:
    """The way to the last receiver; `through` says by whom, and by way of which receiver, a sender was come to."""
    way = [last, sender]
    while way[-1] in through:
        sender, receiver = through[way[-1]]
        way += [receiver, sender]
    return tuple(reversed(way))
