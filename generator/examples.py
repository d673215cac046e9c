"""Files beside the templates: parameters to start from, and a stack policy that guards the packages."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

PARAMETERS = {
    "VpcId": "vpc-0123456789abcdef0",
    "LoadBalancerSubnets": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "AsgSubnets": "subnet-0123456789abcdef2,subnet-0123456789abcdef3",
    "HostedZoneName": "example.com",
    "HostedZoneId": "Z1234567890ABC",
    "AlarmEmails": "ops@example.com",
    "Environment": "production",
    "DnsNames": "pypi",
    "AsgInstanceType": "t3.small",
    "BackupRetentionDays": "30",
}
"""What a production deployment sets; the operator's own identifiers go where the example's stand."""

DATA_BEARING = ("FileSystem", "BackupVault", "PublisherSecret", "ReaderSecret", "AccessLogs")
"""Logical IDs of what holds data, in either edition."""
_DATA_LAYERS = ("Security", "Storage", "Edge")
"""Nested stacks that have one of these."""


def example_parameters() -> str:
    """For ``aws cloudformation deploy --parameter-overrides file://…``."""
    return _json([f"{name}={value}" for name, value in PARAMETERS.items()])


def stack_policy(allowed: Collection[str] = ()) -> str:
    """Denies every update that would replace or delete what holds data, but for the logical IDs ``allowed``.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html
    """
    guarded = [f"LogicalResourceId/{title}" for title in (*_DATA_LAYERS, *DATA_BEARING) if title not in allowed]
    return _json(
        {
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
    )


def _json(data: Any) -> str:
    return json.dumps(data, indent=2) + "\n"
