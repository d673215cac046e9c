"""The policy of the file system, as plain data: the template has it, and a restored file system gets it."""

from __future__ import annotations

from typing import Any

ONLY_TLS: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "DenyUnencryptedTransport",
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": ["*"],
            "Resource": ["*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ],
}
"""Admits only TLS clients with a role that may mount it; without any policy, EFS admits all that reach a mount target.

https://docs.aws.amazon.com/efs/latest/ug/iam-access-control-nfs-efs.html#default-filesystempolicy
"""
