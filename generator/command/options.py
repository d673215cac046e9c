"""Options that several commands have, and the account that they choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from generator.operations.aws import Account

Profile = Annotated[str | None, typer.Option(help="Profile of the AWS configuration.")]
Region = Annotated[str | None, typer.Option(help="Region of the stack. Default: AWS_REGION, or the profile's.")]
Endpoint = Annotated[str | None, typer.Option("--endpoint-url", metavar="URL", help="An emulator instead of AWS.")]
StackName = Annotated[str, typer.Option(help="Name of the stack.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output, everything else on standard error.")]


def account_of(profile: str | None, region: str | None, endpoint_url: str | None) -> Account:
    from generator.operations.aws import Account

    return Account(profile, region, endpoint_url)
