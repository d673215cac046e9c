"""`templates/parameters.example.json`: parameters to start from."""

from __future__ import annotations

import json

PARAMETERS = {
    "VpcId": "vpc-0123456789abcdef0",
    "LoadBalancerSubnets": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "AsgSubnets": "subnet-0123456789abcdef2,subnet-0123456789abcdef3",
    "HostedZoneName": "example.com",
    "HostedZoneId": "Z1234567890ABC",
    "IngressCidrs": "203.0.113.0/24",
    "AlarmEmails": "ops@example.com",
    "Environment": "production",
    "DnsNames": "pypi",
    "AsgInstanceType": "t3.small",
    "BackupRetentionDays": "30",
}
"""What a production deployment sets; the operator's own identifiers go where the example's stand."""


def example_parameters() -> str:
    """For ``aws cloudformation deploy --parameter-overrides file://…``."""
    return json.dumps([f"{name}={value}" for name, value in PARAMETERS.items()], indent=2) + "\n"
