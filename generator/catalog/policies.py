"""The actions that a deployment needs as statements of policies, narrowed to what belongs to the deployment's stacks.

CloudFormation begins the names of roles, functions and buckets with their stack's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from troposphere import Ref, Sub, Template

from generator.catalog.actions import actions
from generator.parts import container_program
from generator.parts.tags import PROJECT

IMAGE_PARAMETERS = Sub("arn:${AWS::Partition}:ssm:*:*:parameter/aws/service/ecs/optimized-ami/*")
"""Where the newest images of hosts are named."""
_ROUTE53 = "arn:${AWS::Partition}:route53:::"
_SECRET = "arn:${{AWS::Partition}}:secretsmanager:*:${{AWS::AccountId}}:secret:{}*"
"""CloudFormation begins the name of a secret with its logical ID, unlike other names."""


@dataclass(frozen=True)
class Deployer:
    """Whoever deploys ``templates``, and the limits of it."""

    templates: Sequence[Template]
    stacks: str
    """Pattern of the stacks' names, in lower case where it has letters, as ``Fn::Sub`` takes it."""
    boundary: Ref
    """The permissions boundary of every role."""
    zones: Sequence[object]
    """ARNs of the hosted zones in which records are made."""
    locks: bool
    """Whether it may lock a vault for good."""


@dataclass(frozen=True)
class Scope:
    """What an action that ``pattern`` matches from its start may act on."""

    pattern: str
    resources: tuple[object, ...]
    condition: dict[str, Any] | None = None


def _scopes(deployer: Deployer) -> list[Scope]:
    """The first that matches an action is its scope.

    What gives a role permissions needs the boundary on that role:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    """
    account = "${AWS::Partition}:iam::${AWS::AccountId}"
    roles = Sub(f"arn:{account}:role/{deployer.stacks}")
    profiles = Sub(f"arn:{account}:instance-profile/{deployer.stacks}")
    providers = Sub(f"arn:{account}:oidc-provider/*")
    functions = Sub(f"arn:${{AWS::Partition}}:lambda:*:${{AWS::AccountId}}:function:{deployer.stacks}")
    bucket = f"arn:${{AWS::Partition}}:s3:::{deployer.stacks.replace('SC-', 'sc-')}"
    bounded = {"ArnEquals": {"iam:PermissionsBoundary": deployer.boundary}}
    attached = {"ArnLike": {"iam:PolicyARN": [Sub(arn) for arn in managed_policies(deployer.templates)]}}
    passed = {"StringEquals": {"iam:PassedToService": _trusted(deployer.templates)}}
    return [
        Scope("iam:CreateServiceLinkedRole", (Sub("arn:${AWS::Partition}:iam::*:role/aws-service-role/*"),)),
        Scope("iam:.*InstanceProfile", (profiles, roles)),
        Scope("iam:.*OpenIDConnectProvider", (providers,)),
        Scope("iam:AttachRolePolicy", (roles,), {**attached, **bounded}),
        Scope("iam:(CreateRole|PutRolePolicy|PutRolePermissionsBoundary)$", (roles,), bounded),
        Scope("iam:PassRole", (roles,), passed),
        Scope("iam:", (roles,)),
        # These name something else than a function, and change nothing.
        Scope("lambda:(List|GetLayerVersion|GetCodeSigningConfig|PassCapacityProvider)", ("*",)),
        Scope("lambda:", (functions,)),
        Scope("s3:.*Object(Acl|Version)?$", (Sub(f"{bucket}/*"),)),
        Scope("s3:", (Sub(bucket),)),
        Scope("secretsmanager:GetRandomPassword", ("*",)),
        Scope("secretsmanager:", tuple(secret_arns(deployer.templates))),
        Scope("kms:(Disable|PutKeyPolicy|Schedule)", ("*",), {"StringEquals": {"aws:ResourceTag/created_by": PROJECT}}),
        Scope("kms:(Decrypt|Encrypt|Generate|CreateGrant|RetireGrant)", ("*",), {"Null": {"kms:ViaService": "false"}}),
        Scope("route53:(ChangeResourceRecordSets|GetChange)", (Sub(f"{_ROUTE53}change/*"), *deployer.zones)),
        *([] if deployer.locks else [_REMOVABLE_LOCK]),
        Scope("", ("*",)),
    ]


