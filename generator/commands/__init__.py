"""The command line: a module for each group of commands, with their options, their help and what they call.

Whatever needs boto3 or troposphere is imported by the command that uses it: help and completion answer at once, and
``templates`` needs no AWS library.
"""

from __future__ import annotations

import sys
from inspect import getdoc
from shutil import get_terminal_size
from typing import Annotated

import typer

from generator import __version__
from generator.commands import accounts, catalog, offline, packages, publishers, stack
from generator.commands.options import HELP
from generator.operations.exits import DECLINED, DONE, FAILED, INTERRUPTED, NO_PACKAGES, REFUSED, Declined, Problem
from generator.operations.invocation import NAME, called_as

EXIT_CODES = (
    f"Exit codes: {DONE} done, or nothing to do; {FAILED} AWS, the network or the templates say no, or `status` finds "
    f"something unwell; {REFUSED} refused, nothing was changed; {DECLINED} you said No, nothing was changed; "
    f"{NO_PACKAGES} `import` is complete, but for what is no package; {INTERRUPTED} interrupted."
)

_COLUMNS = 80
"""From which on the help is in rich's columns."""

app = typer.Typer(
    help="Write the templates, deploy them, and look after what is deployed.",
    epilog=EXIT_CODES,
    context_settings=HELP,
    pretty_exceptions_enable=False,
)
# In the order of the help: what is needed first at its top.
for group in (offline, stack, packages, accounts, publishers):
    app.add_typer(group.app)
app.add_typer(catalog.app, name="catalog")


def main(words: list[str] | None = None) -> int:
    """Run the command that ``words`` (or the process's arguments) name; returns the exit code, one of those in ``exits``.

    Errors are printed on standard error, one per line; there is never a traceback, except for a defect of our own.
    """
    _complete_help(app)
    width = get_terminal_size().columns
    # rich's columns cut words if they are narrow.
    app.rich_markup_mode = "markdown" if width >= _COLUMNS else None
    try:
        return int(app(args=words, prog_name=called_as(), standalone_mode=False, terminal_width=width) or DONE)
    except Declined:
        print("nothing was changed")
        return DECLINED
    except Problem as problem:
        return _error(str(problem), REFUSED)
    except typer.TyperException as error:
        said = " ".join(error.format_message().replace("Value error, ", "").split())
        said += "" if said.endswith((".", "?")) else "."
        context = getattr(error, "ctx", None)
        return _error(f"{said} `{context.command_path if context else called_as()} --help` says more.", REFUSED)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:
        # AWS's errors are known only if a command has loaded boto3.
        if "botocore" in sys.modules:
            from generator.operations.errors import explain, is_of_aws, is_of_configuration

            if is_of_aws(error):
                return _error(explain(error), REFUSED if is_of_configuration(error) else FAILED)
        if isinstance(error, OSError) and error.strerror:
            return _error(f"{error.filename}: {error.strerror}", FAILED)
        raise


def _complete_help(commands: typer.Typer) -> None:
    """Let the examples call this program as it was called, so that they work where they are read, and cut no summary."""
    for command in commands.registered_commands:
        command.help = (getdoc(command.callback) or "").replace(f"`{NAME} ", f"`{called_as()} ")
        command.short_help = command.help.partition("\n\n")[0].replace("\n", " ")
    for group in commands.registered_groups:
        if group.typer_instance:
            group.typer_instance.info.short_help = group.typer_instance.info.help
            _complete_help(group.typer_instance)


def _error(text: str, code: int) -> int:
    for line in text.splitlines():
        print(f"error: {line}", file=sys.stderr)
    return code


def _version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())
