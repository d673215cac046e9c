"""Empties what CloudFormation cannot delete while it holds something.

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
from botocore.exceptions import ClientError

FORCE_DESTROY = "force-destroy"
VAULT = "backup-vault"
"""Tag of the recovery points that the function's role may delete; its value is their vault's name."""
MARGIN = 60
"""Seconds before the function's timeout at which it gives up waiting and says so."""


def is_marked(tags):
    return {"Key": FORCE_DESTROY, "Value": "true"} in [{"Key": tag["Key"], "Value": tag["Value"]} for tag in tags]


def delete_bucket(name, remaining):
    bucket = boto3.resource("s3").Bucket(name)
    if not is_marked(bucket.Tagging().tag_set):
        return
    for page in bucket.object_versions.pages():
        versions = [{"Key": version.object_key, "VersionId": version.id} for version in page]
        for error in bucket.delete_objects(Delete={"Objects": versions, "Quiet": True}).get("Errors", []):
            raise RuntimeError(f"{name}: {error['Key']} cannot be deleted: {error['Code']} {error['Message']}")
        if remaining() < MARGIN:
            raise TimeoutError(f"{name} holds too much to empty at once: delete the stack again")
    bucket.delete()


def delete_vault(name, remaining):
    backup = boto3.client("backup")
    vault = backup.describe_backup_vault(BackupVaultName=name)
    if backup.list_tags(ResourceArn=vault["BackupVaultArn"])["Tags"].get(FORCE_DESTROY) != "true":
        return
    pages = backup.get_paginator("list_recovery_points_by_backup_vault")
    foreign = set()
    while points := list(pages.paginate(BackupVaultName=name).search("RecoveryPoints[]")):
        for arn in [it["RecoveryPointArn"] for it in points if it["Status"] != "DELETING"]:
            if arn in foreign or backup.list_tags(ResourceArn=arn)["Tags"].get(VAULT) != name:
                foreign.add(arn)
            else:
                backup.delete_recovery_point(BackupVaultName=name, RecoveryPointArn=arn)
        if foreign >= {it["RecoveryPointArn"] for it in points}:
            raise RuntimeError(
                f"{len(foreign)} recovery points of {name} lack the tag {VAULT}={name}, such as {min(foreign)}: "
                "tag or delete them, then delete the stack again"
            )
        if remaining() < MARGIN:
            raise TimeoutError(
                f"{len(points)} recovery points of {name} are still being deleted: delete the stack again"
            )
        time.sleep(5)
    backup.delete_backup_vault(BackupVaultName=name)


def delete_group(name, _remaining):
    autoscaling = boto3.client("autoscaling")
    for group in autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]:
        if is_marked(group["Tags"]):
            autoscaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)


DELETE = {"BucketName": delete_bucket, "BackupVaultName": delete_vault, "AutoScalingGroupName": delete_group}
GONE = ("NoSuchBucket", "NoSuchTagSet", "ResourceNotFoundException")


def handler(event, context):
    status, reason = cfnresponse.SUCCESS, None
    try:
        if event["RequestType"] == "Delete":
            for key, delete in DELETE.items():
                if name := event["ResourceProperties"].get(key):
                    delete(name, lambda: context.get_remaining_time_in_millis() / 1000)
    except ClientError as error:
        if error.response["Error"]["Code"] not in GONE:
            status, reason = cfnresponse.FAILED, str(error)
    except Exception as error:
        status, reason = cfnresponse.FAILED, str(error)
    cfnresponse.send(event, context, status, {}, "cleaner", reason=reason)
