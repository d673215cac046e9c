"""Which resources hold data, and the stack policy that guards them."""

from __future__ import annotations

import json
from collections.abc import Collection

DATA_BEARING = ("FileSystem", "BackupVault", "PublisherSecret", "ReaderSecret", "AccessLogs", "TaskLogs")
"""Logical IDs of what holds data, in either edition."""
_DATA_LAYERS = ("Security", "Storage", "Edge", "Compute")
"""Nested stacks that have one of these."""


def stack_policy(allowed: Collection[str] = ()) -> str:
    """Denies every update that would replace or delete what holds data, but for the logical IDs ``allowed``.

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
        ]
    }
    return json.dumps(policy, indent=2) + "\n"
