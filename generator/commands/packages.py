"""The commands for the packages of a running server."""

from __future__ import annotations

from typing import Annotated

import typer

from generator.commands.options import Endpoint, Json, Profile, Region, StackName, Yes, account_of, of_form
from generator.operations.exits import Problem

app = typer.Typer()

Project = Annotated[str, typer.Argument(help="Its name, in any spelling.")]
Version = Annotated[str, typer.Argument(help="Of the release.")]
To = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="A server instead of the stack's; its account is in TWINE_USERNAME and TWINE_PASSWORD."
    ),
]


@app.command("import")
def import_(
    source: Annotated[str, typer.Argument(metavar="URL", help="Its simple index.")],
    projects: Annotated[list[str] | None, typer.Argument(help="Default: all that it lists.")] = None,
    to: To = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Stop after showing the plan.")] = False,
    yes: Yes = False,
    stack_name: StackName = "pypi",
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Copy the packages of another index that are not here yet, with their upload times.

    Credentials for it come from IMPORT_USERNAME and IMPORT_PASSWORD, or .netrc.

    Example: `pypiserver-aws import https://old.example.com/simple/ --dry-run`
    """
    from generator.operations.terminal import terminal
    from generator.packages.importing import run
    from generator.packages.places import ours, theirs

    there = theirs(source)
    here = ours(lambda: account_of(profile, region, endpoint_url), stack_name, to)
    return run(terminal(), there, here, projects or [], dry_run=dry_run, yes=yes)


@app.command()
def yank(
    project: Project,
    version: Version,
    reason: Annotated[str, typer.Option(help="What installers show; at most 1,024 bytes.")] = "",
    to: To = None,
    stack_name: StackName = "pypi",
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Yank a release: installers skip it, unless they ask for exactly that version. Nothing is removed.

    Example: `pypiserver-aws yank acme-core 1.2 --reason "loses data"`
    """
    from generator.packages.places import ours
    from generator.packages.yank import change

    return change(ours(lambda: account_of(profile, region, endpoint_url), stack_name, to), project, version, reason)


@app.command()
def unyank(
    project: Project,
    version: Version,
    to: To = None,
    stack_name: StackName = "pypi",
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Undo a yank.

    Example: `pypiserver-aws unyank acme-core 1.2`
    """
    from generator.packages.places import ours
    from generator.packages.yank import change

    return change(ours(lambda: account_of(profile, region, endpoint_url), stack_name, to), project, version, None)


_state = of_form("STATE", "active|archived|deprecated|quarantined", "active, archived, deprecated or quarantined")


@app.command("project-status")
def project_status(
    project: Project,
    state: Annotated[str, typer.Argument(callback=_state, help="active, archived, deprecated or quarantined.")],
    reason: Annotated[str, typer.Option(help="What clients show; at most 1,024 bytes.")] = "",
    to: To = None,
    stack_name: StackName = "pypi",
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Set a project's status: deprecated only marks it, archived stops uploads, quarantined also stops downloads.

    Example: `pypiserver-aws project-status acme-core quarantined --reason "stolen credentials"`
    """
    from generator.packages.places import ours
    from generator.packages.yank import change_status

    there = ours(lambda: account_of(profile, region, endpoint_url), stack_name, to)
    return change_status(there, project, state, reason)


@app.command()
def who(
    project: Annotated[str | None, typer.Argument(metavar="PROJECT[==VERSION]", help="Whose files were taken.")] = None,
    user: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="An account, a token or a trusted publisher, instead of a project."),
    ] = None,
    since: Annotated[str, typer.Option(metavar="TIME", help="Days (30d) or hours (12h) before now.")] = "30d",
    json: Json = False,
    stack_name: StackName = "pypi",
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Say who downloaded and changed a project, or what was done under a name, and from where, according to the tasks' log.

    Example: `pypiserver-aws who acme-core==1.2 --since 30d`
    """
    from generator.operations.terminal import terminal
    from generator.packages import who

    if (project is None) == (user is None):
        raise Problem("give PROJECT, PROJECT==VERSION, or --user NAME")
    asked = who.Project(project) if project is not None else who.User(user or "")
    account = account_of(profile, region, endpoint_url)
    return who.ask(account, terminal(as_json=json), stack_name, asked, since, as_json=json)
