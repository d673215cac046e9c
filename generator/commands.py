"""The command line: each command with its options, its help and what it calls.

Whatever needs boto3 or troposphere is imported by the command that uses it: help and completion answer at once, and
``templates`` needs no AWS library.
"""

from __future__ import annotations

import sys
from inspect import getdoc
from pathlib import Path
from typing import Annotated

import typer

from generator.access import commands as access
from generator.operations.exits import DECLINED, DONE, FAILED, INTERRUPTED, REFUSED, Declined, Problem
from generator.operations.formats import Format, User, user_for
from generator.operations.invocation import called_as
from generator.options import (
    Bucket,
    Endpoint,
    Json,
    Parameters,
    Prefix,
    Profile,
    Region,
    StackName,
    Yes,
    account_of,
    checked_stack_name,
)
from generator.packages import commands as packages

ROOT = Path(__file__).parent.parent
TEMPLATES = ROOT / "templates"
EXIT_CODES = (
    f"Exit codes: {DONE} done, or nothing to do; {FAILED} AWS, the network or the templates say no, or `status` finds "
    f"something unwell; {REFUSED} refused, nothing was changed; {DECLINED} you said No, nothing was changed; "
    f"{INTERRUPTED} interrupted."
)
_SETTINGS = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    help="Write the templates, deploy them, and look after what is deployed.",
    epilog=EXIT_CODES,
    context_settings=_SETTINGS,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
catalog = typer.Typer(help="The product in Service Catalog.", context_settings=_SETTINGS)


def main(words: list[str] | None = None) -> int:
    """Run the command that ``words`` (or the process's arguments) name; the exit code, one of those in ``exits``.

    What went wrong is a line on standard error, or one for each thing; never a traceback but for a defect of our own.
    """
    _name_program(app)
    try:
        return int(app(args=words, prog_name=called_as(), standalone_mode=False) or DONE)
    except Declined:
        print("nothing was changed")
        return DECLINED
    except Problem as problem:
        return _error(str(problem), REFUSED)
    except typer.TyperException as error:
        said = error.format_message().replace("Value error, ", "")
        said += "" if said.endswith((".", "?")) else "."
        context = getattr(error, "ctx", None)
        return _error(f"{said} `{context.command_path if context else called_as()} --help` says more.", REFUSED)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:
        # AWS's errors are known only where a command has loaded boto3.
        if "botocore" in sys.modules:
            from generator.operations.errors import explain, is_of_aws, is_of_configuration

            if is_of_aws(error):
                return _error(explain(error), REFUSED if is_of_configuration(error) else FAILED)
        if isinstance(error, OSError) and error.strerror:
            return _error(f"{error.filename}: {error.strerror}", FAILED)
        raise


def _name_program(commands: typer.Typer) -> None:
    """Let the examples of the help say how this program was called: they work where they are read."""
    for command in commands.registered_commands:
        command.help = (getdoc(command.callback) or "").replace("python -m generator", called_as())
    for group in commands.registered_groups:
        if group.typer_instance:
            _name_program(group.typer_instance)


def _error(text: str, code: int) -> int:
    for line in text.splitlines():
        print(f"error: {line}", file=sys.stderr)
    return code


def _version(asked: bool) -> None:
    if asked:
        print(_project_version())
        raise typer.Exit


def _project_version() -> str:
    import tomllib

    with (ROOT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def templates() -> int:
    """Write and validate `templates/`, and the derived parts of the documents.

    Example: `python -m generator templates`
    """
    from generator.build.write import write_templates

    documents = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return write_templates(TEMPLATES, documents, ROOT / ".venv" / "validated")


@app.command()
def local(
    directory: Annotated[Path, typer.Option(file_okay=False, help="The package files.")] = Path("packages"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the listener on localhost.")] = 8443,
    python: Annotated[Path, typer.Option(metavar="FILE", help="An interpreter with pypiserver and gunicorn.")] = Path(
        sys.executable
    ),
    environment: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A setting of the task, as docs/server.md lists them. Repeatable."),
    ] = None,
) -> int:
    """Run the server on this machine until Ctrl-C: two tasks behind TLS where nginx and openssl are installed, else one.

    Example: `python -m generator local --directory packages`
    """
    from generator.local import run

    if wrong := [it for it in environment or () if "=" not in it]:
        raise Problem(f"--environment {wrong[0]}: it wants NAME=VALUE")
    settings = dict(it.split("=", 1) for it in environment or ())
    return run(directory.resolve(), port, str(python), settings)


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
        Path | None, typer.Option(metavar="DIRECTORY", help="Write them there, print nothing of them.")
    ] = None,
) -> int:
    """Print the sources of the container's program that a template or a task definition carries.

    Example: `python -m generator program --from templates/compute.yaml`
    """
    from generator.build.program import show

    return show(source, secret, output)


