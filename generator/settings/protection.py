"""What protects the deployment from its own operators, and what a deletion removes."""

from __future__ import annotations

from generator.language.wiring import Group, Setting
from generator.settings.values import POLICY_ARN, SWITCH, optional

DELETION_PROTECTION = Setting(
    name="DeletionProtection",
    label="Deletion protection of the load balancer",
    description="Turn it on after the first deployment: a failed first one could not roll back.",
    default="false",
    values=SWITCH,
)
ACCESS_LOG_FORCE_DESTROY = Setting(
    name="AccessLogForceDestroy",
    label="Delete access logs with the stack",
    description="true: the bucket is emptied and deleted. false: it stays.",
    default="false",
    values=SWITCH,
)
PERMISSIONS_BOUNDARY_ARN = Setting(
    name="PermissionsBoundaryArn",
    label="Permissions boundary",
    description="IAM policy for all roles. Empty: none.",
    default="",
    pattern=optional(POLICY_ARN),
    constraint="must be the ARN of an IAM policy, or empty",
)

PROTECTION = Group("Protection", (DELETION_PROTECTION, ACCESS_LOG_FORCE_DESTROY, PERMISSIONS_BOUNDARY_ARN))
