"""What to do about the reasons that CloudFormation gives for a failure."""

from __future__ import annotations

import re

_KNOWN = {
    r"not authorized|access ?denied": "give the deploying role the action that the reason names",
    r"service.linked role": "create the service-linked roles, as docs/troubleshooting.md says, then deploy again",
    r"limit ?exceeded|quota|maximum number": "ask for a higher quota in Service Quotas, or free some",
    r"mount target already exists": "keep the order of AsgSubnets, with one subnet in each Availability Zone",
    r"already ?exists": "delete or adopt what an earlier stack has left under this name",
    r"\bCAA\b": "let the domain's CAA records admit amazon.com, or give CertificateArn",
    r"insufficient.*capacity": "choose another AsgInstanceType or other subnets",
    r"in use|has dependencies|dependent object|not ?empty": "remove what still uses it, then run this again",
}
_BY_TYPE = {
    "AWS::ECS::Service": "read why tasks stopped: `aws ecs describe-services`, and the tasks' and hosts' log groups",
    "AWS::CertificateManager::Certificate": "see that the hosted zone is the one that answers for the names",
    "AWS::AutoScaling::AutoScalingGroup": "read the group's activities: `aws autoscaling describe-scaling-activities`",
    "AWS::EFS::MountTarget": "give AsgSubnets one subnet in each Availability Zone",
}
"""For reasons that say only that the resource did not become stable."""


def advice(reason: str, kind: str) -> str:
    """What to do about ``reason`` of a failed resource of type ``kind``, in one line."""
    for pattern, known in _KNOWN.items():
        if re.search(pattern, reason, re.IGNORECASE):
            return f"to do: {known}"
    return f"to do: {_BY_TYPE.get(kind, 'fix what the reason names, then run this again')}"
