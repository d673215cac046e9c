"""What happens to a resource that leaves the stack, as values of CloudFormation's DeletionPolicy.

``RetainExceptOnCreate``: a deleted stack leaves the resource, a failed first deployment does not.
``UpdateReplacePolicy`` does not support that value.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html
"""

from __future__ import annotations

from typing import Any

DELETE: dict[str, Any] = {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}
RETAIN_EXCEPT_ON_CREATE: dict[str, Any] = {
    "DeletionPolicy": "RetainExceptOnCreate",
    "UpdateReplacePolicy": "Retain",
}
RETAIN: dict[str, Any] = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
"""For what something else writes to at once: its removal after a failed first deployment would fail too."""