_REMOVABLE_LOCK = Scope("backup:PutBackupVaultLock", ("*",), {"Null": {"backup:ChangeableForDays": "true"}})
"""Without days in which it can be changed a lock can always be: it is of governance, not of compliance.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbackup.html
"""


def statements(deployer: Deployer, services: Iterable[str]) -> list[dict[str, Any]]:
    """The actions of ``services`` that a deployment needs, as statements of a policy of ``deployer``'s."""
    wanted = sorted(it for it in actions(deployer.templates) if it.split(":")[0] in services)
    by_scope: dict[int, list[str]] = {}
    scopes = _scopes(deployer)
    for action in wanted:
        index = next(index for index, scope in enumerate(scopes) if re.match(scope.pattern, action))
        by_scope.setdefault(index, []).append(action)
    return [
        {
            "Effect": "Allow",
            "Action": named,
            "Resource": list(scopes[index].resources),
            **({"Condition": scopes[index].condition} if scopes[index].condition else {}),
        }
        for index, named in by_scope.items()
    ]


def stack_statements(stacks: str) -> dict[str, Any]:
    """To run the stacks themselves that ``stacks`` matches, as ``Deployer`` has it."""
    changes = ("CreateChangeSet", "DeleteChangeSet", "DescribeChangeSet", "ExecuteChangeSet", "ListChangeSets")
    reading = ("DescribeStackEvents", "DescribeStacks", "GetStackPolicy", "GetTemplate", "ListStackResources")
    names = ("CreateStack", "DeleteStack", "DetectStackDrift", "DetectStackResourceDrift", "SetStackPolicy")
    others = ("ContinueUpdateRollback", "UpdateStack", "UpdateTerminationProtection")
    return {
        "Effect": "Allow",
        "Action": [f"cloudformation:{it}" for it in sorted((*changes, *reading, *names, *others))],
        "Resource": [Sub(f"arn:${{AWS::Partition}}:cloudformation:*:${{AWS::AccountId}}:stack/{stacks}/*")],
    }


def zone_arn(zone: object) -> Sub:
    """Of the hosted zone with the ID ``zone``."""
    return Sub(f"{_ROUTE53}hostedzone/${{Zone}}", Zone=zone)


def managed_policies(templates: Iterable[Template]) -> list[str]:
    """ARNs, as ``Fn::Sub`` has them, of the AWS managed policies that the templates' roles have."""
    arn = r"arn:\$\{AWS::Partition\}:iam::aws:policy/[\w/-]+"
    found = (re.findall(arn, it.to_json()) for it in _of_type(templates, "AWS::IAM::Role"))
    return sorted({arn for arns in found for arn in arns})


def _of_type(templates: Iterable[Template], kind: str) -> list[Any]:
    return [it for template in templates for it in template.resources.values() if it.resource_type == kind]


def secret_arns(templates: Iterable[Template]) -> list[Sub]:
    """Of the templates' secrets, by what their names begin with.

    The program's by what its IDs have in common: an update of the product makes another, and removes this one.
    """
    program = container_program.SECRET
    titles = [it.title for it in _of_type(templates, "AWS::SecretsManager::Secret")]
    return [
        Sub(_SECRET.format(name))
        for name in sorted({program if title.startswith(program) else f"{title}-" for title in titles})
    ]


def _trusted(templates: Iterable[Template]) -> list[str]:
    """The services that may assume the templates' roles, by all names under which roles are passed to them.

    In China roles are passed to EC2 under two: https://github.com/terraform-aws-modules/terraform-aws-eks/pull/3422.
    """
    documents = [it.to_dict()["Properties"]["AssumeRolePolicyDocument"] for it in _of_type(templates, "AWS::IAM::Role")]
    principals = [statement["Principal"] for document in documents for statement in document["Statement"]]
    services = {it["Service"] for it in principals if "Service" in it}
    return sorted(services | {f"{it}.cn" for it in services if it == "ec2.amazonaws.com"})
