"""The operator's KMS keys: refuses what would fail half-way, or only be noticed when data is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from generator.operations.aws import Account
from generator.operations.errors import AWS_ERRORS, ClientError, code, explain
from generator.operations.exits import Problem
from generator.operations.terminal import Terminal

_KEYS = ("EfsKmsKeyArn", "BackupKmsKeyArn", "EbsKmsKeyArn", "SecretKmsKeyArn", "LogKmsKeyArn")


def refuse_keys(account: Account, terminal: Terminal, given: Mapping[str, str], previous: Mapping[str, str]) -> None:
    """As ``refuse_unusable``, of those parameters in ``given`` that the stack does not have already (``previous``)."""
    keys = {name: given.get(name, "") for name in _KEYS}
    refuse_unusable(account, terminal, {name: arn for name, arn in keys.items() if arn != previous.get(name, "")})


def refuse_unusable(account: Account, terminal: Terminal, keys: Mapping[str, str]) -> None:
    """Raises Problem with a line for each key of this region that cannot encrypt; ``keys``: ARNs by what gave them, or empty.

    Keys that may not be read are reported, and skipped. Nobody can ask whether a key's policy admits those who need it:
    docs/security.md has the statements.
    """
    wrong: list[str] = []
    for name, arn in keys.items():
        if not arn:
            continue
        try:
            wrong += [f"{name}: {arn} {why}" for why in _why_not(account, arn)]
        except AWS_ERRORS as error:
            terminal.line(f"{name} could not be checked: {explain(error)}")
    if wrong:
        raise Problem("\n".join(wrong))


def _why_not(account: Account, arn: str) -> Iterator[str]:
    """Details that KMS omits are no reason: only its ID is promised.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html
    """
    try:
        key = account.client("kms").describe_key(KeyId=arn)["KeyMetadata"]
    except ClientError as error:
        if code(error) != "NotFoundException":
            raise
        yield "does not exist: check the ARN"
        return
    state, spec, usage = (key.get(name) for name in ("KeyState", "KeySpec", "KeyUsage"))
    if state not in (None, "Enabled"):
        yield f"is {state}: enable it, or take another"
    if spec not in (None, "SYMMETRIC_DEFAULT") or usage not in (None, "ENCRYPT_DECRYPT"):
        yield f"is a key {spec} for {usage}: take a symmetric one for encryption"
