"""Empties what CloudFormation can delete only when empty.

The function behind the stacks' cleaner custom resources. It acts on Delete only, on the one resource named
in its properties:

* ``BucketName``, ``BackupVaultName``: deletes the contents, then the resource, which CloudFormation retains.
* ``AutoScalingGroupName``: deletes the group with its instances, which scale-in protection would keep for ever.

It does so only while that resource's tag ``force-destroy`` says ``true``. Turning the option off in an update
changes the tag before CloudFormation removes this custom resource, so an update never destroys anything.

Every path answers CloudFormation, and what is already gone counts as deleted.
"""

import time

import boto3
import cfnresponse
from botocore.config import Config
from botocore.exceptions import ClientError

FORCE_DESTROY = "force-destroy"
VAULT = "backup-vault"
"""Tag of the recovery points that the function's role may delete; its value is their vault's name."""
MARGIN = 120
"""Seconds before the function's timeout at which it gives up waiting and says so."""
PAUSE = 5
"""Seconds before what AWS could not do yet is tried again."""
LONGEST_REASON = 1000
"""Characters; CloudFormation takes 4,096 bytes for the whole answer, and errors of IAM can be longer.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
"""
CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 8})
"""A throttled request is tried again for about a minute."""
S3_BUSY = ("InternalError", "ServiceUnavailable", "SlowDown")
"""Why S3 keeps one of many objects that it was to delete, for now.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""


def is_marked(tags):
    return {"Key": FORCE_DESTROY, "Value": "true"} in [{"Key": tag["Key"], "Value": tag["Value"]} for tag in tags]


def failure(call, *passing):
    """The error of ``call`` if its code is one of ``passing``, which time mends; None if the call went through."""
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] not in passing:
            raise
        return error
    return None


def pause(remaining, what):
    if remaining() < MARGIN:
        raise TimeoutError(f"{what}: delete the stack again")
    time.sleep(PAUSE)


def delete_bucket(name, remaining):
    bucket = boto3.resource("s3", config=CONFIG).Bucket(name)
    if not is_marked(bucket.Tagging().tag_set):
        return
    empty(bucket, remaining)
    # The load balancer may deliver a last log meanwhile.
    while error := failure(bucket.delete, "BucketNotEmpty", "OperationAborted"):
        pause(remaining, f"{name} cannot be deleted yet ({error})")
        empty(bucket, remaining)


def empty(bucket, remaining):
    for page in bucket.object_versions.pages():
        versions = [{"Key": version.object_key, "VersionId": version.id} for version in page]
        # Of an empty bucket there is one page without any, and S3 refuses to delete nothing.
        kept = bucket.delete_objects(Delete={"Objects": versions, "Quiet": True}).get("Errors", []) if versions else []
        for error in kept:
            if error["Code"] not in S3_BUSY:
                message = f"{error['Code']} {error.get('Message', '')}"
                raise RuntimeError(f"{bucket.name}: {error['Key']} cannot be deleted: {message}")
        if remaining() < MARGIN:
            raise TimeoutError(f"{bucket.name} holds too much to empty at once: delete the stack again")


def delete_vault(name, remaining):
    backup = boto3.client("backup", config=CONFIG)
    vaults = backup.get_paginator("list_backup_vaults").paginate().search("BackupVaultList[]")
    # Asked for a vault that is gone, AWS Backup says AccessDeniedException: https://github.com/aws/aws-sdk-js/issues/2625
    arns = [vault["BackupVaultArn"] for vault in vaults if vault["BackupVaultName"] == name]
    if not arns or backup.list_tags(ResourceArn=arns[0])["Tags"].get(FORCE_DESTROY) != "true":
        return
    ours = {}
    while left := delete_points(backup, name, ours):
        arn, why = min(left.items())
        pause(remaining, f"{len(left)} recovery points of {name} are still being deleted, such as {arn} ({why})")
    # It may be said to hold recovery points a while longer: https://github.com/go-to-k/delstack/issues/370
    while error := failure(lambda: backup.delete_backup_vault(BackupVaultName=name), "InvalidRequestException"):
        pause(remaining, f"{name} cannot be deleted yet ({error})")


def delete_points(backup, name, ours):
    """The recovery points left in the vault ``name``, each with its status or what keeps it; all are told to go.

    ``ours`` remembers by ARN whether a point has the tag without which the role may not delete it. Raises RuntimeError
    where all that are left lack it.
    """
    pages = backup.get_paginator("list_recovery_points_by_backup_vault").paginate(BackupVaultName=name)
    left = {it["RecoveryPointArn"]: it["Status"] for it in pages.search("RecoveryPoints[]")}
    for arn, status in left.items():
        if arn not in ours:
            ours[arn] = status == "DELETING" or is_ours(backup, name, arn)
        if ours[arn] and status != "DELETING":
            error = failure(
                lambda arn=arn: backup.delete_recovery_point(BackupVaultName=name, RecoveryPointArn=arn),
                *("InvalidRequestException", "InvalidResourceStateException", "ResourceNotFoundException"),
            )
            left[arn] = error or "DELETING"
    foreign = [arn for arn in left if not ours[arn]]
    if left and len(foreign) == len(left):
        raise RuntimeError(
            f"{len(foreign)} recovery points of {name} lack the tag {VAULT}={name}, such as {min(foreign)}: "
            "tag or delete them, then delete the stack again"
        )
    return left


def is_ours(backup, name, arn):
    """Whether the recovery point ``arn`` has the tag of the vault ``name``, or is gone by now."""
    try:
        return backup.list_tags(ResourceArn=arn)["Tags"].get(VAULT) == name
    except backup.exceptions.ResourceNotFoundException:
        return True


def delete_group(name, remaining):
    autoscaling = boto3.client("autoscaling", config=CONFIG)
    while groups := autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]:
        # A status is that of a deletion that has begun.
        if not is_marked(groups[0]["Tags"]) or "Status" in groups[0]:
            return
        error = failure(
            lambda: autoscaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True),
            # The last is what a group that is gone by now answers.
            *("ResourceContention", "ResourceInUse", "ScalingActivityInProgress", "ValidationError"),
        )
        if not error:
            return
        pause(remaining, f"{name} cannot be deleted yet ({error})")


DELETE = {"BucketName": delete_bucket, "BackupVaultName": delete_vault, "AutoScalingGroupName": delete_group}
GONE = ("NoSuchBucket", "NoSuchTagSet")


def handler(event, context):
    status, reason = cfnresponse.SUCCESS, None
    try:
        if event["RequestType"] == "Delete":
            for key, delete in DELETE.items():
                if name := event["ResourceProperties"].get(key):
                    delete(name, lambda: context.get_remaining_time_in_millis() / 1000)
    except Exception as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else None
        if code not in GONE:
            status, reason = cfnresponse.FAILED, str(error)[:LONGEST_REASON] or type(error).__name__
    cfnresponse.send(event, context, status, {}, "cleaner", reason=reason)
