"""The commands for passwords and tokens."""

from __future__ import annotations

import json as json_format
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from generator.commands.options import HELP, Endpoint, Json, Profile, Region, StackName, account_of
from generator.operations.exits import DONE, Problem
from generator.operations.formats import Format, User, user_for

app = typer.Typer()
token = typer.Typer(help="Tokens with a scope: Tokens=true, docs/tokens.md.", context_settings=HELP)


@app.command()
def credentials(
    format: Annotated[Format, typer.Option(metavar="FORMAT", help="One of the above.")] = Format.PIP,
    account: Annotated[
        User | None,
        typer.Option(metavar="ACCOUNT", help="reader or publisher. Default: the least that the format is for."),
    ] = None,
    mint: Annotated[
        bool,
        typer.Option(
            "--mint", help="A token for 15 minutes for the role you are using (`trust aws`), instead of a password."
        ),
    ] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a new file of mode 0600 instead of printing.")
    ] = None,
    stack_name: StackName = "pypi",
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Print the credentials of one of the server's accounts, in the form that a client reads.

    To install: `pip`, `uv` and `pdm` (their configuration files), `netrc`, `env` (lines for a shell, for uv) and `poetry`
    (lines for a shell). To upload: `pypirc` (a file), `twine`, `uv-publish`, `poetry-publish` and `hatch` (lines for a
    shell). For programs: `json`.

    A file is not written where git would commit it.

    Example: `pypiserver-aws credentials --format pypirc --output .pypirc`
    """
    if mint and account:
        raise Problem("a token belongs to no account: leave out --account or --mint")
    user = user_for(format, account)
    from generator.access.minting import mint as mint_for
    from generator.operations.credentials import read, write
    from generator.operations.formats import FORMATS

    here = account_of(profile, region, endpoint_url)
    text = FORMATS[format](mint_for(here, stack_name) if mint else read(here, stack_name, user))
    if output:
        write(text, output)
    else:
        print(text, end="")
    return DONE


@app.command()
def rotate(
    account: Annotated[User, typer.Argument(help="The server's account.")],
    stack_name: StackName = "pypi",
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """Give an account a new password now, as PasswordRotationDays does on schedule; the old one stays valid for a while.

    Example: `pypiserver-aws rotate reader`
    """
    from generator.access.rotate import rotate
    from generator.operations.terminal import terminal

    return rotate(account_of(profile, region, endpoint_url), terminal(), stack_name, account)


class Right(StrEnum):
    """What a token may do; to upload includes to read."""

    READ = "read"
    UPLOAD = "upload"


Name = Annotated[str, typer.Argument(help="The token's name, which the log has.")]


@token.command("create")
def token_create(
    name: Name,
    may: Annotated[Right, typer.Option(help="upload includes read.")] = Right.READ,
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
    """Create a token and print it, once. Every task accepts it within two minutes.

    Example: `pypiserver-aws token create acme-ci --may upload --project 'acme-*' --expires 90d`
    """
    from generator.access.tokens import create

    if not project:
        raise Problem("a token is for certain projects: add --project NAME, or --project '*' for all")
    print(create(account_of(profile, region, endpoint_url), stack_name, name, str(may), project, expires))
    print("It is shown only once. User name: __token__. Every task knows it within two minutes.", file=sys.stderr)
    return DONE


@token.command("list")
def token_list(
    json: Json = False,
    stack_name: StackName = "pypi",
    profile: Profile = None,
    region: Region = None,
    endpoint_url: Endpoint = None,
) -> int:
    """List the tokens, what each may do, and until when.

    Example: `pypiserver-aws token list`
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
    """Revoke a token. Every task refuses it within two minutes.

    Example: `pypiserver-aws token revoke acme-ci`
    """
    from generator.access.tokens import revoke

    revoke(account_of(profile, region, endpoint_url), stack_name, name)
    print(f"{name} is revoked. Every task refuses it within two minutes.")
    return DONE


app.add_typer(token, name="token")
