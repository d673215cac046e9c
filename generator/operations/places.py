"""Where the operator's ARNs are: refuses those that a stack of this region cannot use, which AWS would say late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from generator.operations.aws import Account
from generator.operations.exits import Problem

_ANY_REGION = "BackupCopyVaultArn"


def refuse_places(account: Account, given: Mapping[str, str], previous: Mapping[str, str]) -> None:
    """Raises Problem with a line for each ARN in ``given`` that is of another partition, or of another region.

    ``previous`` are the values that the stack has. A service takes keys, certificates, topics and web ACLs of its own region
    only; IAM's ARNs name none.
    """
    new = {name: value for name, value in given.items() if value != previous.get(name, "")}
    wrong = [
        f"{name}: {arn} {why}"
        for name, value in new.items()
        for arn in value.split(",")
        if arn.startswith("arn:")
        for why in _why_not(account, name, arn)
    ]
    if wrong:
        raise Problem("\n".join(wrong))


def _why_not(account: Account, name: str, arn: str) -> Iterator[str]:
    _, partition, _, region, *_ = arn.split(":")
    if partition != account.partition:
        yield f"is in the partition {partition}, and {account.region} is in {account.partition}"
    elif region not in ("", account.region) and name != _ANY_REGION:
        yield f"is in {region}, and must be in {account.region}"
