"""``python -m generator``: see ``commands``."""

from __future__ import annotations

import sys

try:
    # Ctrl-C may come while a library is being loaded; then, too, it ends in an exit code and not in a traceback.
    from generator.commands import main

    if __name__ == "__main__":
        sys.exit(main())
except KeyboardInterrupt:
    sys.exit(130)
