"""Our templates as the deployments that they become: parameters and conditions are gone, references stand.

A scanner that reads conditions guesses at them, and reports what no deployment has.
"""

from __future__ import annotations

import json
import re
from typing import Any

from deployments import CATALOG, DEFAULTS, Editions, everything
from resolve import PLACES, Data, Evaluation

from generator.build.examples import PARAMETERS
from generator.catalog.deployer import deployer
from generator.catalog.template import catalog
from generator.parent import templates

DNS = {
    "HostedZoneName": "example.com",
    "HostedZoneId": "Z0123456789ABC",
    "LoadBalancerDnsName": "pypi-1.eu-west-1.elb.amazonaws.com",
    "LoadBalancerHostedZoneId": "Z1123456789ABC",
}
CI = {
    "SecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ReaderSecret-AbCd-a1B2c3",
    "GitHubSubjects": "repo:octo-org/octo-repo:environment:release",
    "GitLabSubjects": "project_path:group/project:ref_type:branch:ref:main",
}
_TOKEN = re.compile(r"<(\w+)(?:\.([\w.]+))?>")
"""How ``resolve`` writes a reference to a resource, and to an attribute of one."""


def deployments() -> dict[str, Data]:
    """A template without parameters and conditions for each representative deployment, by name."""
    built = templates()
    editions = Editions({name: template.to_dict() for name, template in built.items()})
    found = {f"defaults-{place.partition}": editions.single(DEFAULTS, place) for place in PLACES}
    found["production"] = editions.single(PARAMETERS)
    found["everything"] = editions.single(everything())
    found["fargate"] = editions.single({"Capacity": "fargate", "EnableContainerInsights": "false"})
    product = catalog(built["pypiserver-single.yaml"])["service-catalog.yaml"]
    found["service-catalog"] = Evaluation(product.to_dict(), CATALOG)
    found["deployer"] = Evaluation(deployer(built)["deployer.yaml"].to_dict(), {"RoleName": "ci"})
    for nat in ("each-zone", "none"):
        given = {"NatGateways": nat, "AvailabilityZones": "eu-west-1a,eu-west-1b,eu-west-1c", "FlowLogs": "true"}
        found[f"network-nat-{nat}"] = Evaluation(editions.templates["network.yaml"], given)
    found["network"] = Evaluation(editions.templates["network.yaml"], {})
    found["ci-access"] = Evaluation(editions.templates["ci-access.yaml"], CI)
    tested = {"FileSystemId": "fs-0123456789abcdef0", "BackupVaultName": "packages"}
    found["restore-testing"] = Evaluation(editions.templates["restore-testing.yaml"], tested)
    found["web-acl"] = Evaluation(editions.templates["web-acl.yaml"], {})
    found["dns"] = Evaluation(editions.templates["dns.yaml"], DNS)
    return {name: {"Resources": _plain(it.resources)} for name, it in found.items()}


def _plain(resources: Data) -> Data:
    plain: Data = _referring(resources, resources)
    for resource in plain.values():
        properties = resource["Properties"]
        match resource["Type"]:
            case "AWS::AutoScaling::AutoScalingGroup":
                # Scanners look for the launch template here only, and else know nothing of the hosts' disks and IMDS.
                policy = properties["MixedInstancesPolicy"]["LaunchTemplate"]
                properties["LaunchTemplate"] = policy["LaunchTemplateSpecification"]
            case "AWS::EC2::LaunchTemplate":
                # The parameter store's value, in the form that CDK insists on.
                properties["LaunchTemplateData"]["ImageId"] = "ami-0123456789abcdef0"
    return plain


def _referring(value: Any, resources: Data) -> Any:
    """``value`` with intrinsic functions in the place of tokens, as scanners follow references."""
    if isinstance(value, dict):
        return {key: _referring(_document(key, item), resources) for key, item in value.items()}
    if isinstance(value, list):
        return [_referring(item, resources) for item in value]
    if not isinstance(value, str) or not any(match[1] in resources for match in _TOKEN.finditer(value)):
        return value
    if (whole := _TOKEN.fullmatch(value)) is not None:
        return {"Fn::GetAtt": [whole[1], whole[2]]} if whole[2] else {"Ref": whole[1]}
    parts = _TOKEN.sub(r"${\1.\2}", value.replace("${", "${!")).replace(".}", "}")
    return {"Fn::Sub": parts}


def _document(key: str, value: Any) -> Any:
    """The policy that an operator gives is text; CDK knows policies as maps only."""
    return json.loads(value) if key == "PolicyDocument" and isinstance(value, str) else value
