"""``pypiserver-aws``, and ``python -m generator``: see ``commands``."""

from __future__ import annotations

import sys
from io import TextIOWrapper

_OLDEST = (3, 11)
"""The same as in pyproject.toml, for those who run this from a clone."""
_INSTALL = "run `uvx --from . pypiserver-aws`, or `make .venv/generator` and then `.venv/bin/pypiserver-aws`"


def run() -> int:
    """The command line's exit code. Ctrl-C while a library is loading also ends in one, not in a traceback."""
    if sys.version_info < _OLDEST:
        return _cannot(f"Python {_OLDEST[0]}.{_OLDEST[1]} or newer is needed, and this is {sys.version.split()[0]}")
    if isinstance(sys.stdout, TextIOWrapper):
        # A locale without an ellipsis, such as Latin-1, must not end a command.
        sys.stdout.reconfigure(errors="replace")
    try:
        from generator.commands import main

        return main()
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        if not error.name or error.name.partition(".")[0] in ("generator", "server", "functions"):
            raise
        return _cannot(f"{error.name} is not installed in this Python: {_INSTALL}")


def _cannot(reason: str) -> int:
    print(f"error: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(run())
