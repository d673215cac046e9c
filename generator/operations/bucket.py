"""The bucket that the templates are put into."""

from __future__ import annotations

from generator.operations.aws import Account
from generator.operations.errors import ClientError, code
from generator.operations.exits import Problem
from generator.operations.terminal import Terminal


def own_bucket(account: Account, terminal: Terminal, *, make: bool, yes: bool) -> str:
    """The account's own bucket for templates in this region, created if there is none and the operator agrees.

    Raises Problem if another account has taken the name, and if there is none and ``make`` is False; Declined.
    """
    name = bucket_name(account)
    s3 = account.client("s3")
    if has_own_bucket(account):
        return name
    if not make:
        raise Problem(
            "a dry run does not create a bucket for the templates: give --bucket, or run `publish`, which makes one"
        )
    terminal.must_agree(f"Create bucket {name} for templates?", yes=yes, instead="give --bucket, or add --yes")
    place = {"CreateBucketConfiguration": {"LocationConstraint": account.region}}
    s3.create_bucket(Bucket=name, **({} if account.region == "us-east-1" else place))
    closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(closed, True))
    terminal.line(f"created the bucket {name}")
    return name


def has_own_bucket(account: Account) -> bool:
    """Raises Problem if another account has taken the name."""
    name = bucket_name(account)
    try:
        # Bucket names are global: a stranger's bucket of this name must not receive our templates.
        account.client("s3").head_bucket(Bucket=name, ExpectedBucketOwner=account.number)
        return True
    except ClientError as error:
        if code(error) == "403":
            raise Problem(
                f"the bucket {name} belongs to another account, or you may not read it: give another --bucket"
            ) from error
        if code(error) != "404":
            raise
        return False


def bucket_name(account: Account) -> str:
    """The account's own bucket for templates in the region, whether it exists or not."""
    return f"pypiserver-templates-{account.number}-{account.region}"


def check_bucket(account: Account, bucket: str) -> None:
    """Raises Problem if it cannot be used for templates."""
    try:
        response = account.client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        # A HEAD has no body: the status is all there is.
        if code(error) == "404":
            raise Problem(
                f"there is no bucket {bucket}: `aws s3 mb s3://{bucket} --region {account.region}`"
            ) from error
        if code(error) == "403":
            raise Problem(
                f"no access to the bucket {bucket}: it needs s3:ListBucket, s3:GetObject and s3:PutObject"
            ) from error
        raise
    home = response.get("BucketRegion") or response["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
    if home not in (None, account.region):
        raise Problem(f"the bucket {bucket} is in {home}, not in {account.region}: give one of the stack's region")
