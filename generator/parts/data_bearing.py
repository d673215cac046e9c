"""Which resources hold data, which parameters say where it is, and the stack policy that protects both."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

DATA_BEARING = (
    "FileSystem",
    "BackupVault",
    "PublisherSecret",
    "ReaderSecret",
    "TokensSecret",
    "AccessLogs",
    "TaskLogs",
)
"""Logical IDs of what holds data, in either edition."""
_EXPENDABLE = re.compile(
    "ServerProgram[0-9a-f]+|TopicKey|(Rotation|VaultCleaner|AccessLogsCleaner|Host|GroupCleaner|Insights)Logs"
)
"""Logical IDs of resources of types that may hold data, which nobody would miss."""
_STATELESS_SERVICES = (
    "ApplicationAutoScaling",
    "AutoScaling",
    "CloudWatch",
    "ECS",
    "ElasticLoadBalancingV2",
    "Events",
    "IAM",
    "Lambda",
    "WAFv2",
)
_STATELESS_TYPES = (
    "AWS::Backup::BackupPlan",
    "AWS::Backup::BackupSelection",
    "AWS::CertificateManager::Certificate",
    "AWS::CloudFormation::CustomResource",
    "AWS::EC2::LaunchTemplate",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EFS::AccessPoint",
    "AWS::EFS::MountTarget",
    "AWS::Logs::MetricFilter",
    "AWS::Logs::QueryDefinition",
    "AWS::Route53::RecordSetGroup",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SecretsManager::ResourcePolicy",
    "AWS::SecretsManager::RotationSchedule",
)
"""Types that hold no data: those of these templates. Any other resource of a stack is assumed to hold some."""
LOCATION = ("ExistingFileSystemId", "PackagesPath")
"""Parameters that say where the packages are. With another value the server serves another directory, an empty one if new.

EfsKmsKeyArn does so too, as it replaces the file system.
"""
VAULT_TAG = "backup-vault"
"""Tag with the name of the vault in which a recovery point was made: the cleaner may delete no other's."""
_DATA_LAYERS = ("Security", "Storage", "Edge", "Compute")
"""Nested stacks that contain one of these."""

CAPACITY_GROUPS = ("HostSecurityGroup", "TaskSecurityGroup")
"""A stack has the one of these that goes with its Capacity. A change would remove it, in the first layer."""
_IN_PLACE = ("TargetGroup", "WebAclAssociation")
"""The tasks' group: a replacement has none until the service gets it, long after names and load balancer point there. And
what puts the web ACL before the load balancer: removing the old association would remove the new one.
"""


_FIXED = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": ["Update:Replace", "Update:Delete"],
    "Resource": ["LogicalResourceId/AccessPoint"],
}


def holds_data(name: str, kind: str) -> bool:
    """Whether the resource with this logical ID and type may hold data; not meant for nested stacks."""
    if name in DATA_BEARING:
        return True
    stateless = kind in _STATELESS_TYPES or kind.startswith(tuple(f"AWS::{it}::" for it in _STATELESS_SERVICES))
    return not stateless and not _EXPENDABLE.fullmatch(name)


def stack_policy(allowed: Collection[str] = ()) -> str:
    """Denies every update that would replace or delete what holds data, except for the logical IDs ``allowed``.

    It also denies a replacement of the access point, after which the server would serve another directory, unless one of
    LOCATION or the file system is in ``allowed``. And it denies what takes the server down: replacing the target group that
    has the tasks, and a change between hosts and Fargate, which does so; and what leaves the server without its web ACL.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html
    """
    guarded = [f"LogicalResourceId/{title}" for title in (*_DATA_LAYERS, *DATA_BEARING) if title not in allowed]
    moves = not {*LOCATION, "FileSystem"}.isdisjoint(allowed)
    policy = {
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "Update:*", "Resource": "*"},
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": ["Update:Replace", "Update:Delete"],
                "Resource": guarded,
            },
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": ["Update:Delete"],
                "Resource": [f"LogicalResourceId/{title}" for title in CAPACITY_GROUPS],
            },
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": ["Update:Replace"],
                "Resource": [f"LogicalResourceId/{title}" for title in _IN_PLACE],
            },
            *([] if moves else [_FIXED]),
        ]
    }
    return json.dumps(policy, indent=2) + "\n"
