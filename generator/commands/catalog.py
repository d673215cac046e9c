"""The commands for the product in Service Catalog."""

from __future__ import annotations

from typing import Annotated

import typer

from generator.commands.options import (
    HELP,
    TEMPLATES,
    Bucket,
    Endpoint,
    Prefix,
    Profile,
    Region,
    Yes,
    account_of,
    checked_stack_name,
)
from generator.operations.exits import DONE

app = typer.Typer(help="The product in Service Catalog.", context_settings=HELP)


@app.callback()
def _group() -> None:
    """Makes a group of it, although it has one command."""


@app.command("publish")
def publish(
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

    Example: `pypiserver-aws catalog publish --version 1.1.0`
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
