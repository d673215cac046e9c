"""The commands for passwords and tokens; ``commands`` adds them to the command line."""

from __future__ import annotations

import json as json_format
import sys
from enum import StrEnum
from typing import Annotated

import typer

from generator.operations.exits import DONE
from generator.operations.formats import User
from generator.options import Endpoint, Json, Profile, Region, StackName, account_of

token = typer.Typer(
    help="Tokens with a scope: Tokens=true, docs/tokens.md.", context_settings={"help_option_names": ["-h", "--help"]}
)


class Right(StrEnum):
    """What a token may do; to upload includes to read."""

    READ = "read"
    UPLOAD = "upload"


Name = Annotated[str, typer.Argument(help="The token's name, which the log has.")]


@token.command("create")
def token_create(
    name: Name,
    may: Annotated[Right, typer.Option(help="To upload includes to read.")] = Right.READ,
    project: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A project, with `*` for any characters; `*` alone for all. Repeatable."),
    ] = None,
    expires: Annotated[str, typer.Option(metavar="TIME", help="Days (90d), hours (12h) or never.")] = "90d",
    stack_name: StackName = "pypi",
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Make a token and print it, once. Every task knows it within two minutes.

    Example: `python -m generator token create acme-ci --may upload --project 'acme-*' --expires 90d`
    """
    from generator.access.tokens import create
    from generator.operations.exits import Problem

    if not project:
        raise Problem("a token is for some projects: add --project NAME, or --project '*' for all")
    print(create(account_of(profile, region, endpoint_url), stack_name, name, str(may), project, expires))
    print("It is shown this once. User name: __token__. Every task knows it within two minutes.", file=sys.stderr)
    return DONE


@token.command("list")
def token_list(
    json: Json = False,
    stack_name: StackName = "pypi",
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """The tokens, what each may do, and until when.

    Example: `python -m generator token list`
    """
    from generator.access.tokens import listed, table
    from generator.operations.terminal import terminal

    tokens = listed(account_of(profile, region, endpoint_url), stack_name)
    if json:
        print(json_format.dumps(tokens, indent=2))
    else:
        terminal().show(table(tokens))
    return DONE


@token.command("revoke")
def token_revoke(
    name: Name,
    stack_name: StackName = "pypi",
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Remove a token. Every task refuses it within two minutes.

    Example: `python -m generator token revoke acme-ci`
    """
    from generator.access.tokens import revoke

    revoke(account_of(profile, region, endpoint_url), stack_name, name)
    print(f"{name} is revoked. Every task refuses it within two minutes.")
    return DONE


def rotate(
    account: Annotated[User, typer.Argument(help="The server's account.")],
    stack_name: StackName = "pypi",
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Give an account a new password now, as PasswordRotationDays does on schedule; the old one stays good for a while.

    Example: `python -m generator rotate reader`
    """
    from generator.access.rotate import rotate
    from generator.operations.terminal import terminal

    return rotate(account_of(profile, region, endpoint_url), terminal(), stack_name, account)
