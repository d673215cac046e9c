"""``python -m generator``: the command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from generator.commands import write_templates

ROOT = Path(__file__).parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m generator", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("templates", help="write and validate templates/")
    parser.parse_args()
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return write_templates(ROOT / "templates", documents, ROOT / ".venv" / "validated")


if __name__ == "__main__":
    sys.exit(main())
