"""What several commands share: options, arguments, and where the templates are."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from generator.operations.exits import Problem

if TYPE_CHECKING:
    from generator.operations.aws import Account

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "templates"
HELP = {"help_option_names": ["-h", "--help"]}
"""Settings of every group of commands."""


def of_form(option: str, pattern: str, form: str) -> Callable[[str | None], str | None]:
    """Refuses, before calling AWS, what does not match as a whole: AWS takes an empty stack name to mean any stack."""

    def check(value: str | None) -> str | None:
        if value is not None and not re.fullmatch(pattern, value):
            raise Problem(f"{option} must be {form}; it is {value!r}")
        return value

    return check


# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
checked_stack_name = of_form(
    "--stack-name", "[a-zA-Z][a-zA-Z0-9-]{0,127}", "a letter, then letters, digits and hyphens, at most 128 in all"
)
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_checked_bucket = of_form(
    "--bucket", "[a-z0-9.-]{1,63}", "the name alone: lower-case letters, digits, hyphens and dots, at most 63"
)
# It goes into URLs as it is: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_checked_prefix = of_form("--prefix", "[a-zA-Z0-9/!_.*'()-]{0,512}", "letters, digits and /!_.*'()-, at most 512")

Profile = Annotated[str | None, typer.Option(help="Profile of the AWS configuration.")]
Region = Annotated[str | None, typer.Option(help="Region of the stack. Default: AWS_REGION, or the profile's.")]
Endpoint = Annotated[str | None, typer.Option("--endpoint-url", metavar="URL", help="An emulator instead of AWS.")]
StackName = Annotated[str, typer.Option(callback=checked_stack_name, help="Name of the stack.")]
Bucket = Annotated[
    str | None,
    typer.Option(
        callback=_checked_bucket,
        help="For the templates, in the stack's region. Default: the account's own, created if needed.",
    ),
]
Prefix = Annotated[str, typer.Option(callback=_checked_prefix, help="Prefix of the templates' keys in the bucket.")]
Parameters = Annotated[Path, typer.Option(metavar="FILE", help="Values of the templates' parameters.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output, everything else on standard error.")]


def account_of(profile: str | None, region: str | None, endpoint_url: str | None) -> Account:
    from generator.operations.aws import Account

    return Account(profile, region, endpoint_url)
