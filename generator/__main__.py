"""``python -m generator``: the command line.

Exit codes: 0 done, or nothing to do; 1 AWS or the templates say no; 2 refused, nothing was changed; 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEMPLATES = ROOT / "templates"


def main(words: list[str] | None = None) -> int:
    arguments = _parser().parse_args(words)
    if arguments.command == "templates":
        from generator.build.write import write_templates

        documents = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
        return write_templates(TEMPLATES, documents, ROOT / ".venv" / "validated")
    if arguments.command == "program":
        from generator.build.program import show

        return show(arguments.source, arguments.output)
    # boto3 takes longer to import than the templates take to write.
    from generator.operations.run import run

    return run(arguments, TEMPLATES)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m generator")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("templates", help="write and validate templates/")
    program = commands.add_parser("program", help="print the sources that a template or task definition carries")
    program.add_argument(
        "--from",
        dest="source",
        type=Path,
        required=True,
        metavar="FILE",
        help="a template, or the JSON of describe-task-definition",
    )
    program.add_argument("--output", type=Path, metavar="DIRECTORY", help="write them there, print nothing of them")

    account = argparse.ArgumentParser(add_help=False)
    account.add_argument("--profile", help="profile of the AWS configuration")
    account.add_argument("--region", help="region of the stack")
    account.add_argument("--endpoint-url", help="of an emulator")
    bucket = argparse.ArgumentParser(add_help=False)
    bucket.add_argument("--bucket", required=True, help="bucket for the templates, in the stack's region")
    bucket.add_argument("--prefix", default="pypiserver", help="of their keys (default: %(default)s)")
    stack, portfolio = argparse.ArgumentParser(add_help=False), argparse.ArgumentParser(add_help=False)
    stack.add_argument("--stack-name", default="pypi", help="(default: %(default)s)")
    portfolio.add_argument(
        "--stack-name", default="pypi-catalog", help="of service-catalog.yaml (default: %(default)s)"
    )
    parameters = argparse.ArgumentParser(add_help=False)
    parameters.add_argument("--parameters", default="parameters.json", metavar="FILE", help="(default: %(default)s)")
    agreed = argparse.ArgumentParser(add_help=False)
    agreed.add_argument("--yes", action="store_true", help="do not ask")

    commands.add_parser("publish", parents=[account, bucket, stack, parameters], help="upload the templates")

    deploy = commands.add_parser(
        "deploy", parents=[account, bucket, stack, parameters, agreed], help="publish, then create or update the stack"
    )
    deploy.add_argument("--dry-run", action="store_true", help="stop after the table of changes")
    deploy.add_argument(
        "--allow-data-loss",
        action="append",
        default=[],
        metavar="LOGICAL_ID",
        help="let this data-bearing resource be replaced or removed",
    )

    delete = commands.add_parser("delete", parents=[account, stack, agreed], help="delete the stack; data stays")
    delete.add_argument("--unprotect", action="store_true", help="turn off termination and deletion protection")

    credentials = commands.add_parser(
        "credentials", parents=[account, stack], help="print a server account's credentials"
    )
    credentials.add_argument("--account", choices=("publisher", "reader"), default="publisher")
    credentials.add_argument("--format", choices=("pip", "pypirc", "uv", "env", "json"), default="pip")
    credentials.add_argument("--output", metavar="FILE", help="write a new file of mode 0600, print nothing")

    status = commands.add_parser("status", parents=[account, stack], help="health of the stack and the server")
    status.add_argument("--detect-drift", action="store_true", help="compare every stack with its resources first")

    catalog = commands.add_parser("catalog", help="Service Catalog").add_subparsers(
        dest="catalog_command", required=True, metavar="COMMAND"
    )
    version = catalog.add_parser("publish", parents=[account, bucket, portfolio], help="add a version to the product")
    version.add_argument("--version", required=True, help="name of the version, e.g. 1.1.0")
    return parser


if __name__ == "__main__":
    sys.exit(main())
