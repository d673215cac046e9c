"""Which resources hold data, and the stack policy that guards them, and the server's capacity."""

from __future__ import annotations

import json
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
VAULT_TAG = "backup-vault"
"""Tag that says in which vault a recovery point was made, by its name: the cleaner may delete no other's."""
_DATA_LAYERS = ("Security", "Storage", "Edge", "Compute")
"""Nested stacks that have one of these."""


CAPACITY = ("HostSecurityGroup", "TaskSecurityGroup")
"""Of these a stack has the one that goes with its Capacity. A change would remove it, in the first layer of all."""


def stack_policy(allowed: Collection[str] = ()) -> str:
    """Denies every update that would replace or delete what holds data, but for the logical IDs ``allowed``.

    And every change between hosts and Fargate, which takes the server down: a target group of the other kind replaces
    the one that has the tasks, long before the service has new ones.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html
    """
    guarded = [f"LogicalResourceId/{title}" for title in (*_DATA_LAYERS, *DATA_BEARING) if title not in allowed]
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
                "Resource": [f"LogicalResourceId/{title}" for title in CAPACITY],
            },
        ]
    }
    return json.dumps(policy, indent=2) + "\n"
