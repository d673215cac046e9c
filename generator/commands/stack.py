"""The commands for the stack: publish, deploy, look after, restore, delete."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from generator.commands.options import (
    TEMPLATES,
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
)
from generator.operations.exits import DONE, Problem

app = typer.Typer()


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

    Example: `pypiserver-aws publish`
    """
    from generator.operations.bucket import own_bucket
    from generator.operations.publish import publish, show
    from generator.operations.terminal import terminal

    account, screen = account_of(profile, region, endpoint_url), terminal()
    bucket = bucket or own_bucket(account, screen, make=True, yes=yes)
    show(screen, publish(account, screen, TEMPLATES, bucket, prefix), stack_name, str(parameters))
    return DONE


@app.command()
def deploy(
    bucket: Bucket = None,
    prefix: Prefix = "pypiserver",
    stack_name: StackName = "pypi",
    parameters: Parameters = Path("parameters.json"),
    allow_data_loss: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Allow this resource with data to be replaced or removed, or this parameter to move the packages. Repeatable.",
        ),
    ] = None,
    tags: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="A tag of the stack, which it keeps and passes on to its resources. Repeatable."
        ),
    ] = None,
    revert_drift: Annotated[bool, typer.Option("--revert-drift", help="Also undo what was changed by hand.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Stop after showing the changes.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="A line for every resource.")] = False,
    json: Json = False,
    yes: Yes = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Publish the templates, show what would change, ask, and create or update the stack.

    In a terminal it asks for required parameters that the file lacks, and writes them into it.

    Interrupting it does not stop the deployment; run it again to keep watching.

    Example: `pypiserver-aws deploy --stack-name pypi`
    """
    from generator.operations.deploy import Deployment, deploy
    from generator.operations.tags import read as read_tags
    from generator.operations.terminal import terminal

    if json and not dry_run:
        raise Problem("--json shows what would change: add --dry-run")
    request = Deployment(
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
        tags=read_tags(tags or ()),
        revert_drift=revert_drift,
    )
    return deploy(account_of(profile, region, endpoint_url), terminal(as_json=json), request)


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
    """Show the health of the stacks, tasks, targets, alarms and backups; then the addresses and the next steps.

    Example: `pypiserver-aws status --json`
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
    """Delete the stack. What holds data stays, and it says how to use that again and how to remove it.

    Example: `pypiserver-aws delete --stack-name pypi`
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
        typer.Option(
            help="AWS Backup's directory in the restored file system, or the packages' own in it: serve from there."
        ),
    ] = None,
    vault: Annotated[
        str | None, typer.Option(metavar="NAME", help="The vault that has it. Default: the stack's own.")
    ] = None,
    kms_key: Annotated[
        str | None, typer.Option(metavar="ARN", help="Key of the new file system. Default: the old one's.")
    ] = None,
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

    The file system in service is never written to. Interrupting it does not stop a restore; run it again to keep watching.

    Example: `pypiserver-aws restore --stack-name pypi`
    """
    from generator.operations.deploy import Deployment
    from generator.operations.recovery_points import Restoration
    from generator.operations.restore import run
    from generator.operations.terminal import terminal

    request = Restoration(stack_name, recovery_point, vault, kms_key, yes)
    deployment = Deployment(stack_name, TEMPLATES, parameters, bucket, prefix, yes=yes)
    return run(account_of(profile, region, endpoint_url), terminal(), request, deployment, directory)


@app.command()
def mirror(
    prefix: Annotated[str, typer.Option(help="Prefix of the repositories' names.")] = "pypiserver/",
    yes: Yes = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Copy both images, for every architecture, into ECR, and print the parameters that name the copies.

    For hosts and tasks without internet access. It uses crane, skopeo or docker, whichever is installed.

    Example: `pypiserver-aws mirror`
    """
    from generator.operations.mirror import mirror
    from generator.operations.terminal import terminal

    return mirror(account_of(profile, region, endpoint_url), terminal(), TEMPLATES, prefix, yes=yes)
