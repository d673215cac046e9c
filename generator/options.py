"""Options and arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from generator.operations.aws import Account

Profile = Annotated[str | None, typer.Option(help="Profile of the AWS configuration.")]
Region = Annotated[str | None, typer.Option(help="Region of the stack. Default: AWS_REGION, or the profile's.")]
Endpoint = Annotated[str | None, typer.Option("--endpoint-url", metavar="URL", help="An emulator instead of AWS.")]
StackName = Annotated[str, typer.Option(help="Name of the stack.")]
Bucket = Annotated[
    str | None,
    typer.Option(
        help="For the templates, in the stack's region. Default: one of the account's own, made where needed."
    ),
]
Prefix = Annotated[str, typer.Option(help="What the templates' keys in the bucket begin with.")]
Parameters = Annotated[Path, typer.Option(metavar="FILE", help="Values of the templates' parameters.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output, everything else on standard error.")]


def account_of(profile: str | None, region: str | None, endpoint_url: str | None) -> Account:
    from generator.operations.aws import Account

    return Account(profile, region, endpoint_url)
