"""Whether a history of calls that overlap is one that calls one after another could have made.

J. M. Wing, C. Gong: Testing and Verifying Concurrent Objects, Journal of Parallel and Distributed Computing 17 (1993).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, TypeVar

State = TypeVar("State", bound=Hashable)


class Call(NamedTuple):
    """What was asked, what came of it, and between which times."""

    asked: tuple[str, ...]
    answered: Hashable
    began: float
    ended: float


def explained(
    history: Sequence[Call], first: State, act: Callable[[State, tuple[str, ...]], tuple[State, Hashable]]
) -> bool:
    """Whether an order of the calls that keeps those apart that did not overlap gives the answers, by `act`, from `first`."""
    seen: set[tuple[frozenset[int], State]] = set()
    waiting: list[tuple[frozenset[int], State]] = [(frozenset(range(len(history))), first)]
    while waiting:
        left, state = waiting.pop()
        if not left:
            return True
        earliest_end = min(history[it].ended for it in left)
        for it in left:
            # Nothing that ended before it began may come after it.
            if history[it].began <= earliest_end:
                then, answer = act(state, history[it].asked)
                step = (left - {it}, then)
                if answer == history[it].answered and step not in seen:
                    seen.add(step)
                    waiting.append(step)
    return False
