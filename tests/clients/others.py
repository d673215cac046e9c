"""What is no installer: proxies, mirrors, programs that upload, and one that proposes updates."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.server.tasks import Task

from .fronts import FRONTS, through
from .matrix import Outcome
from .mirrors import bandersnatch, pulp_sync, pulp_through
from .renovate import renovate
from .uploads import hatch, twine


class Other(NamedTuple):
    """What it runs on, and a run with a cache of environments, a home and a task: cold and warm."""

    python: str
    run: Callable[[Path, Path, Task], tuple[Outcome, Outcome]]


OTHERS: dict[str, Other] = {
    "twine 1.15.0": Other("3.7", partial(twine, "1.15.0", "2019-10-01", "3.7")),
    "twine 4.0.2": Other("3.10", partial(twine, "4.0.2", "2023-03-01", "3.10")),
    "twine 7.0.0": Other("3.13", partial(twine, "7.0.0", "", "3.13")),
    "hatch 1.3.1": Other("3.8", partial(hatch, "1.3.1", "2022-08-01", "3.8")),
    "hatch 1.9.4": Other("3.10", partial(hatch, "1.9.4", "2024-04-01", "3.10")),
    "hatch 1.18.2": Other("3.13", partial(hatch, "1.18.2", "", "3.13")),
    "Renovate 39.264.1": Other("Node 24", partial(renovate, "39.264.1", "/")),
    "Renovate 44.121.2": Other("Node 24", partial(renovate, "44.121.2", "/")),
    "Renovate 44.121.2 on /simple/": Other("Node 24", partial(renovate, "44.121.2", "/simple/")),
    **{label: Other("3.13", partial(through, front)) for label, front in FRONTS.items()},
    "Pulp 3.36.4, pull-through": Other("3.13", partial(pulp_through, "3.36.4")),
    "Pulp 3.36.4, sync": Other("3.13", partial(pulp_sync, "3.36.4")),
    "bandersnatch 8.2.0": Other("3.13", partial(bandersnatch, "8.2.0")),
}
"""By a label, in the order of the table. Pulp's number is that of its plugin for Python."""
