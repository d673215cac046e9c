"""What is tried, and how: each property over examples of its strategy, in rounds that a seed repeats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import hypothesis
from hypothesis import HealthCheck, Verbosity
from hypothesis import strategies as st

from . import directories, forms, identity, outside, private, raw, readings, slow, statuses, wire, yanks
from .target import Server, World


class Property(NamedTuple):
    """`examples` are those of one round, each at one of `servers`."""

    inputs: st.SearchStrategy[Any]
    check: Callable[[World, Server, Any], None]
    examples: int
    servers: Callable[[World], list[Server]] = lambda world: world.servers


PROPERTIES = {
    "raw": Property(wire.sent(), raw.check, 100),
    "gunicorn": Property(wire.sent(), readings.check_gunicorn, 300),
    "nginx": Property(wire.sent(), readings.check_nginx, 50),
    "forms": Property(forms.uploads(), forms.check, 60),
    "archives": Property(forms.archives(), forms.check, 30),
    "yanks": Property(yanks.yanks(), yanks.check, 60),
    "statuses": Property(statuses.markings(), statuses.check, 40),
    "identity tokens": Property(identity.tokens(), identity.check, 60),
    "directories": Property(directories.steps, directories.check, 15, lambda world: [*world.servers, world.mutable]),
    "pages from outside": Property(outside.pages(), outside.check, 300),
    "private names": Property(private.requests(), private.check, 100, lambda world: [world.upstream]),
    # A publisher may remove what is there.
    "other settings": Property(
        wire.sent(("stranger", "reader", "token")), raw.check, 60, lambda world: [world.mutable]
    ),
    "slow clients": Property(slow.clients(), slow.check, 10, lambda world: world.all),
}


def explore(world: World, name: str, counts: Counter[str], *, seed: int | None = None, rounds: int = 1) -> None:
    """Raises Finding, with what was sent made as short as possible. Without a seed the examples are always the same."""
    tried = PROPERTIES[name]

    @hypothesis.settings(
        max_examples=tried.examples * rounds,
        derandomize=seed is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        print_blob=False,
        report_multiple_bugs=False,
    )
    @hypothesis.given(st.sampled_from(tried.servers(world)), tried.inputs)
    def each(server: Server, example: Any) -> None:
        counts[name] += 1
        tried.check(world, server, example)

    if seed is not None:
        each = hypothesis.seed(seed)(each)
    each()
    world.check()
