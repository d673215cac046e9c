"""`make fuzz`: try what nobody foresaw, for so many seconds, until something is found."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from .explore import PROPERTIES, explore
from .target import World


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("seconds", type=float)
    parser.add_argument("--seed", type=int, default=random.randrange(10**9), help="of the first round")
    parser.add_argument("--only", choices=PROPERTIES, nargs="+", default=list(PROPERTIES))
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    began = time.monotonic()
    seed: int = options.seed
    with tempfile.TemporaryDirectory() as home:
        world = World(Path(home))
        try:
            while time.monotonic() - began < options.seconds:
                for name in options.only:
                    said = f"\r{time.monotonic() - began:5.0f} s, seed {seed}, {name:10} {dict(counts)}"
                    print(said.ljust(120), end="", file=sys.stderr, flush=True)
                    try:
                        explore(world, name, counts, seed=seed)
                    except Exception as finding:
                        print(f"\n{finding}", *getattr(finding, "__notes__", ()), sep="\n")
                        print(f"Found by --only {name} --seed {seed}")
                        return 1
                seed += 1
        finally:
            world.closing.close()
            print(
                f"\nSeeds {options.seed} to {seed}; examples {dict(counts)}; answers {dict(sorted(world.statuses.items()))}; "
                f"slowest /health {max(server.slowest_health for server in world.all):.3f} s"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
