"""The commands that need no account: writing templates, running locally, printing the program of a template."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def templates(
    no_validate: Annotated[bool, typer.Option("--no-validate", help="Only write them, which takes seconds.")] = False,
) -> int:
    """Write and validate `templates/` in this directory; in a checkout also the generated parts of the documents.

    Example: `pypiserver-aws templates`
    """
    from generator.build.write import write_templates

    return write_templates(Path.cwd(), validated=not no_validate)


@app.command()
def local(
    directory: Annotated[Path, typer.Option(file_okay=False, help="The package files.")] = Path("packages"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the listener on localhost.")] = 8443,
    python: Annotated[
        Path,
        typer.Option(metavar="FILE", help="An interpreter with pypiserver and gunicorn.", show_default="this one"),
    ] = Path(sys.executable),
    environment: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A setting of the task, as docs/server.md lists them. Repeatable."),
    ] = None,
) -> int:
    """Run the server on this machine until Ctrl-C: two tasks behind TLS if nginx and openssl are installed, otherwise one.

    Example: `pypiserver-aws local --directory packages`
    """
    from generator.local.environment import read
    from generator.local.run import run

    return run(directory.resolve(), port, str(python), read(environment or ()))


@app.command()
def check_storage(
    directory: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="On the storage, and writable.")],
) -> int:
    """Test whether a storage can do what the server relies on, as the server does when it starts.

    Example: `pypiserver-aws check-storage /mnt/packages`
    """
    from generator.operations.exits import DONE, FAILED, Problem
    from server.store.abilities import lacking

    try:
        missing = lacking(directory)
    except OSError as error:
        raise Problem(f"{directory} cannot be tested: {error.strerror}") from error
    for it in missing:
        print(f"{directory} cannot: {it}", file=sys.stderr)
    if not missing:
        print(f"{directory}: nothing is missing")
    return FAILED if missing else DONE


@app.command()
def program(
    source: Annotated[
        Path, typer.Option("--from", metavar="FILE", help="A template, or the JSON of describe-task-definition.")
    ],
    secret: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="For a task definition: what get-secret-value prints of its PROGRAM_1."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIRECTORY", help="Write them there instead of printing them.")
    ] = None,
) -> int:
    """Print the sources of the container's program that a template or a task definition carries.

    Example: `pypiserver-aws program --from templates/compute.yaml`
    """
    from generator.build.program import show

    return show(source, secret, output)