@app.command()
def publish(
    bucket: Bucket = None,
    prefix: Prefix = "pypiserver",
    stack_name: StackName = "pypi",
    parameters: Parameters = Path("parameters.json"),
    yes: Yes = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Upload the templates, and print a link to the console and lines for the AWS CLI that deploy them.

    Example: `python -m generator publish`
    """
    from generator.operations.bucket import own_bucket
    from generator.operations.publish import publish, show
    from generator.operations.terminal import terminal

    account, screen = account_of(profile, region, endpoint_url), terminal()
    bucket = bucket or own_bucket(account, screen, make=True, yes=yes)
    show(screen, publish(account, TEMPLATES, bucket, prefix), stack_name, str(parameters))
    return DONE


@app.command()
def deploy(
    bucket: Bucket = None,
    prefix: Prefix = "pypiserver",
    stack_name: StackName = "pypi",
    parameters: Parameters = Path("parameters.json"),
    allow_data_loss: Annotated[
        list[str] | None,
        typer.Option(metavar="LOGICAL_ID", help="Let this resource with data be replaced or removed. Repeatable."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Stop after showing the changes.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="A line for every resource.")] = False,
    json: Json = False,
    yes: Yes = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Publish the templates, show what would change, ask, and create or update the stack.

    In a terminal it asks for the required parameters that the file lacks, and writes them into it.

    Interrupting it does not stop the deployment; running it again watches on.

    Example: `python -m generator deploy --stack-name pypi`
    """
    from generator.operations.deploy import Wish, deploy
    from generator.operations.terminal import terminal

    if json and not dry_run:
        raise Problem("--json shows what would change: add --dry-run")
    wish = Wish(
        stack_name=stack_name,
        templates=TEMPLATES,
        parameters=parameters,
        bucket=bucket,
        prefix=prefix,
        allowed=frozenset(allow_data_loss or ()),
        dry_run=dry_run,
        yes=yes,
        verbose=verbose,
        as_json=json,
    )
    return deploy(account_of(profile, region, endpoint_url), terminal(as_json=json), wish)


@app.command()
def status(
    stack_name: StackName = "pypi",
    detect_drift: Annotated[
        bool, typer.Option("--detect-drift", help="Compare every stack with its resources first.")
    ] = False,
    json: Json = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Health of the stacks, tasks, targets, alarms and backups; then the addresses and the next steps.

    Example: `python -m generator status --json`
    """
    from generator.operations.status import status
    from generator.operations.terminal import terminal

    return status(
        account_of(profile, region, endpoint_url),
        terminal(as_json=json),
        stack_name=stack_name,
        detect_drift=detect_drift,
        as_json=json,
    )


@app.command()
def credentials(
    format: Annotated[Format, typer.Option(help="A client's file, or lines for a shell.")] = Format.PIP,
    account: Annotated[
        User | None,
        typer.Option(help="The server's account. Default: the reader; the publisher in formats for uploading."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a new file of mode 0600, print nothing.")
    ] = None,
    stack_name: StackName = "pypi",
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Print the credentials of one of the server's accounts, as a client reads them.

    To install: `pip`, `uv` and `pdm` (their configuration files), `netrc`, `env` and `poetry` (lines for a shell). To
    upload: `pypirc` (a file), `twine`, `uv-publish`, `poetry-publish` and `hatch` (lines for a shell).

    Example: `python -m generator credentials --format pypirc --output .pypirc`
    """
    user = user_for(format, account)
    from generator.operations.credentials import read, write
    from generator.operations.formats import FORMATS

    text = FORMATS[format](read(account_of(profile, region, endpoint_url), stack_name, user))
    if output:
        write(text, output)
    else:
        print(text, end="")
    return DONE


@app.command()
def delete(
    stack_name: StackName = "pypi",
    unprotect: Annotated[
        bool, typer.Option("--unprotect", help="Turn off termination and deletion protection.")
    ] = False,
    yes: Yes = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Delete the stack. What holds data stays, and it says how to use it again and how to remove it.

    Example: `python -m generator delete --stack-name pypi`
    """
    from generator.operations.delete import delete
    from generator.operations.terminal import terminal

    account = account_of(profile, region, endpoint_url)
    return delete(account, terminal(), stack_name=stack_name, unprotect=unprotect, yes=yes)


@app.command()
def restore(
    recovery_point: Annotated[str | None, typer.Option(metavar="ARN", help="What to restore. Default: a list.")] = None,
    directory: Annotated[
        str | None,
        typer.Option(help="AWS Backup's, at the root of the restored, or the packages' own in it: serve from there."),
    ] = None,
    vault: Annotated[str | None, typer.Option(metavar="NAME", help="Where it is. Default: the stack's own.")] = None,
    kms_key: Annotated[str | None, typer.Option(metavar="ARN", help="Of the new one. Default: the old one's.")] = None,
    bucket: Bucket = None,
    prefix: Prefix = "pypiserver",
    stack_name: StackName = "pypi",
    parameters: Parameters = Path("parameters.json"),
    yes: Yes = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """List the backups, restore one into a new file system, and let the stack serve from that.

    What serves is never written to. Interrupting it does not stop a restore; running it again watches on.

    Example: `python -m generator restore --stack-name pypi`
    """
    from generator.operations.deploy import Wish as Deployment
    from generator.operations.restore import Wish
    from generator.operations.restored import run
    from generator.operations.terminal import terminal

    wish = Wish(stack_name, recovery_point, vault, kms_key, yes)
    deployment = Deployment(stack_name, TEMPLATES, parameters, bucket, prefix, yes=yes)
    return run(account_of(profile, region, endpoint_url), terminal(), wish, deployment, directory)


@app.command()
def mirror(
    prefix: Annotated[str, typer.Option(help="What the names of the repositories begin with.")] = "pypiserver/",
    yes: Yes = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Copy both images, for every architecture, into ECR, and print the parameters that name the copies.

    For hosts and tasks without a way to the internet. By crane, skopeo or docker, whichever is installed.

    Example: `python -m generator mirror`
    """
    from generator.operations.mirror import mirror
    from generator.operations.terminal import terminal

    return mirror(account_of(profile, region, endpoint_url), terminal(), TEMPLATES, prefix, yes=yes)


@catalog.command("publish")
def catalog_publish(
    version: Annotated[str, typer.Option(help="Name of the version, e.g. 1.1.0; a name is never used again.")],
    bucket: Bucket = None,
    prefix: Prefix = "pypiserver",
    stack_name: Annotated[
        str, typer.Option(callback=checked_stack_name, help="The stack of service-catalog.yaml.")
    ] = "pypi-catalog",
    yes: Yes = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Add a version to the product.

    Example: `python -m generator catalog publish --version 1.1.0`
    """
    from generator.operations.catalog_version import publish_version
    from generator.operations.terminal import terminal

    publish_version(
        account_of(profile, region, endpoint_url),
        terminal(),
        TEMPLATES,
        bucket=bucket,
        prefix=prefix,
        stack_name=stack_name,
        version=version,
        yes=yes,
    )
    return DONE


# In the order of the help, what is needed first at its top.
app.command("import")(packages.import_)
app.command()(packages.yank)
app.command()(packages.unyank)
app.command()(access.rotate)
app.add_typer(access.token, name="token")
app.add_typer(catalog, name="catalog")
