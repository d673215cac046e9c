"""What becomes of a resource that leaves the stack, in the words of CloudFormation's DeletionPolicy.

``RetainExceptOnCreate``: a deleted stack leaves the resource, a first deployment that fails does not.
``UpdateReplacePolicy`` does not know that value.
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
"""For what something else writes to at once: then its removal after a failed first deployment would fail too."""
