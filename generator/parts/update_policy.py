"""``UpdatePolicy.AutoScalingInstanceRefresh``, which troposphere 4.11 does not know yet.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-updatepolicy.html
"""

from __future__ import annotations

from troposphere.policies import UpdatePolicy


class _UpdatePolicy(UpdatePolicy):
    props = {**UpdatePolicy.props, "AutoScalingInstanceRefresh": (dict, False)}


def instance_refresh() -> UpdatePolicy:
    """Start half as many new hosts first, then drain and terminate as many old ones, protected or not.

    Twice as many at once would need twice the account's vCPU quota.
    """
    return _UpdatePolicy(
        AutoScalingInstanceRefresh={
            "Strategy": "Rolling",
            "Preferences": {
                "MinHealthyPercentage": 100,
                "MaxHealthyPercentage": 150,
                "ScaleInProtectedInstances": "Refresh",
            },
        }
    )
