"""``UpdatePolicy.AutoScalingInstanceRefresh``, which troposphere 4.11 does not know yet.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-updatepolicy.html
"""

from __future__ import annotations

from troposphere.policies import UpdatePolicy


class _UpdatePolicy(UpdatePolicy):
    props = {**UpdatePolicy.props, "AutoScalingInstanceRefresh": (dict, False)}


def instance_refresh() -> UpdatePolicy:
    """Start the new hosts first, then drain and end the old ones, protected or not."""
    return _UpdatePolicy(
        AutoScalingInstanceRefresh={
            "Strategy": "Rolling",
            "Preferences": {
                "MinHealthyPercentage": 100,
                "MaxHealthyPercentage": 200,
                "ScaleInProtectedInstances": "Refresh",
            },
        }
    )
