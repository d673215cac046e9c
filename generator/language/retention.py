"""What must outlive the stack, and how CloudFormation is told so.

``RetainExceptOnCreate``: a deleted stack leaves the resource, a first deployment that fails does not.
``UpdateReplacePolicy`` does not know that value.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html
"""

from __future__ import annotations

from typing import Any

RETAIN: dict[str, Any] = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
DISPOSABLE: dict[str, Any] = {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}
RETAIN_ALWAYS: dict[str, Any] = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
"""For what something else writes to at once, so that removing it after a failed first deployment would fail too."""
