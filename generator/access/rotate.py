"""A new password now, from the function that makes them on a schedule."""

from __future__ import annotations

import time

from generator.operations.aws import Account, Client
from generator.operations.credentials import secret_arn
from generator.operations.exits import DONE, FAILED, Problem
from generator.operations.formats import User
from generator.operations.terminal import Terminal

LONGEST_SECONDS = 900
SECONDS_BETWEEN = 5.0
_CURRENT, _PENDING = "AWSCURRENT", "AWSPENDING"


def rotate(account: Account, screen: Terminal, stack_name: str, user: User) -> int:
    """Start a rotation of the account ``user``, and watch it until it ends. Raises Problem."""
    arn, client = secret_arn(account, stack_name, user), account.client("secretsmanager")
    described = client.describe_secret(SecretId=arn)
    if not described.get("RotationEnabled"):
        raise Problem(
            f"the {user} gets no new passwords: deploy with PasswordRotationDays, or put one into the secret by hand, "
            "as docs/runbooks/rotate-a-password.md says"
        )
    for version, labels in described["VersionIdsToStages"].items():
        if _PENDING in labels and _CURRENT not in labels:
            raise Problem(
                "a rotation is under way, or failed and was left behind. If it began more than an hour ago: "
                f"aws secretsmanager update-secret-version-stage --secret-id {arn} --version-stage {_PENDING} "
                f"--remove-from-version-id {version} --region {account.region}"
            )
    version = client.rotate_secret(SecretId=arn)["VersionId"]
    with screen.waiting(
        f"The {user} gets a new password, which every task knows before anybody can read it (5 minutes)"
    ):
        labels = _end_of(client, arn, version)
    if _CURRENT in labels:
        screen.line(
            f"The new password of the {user} is the current one. The old one is good for PasswordGraceHours more."
        )
        return DONE
    screen.line("There is no new password, and the old one still works. The log of RotationFunction says why.")
    return FAILED


def _end_of(client: Client, arn: str, version: str) -> list[str]:
    """The version's labels, once it is current, was given up, or takes too long."""
    deadline, labels, began = time.monotonic() + LONGEST_SECONDS, [], False
    while time.monotonic() < deadline:
        labels = client.describe_secret(SecretId=arn)["VersionIdsToStages"].get(version, [])
        if _CURRENT in labels or (began and not labels):
            break
        began = began or bool(labels)
        time.sleep(SECONDS_BETWEEN)
    return labels
