"""The commands for trusted publishers."""

from __future__ import annotations

import json as json_format
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from generator.commands.accounts import Right
from generator.commands.options import HELP, Endpoint, Json, Profile, Region, StackName, account_of, of_form
from generator.operations.exits import DONE, Problem

if TYPE_CHECKING:
    from generator.access.publishers import Identity
    from generator.operations.aws import Account

app = typer.Typer()
trusted = typer.Typer(
    help="Jobs and roles that publish or install without a password: Tokens=true, docs/ci.md.", context_settings=HELP
)

_server = of_form("--server", r"https://[A-Za-z0-9.:-]+", "such as https://git.example.com")
May = Annotated[Right, typer.Option(help="upload includes read.")]
Projects = Annotated[
    list[str],
    typer.Option(
        "--project", metavar="NAME", help="A project, with `*` for any characters; `*` alone for all. Repeatable."
    ),
]
Expires = Annotated[str, typer.Option(metavar="TIME", help="Days (90d), hours (12h) or never.")]
Named = Annotated[str, typer.Option(metavar="NAME", help="Its name in the log. Default: derived from what is trusted.")]
Environment = Annotated[
    str | None, typer.Option(metavar="NAME", help="Jobs that deploy to it alone, which its rules protect.")
]
Api = Annotated[str, typer.Option(metavar="URL", help="Where its API answers, if elsewhere.")]


@trusted.command()
def github(
    repository: Annotated[str, typer.Argument(metavar="OWNER/REPOSITORY")],
    project: Projects,
    workflow: Annotated[
        str | None, typer.Option(metavar="FILE", help="The workflow's, such as release.yml; required to upload.")
    ] = None,
    environment: Environment = None,
    may: May = Right.UPLOAD,
    expires: Expires = "never",
    name: Named = "",
    server: Annotated[
        str, typer.Option(callback=_server, metavar="URL", show_default="github.com")
    ] = "https://github.com",
    api: Api = "",
    stack_name: StackName = "pypi",
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Trust a workflow of GitHub Actions.

    It gets the IDs of repository and owner from GitHub and pins them, as names can be taken over; a private repository needs
    GH_TOKEN.

    Example: `pypiserver-aws trust github octo/acme --workflow release.yml --environment release --project 'acme-*'`
    """
    from generator.access.publishers import github as github_of

    if may == Right.UPLOAD and not workflow:
        raise Problem("uploads are trusted from one workflow only: add --workflow FILE, or --may read")
    identify = partial(github_of, server, api, repository, workflow, environment)
    return _trust(account_of(profile, region, endpoint_url), stack_name, identify, name, may, project, expires)


@trusted.command()
def gitlab(
    path: Annotated[str, typer.Argument(metavar="GROUP/PROJECT")],
    project: Projects,
    pipeline: Annotated[str, typer.Option(metavar="FILE", help="To upload, the pipeline's file.")] = ".gitlab-ci.yml",
    environment: Environment = None,
    may: May = Right.UPLOAD,
    expires: Expires = "never",
    name: Named = "",
    server: Annotated[
        str, typer.Option(callback=_server, metavar="URL", show_default="gitlab.com")
    ] = "https://gitlab.com",
    api: Api = "",
    stack_name: StackName = "pypi",
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Trust jobs of GitLab CI; only those of protected branches and tags may upload.

    It gets the IDs of project and group from GitLab and pins them, as names can be taken over; a private project needs
    GITLAB_TOKEN.

    Example: `pypiserver-aws trust gitlab octo/acme --project 'acme-*'`
    """
    from generator.access.publishers import gitlab as gitlab_of

    identify = partial(gitlab_of, server, api, path, pipeline if may == Right.UPLOAD else None, environment)
    return _trust(account_of(profile, region, endpoint_url), stack_name, identify, name, may, project, expires)


@trusted.command()
def aws(
    arn: Annotated[str, typer.Argument(metavar="ROLE_ARN", help="`*` stands for any characters but colons.")],
    project: Projects,
    may: May = Right.READ,
    expires: Expires = "never",
    name: Named = "",
    stack_name: StackName = "pypi",
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Trust roles of the account, with tokens from sts:GetWebIdentityToken: laptops with SSO, CodeBuild, Lambda.

    Example: `pypiserver-aws trust aws "$ROLE_ARN" --project '*'`
    """
    from generator.access.publishers import role

    account = account_of(profile, region, endpoint_url)
    return _trust(account, stack_name, partial(role, account, arn), name, may, project, expires)


@trusted.command()
def issuer(
    url: Annotated[str, typer.Argument(metavar="ISSUER", help="As its tokens have it in iss.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="What the log calls it.")],
    claim: Annotated[
        list[str],
        typer.Option(metavar="NAME=VALUE", help="What a token must claim; `*` stands for any but : and @. Repeatable."),
    ],
    project: Projects,
    may: May = Right.UPLOAD,
    expires: Expires = "never",
    stack_name: StackName = "pypi",
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Trust jobs of any other OpenID Connect issuer that signs with RS256: Buildkite, CircleCI, your own.

    Example: `pypiserver-aws trust issuer https://agent.buildkite.com --name acme --claim organization_slug=acme --claim pipeline_slug=release --project 'acme-*'`
    """
    from generator.access.publishers import other

    identify = partial(other, url, claim)
    return _trust(account_of(profile, region, endpoint_url), stack_name, identify, name, may, project, expires)


def _trust(
    account: Account,
    stack_name: str,
    identify: Callable[[], Identity],
    name: str,
    may: Right,
    project: list[str],
    expires: str,
) -> int:
    from generator.access.publishers import trust

    name, identity = trust(account, stack_name, identify, name, str(may), project, expires)
    print(f"{name} may {may} {', '.join(project)}, if {identity.issuer} says:")
    for claim, value in identity.claims.items():
        print(f"  {claim}: {value}")
    print("Every task knows it within two minutes. docs/ci.md says what the job does.")
    return DONE


@trusted.command("list")
def trust_list(
    json: Json = False,
    stack_name: StackName = "pypi",
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """List who is trusted, by which claims, and for what.

    Example: `pypiserver-aws trust list`
    """
    from generator.access.publishers import listed, table
    from generator.operations.terminal import terminal

    publishers = listed(account_of(profile, region, endpoint_url), stack_name)
    if json:
        print(json_format.dumps(publishers, indent=2))
    else:
        terminal().show(table(publishers))
    return DONE


@trusted.command("revoke")
def trust_revoke(
    name: Annotated[str, typer.Argument(help="The publisher's name, which the log has.")],
    stack_name: StackName = "pypi",
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Stop trusting a publisher. Every task refuses it, and its tokens, within two minutes.

    Example: `pypiserver-aws trust revoke octo-acme`
    """
    from generator.access.publishers import revoke

    revoke(account_of(profile, region, endpoint_url), stack_name, name)
    print(f"{name} is no longer trusted. Every task refuses its tokens within two minutes.")
    return DONE


app.add_typer(trusted, name="trust")
