"""The commands that work in an AWS account."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from generator.operations import credentials, parameters
from generator.operations.aws import Account, BotoCoreError, ClientError, Problem, explain
from generator.operations.catalog_version import publish_version
from generator.operations.delete import delete
from generator.operations.deploy import deploy
from generator.operations.publish import publish, summary
from generator.operations.status import status
from generator.operations.terminal import Terminal, terminal


def run(arguments: Namespace, templates: Path) -> int:
    """Run the command with the ``templates`` directory; the exit code. Errors are one line on standard error."""
    try:
        account = Account(arguments.profile, arguments.region, arguments.endpoint_url)
        return _run(arguments, templates, account, terminal())
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    except (ClientError, BotoCoreError) as error:
        print(f"error: {explain(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(arguments: Namespace, templates: Path, account: Account, screen: Terminal) -> int:
    match arguments.command:
        case "publish":
            published = publish(account, templates, arguments.bucket, arguments.prefix)
            print(summary(published, arguments.stack_name, arguments.parameters))
            return 0
        case "deploy":
            # A file that cannot be read is refused before anything is uploaded.
            given = parameters.read(Path(arguments.parameters))
            published = publish(account, templates, arguments.bucket, arguments.prefix)
            return deploy(
                account,
                screen,
                stack_name=arguments.stack_name,
                template_url=published.publisher.url(published.parent),
                given=given,
                allowed=set(arguments.allow_data_loss),
                dry_run=arguments.dry_run,
                yes=arguments.yes,
            )
        case "delete":
            return delete(
                account, screen, stack_name=arguments.stack_name, unprotect=arguments.unprotect, yes=arguments.yes
            )
        case "credentials":
            text = credentials.FORMATS[arguments.format](
                credentials.read(account, arguments.stack_name, arguments.account)
            )
            if arguments.output:
                credentials.write(text, Path(arguments.output))
            else:
                print(text, end="")
            return 0
        case "status":
            return status(account, screen, stack_name=arguments.stack_name, detect_drift=arguments.detect_drift)
        case _:
            version = publish_version(
                account, templates, arguments.bucket, arguments.prefix, arguments.stack_name, arguments.version
            )
            print(version)
            return 0
