"""``deployer.yaml``: what a person or a pipeline needs to deploy the templates and run the commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from troposphere import Join, Ref, Sub, Template
from troposphere.iam import ManagedPolicy

from generator.catalog import boundary as limits
from generator.catalog.actions import SERVICES
from generator.catalog.held import given
from generator.catalog.policies import IMAGE_PARAMETERS, Deployer, secret_arns, stack_statements, statements
from generator.language.editions import Form, Single
from generator.language.wiring import Group, Kind, Setting, Wire
from generator.parts.descriptions import DESCRIPTIONS

STACK_NAME = Setting(
    name="StackName",
    label="Name of the stacks",
    description="What the names of the stacks begin with that may be deployed.",
    default="pypi",
    pattern="^[a-z][a-z0-9-]{1,30}$",
    constraint="must be 2 to 31 lower-case letters, digits and hyphens, and begin with a letter",
)
ROLE_NAME = Setting(
    name="RoleName",
    label="Role that deploys",
    description="Name of an IAM role, without its path, which gets the policies. Empty: attach those of the outputs yourself.",
    default="",
    pattern=r"^[A-Za-z0-9_+=,.@-]{0,64}$",
    constraint="must be the name of an IAM role, not its ARN, or empty",
)
_FORM = Form(groups=(Group("Deployer", (STACK_NAME, ROLE_NAME)),))
_STACKS = "${StackName}*"
_BUCKET = "arn:${AWS::Partition}:s3:::pypiserver-templates-${AWS::AccountId}-*"
"""The bucket that ``publish`` creates unless given one."""
_LOG_GROUPS = f"arn:${{AWS::Partition}}:logs:*:${{AWS::AccountId}}:log-group:{_STACKS}"
"""CloudFormation prefixes their names with the stack's."""
_REPOSITORIES = "arn:${AWS::Partition}:ecr:*:${AWS::AccountId}:repository/*"

COMMANDS = {
    "backup": (
        "DescribeProtectedResource",
        "DescribeRestoreJob",
        "GetRecoveryPointRestoreMetadata",
        "ListRecoveryPointsByBackupVault",
        "ListRestoreJobs",
        "ListRestoreJobsByProtectedResource",
        "StartRestoreJob",
    ),
    "cloudformation": ("DescribeEvents", "DescribeStackDriftDetectionStatus", "GetTemplateSummary", "ValidateTemplate"),
    "ecr": ("GetAuthorizationToken",),
    "iam": ("GetOutboundWebIdentityFederationInfo",),
    "logs": ("GetQueryResults",),
    "route53": ("ListHostedZones",),
    "servicecatalog": (
        "CreateProvisioningArtifact",
        "DescribeProvisioningArtifact",
        "ListProvisioningArtifacts",
        "UpdateProvisioningArtifact",
    ),
    "sts": ("GetCallerIdentity",),
}
"""What the commands call in addition, and what a stack of the templates needs, on any resource."""


def deployer(templates: Mapping[str, Template]) -> dict[str, Template]:
    """The template by its file name; who has its policies can deploy ``templates``."""
    edition = Single("deployer.yaml", DESCRIPTIONS["deployer.yaml"], _FORM)
    stack = edition.stack("Deployer", "")
    boundary = stack.add(
        ManagedPolicy(
            "RoleBoundary",
            Description="The most that roles of a private PyPI may do",
            PolicyDocument=limits.boundary(),
        )
    )
    # Declared here, as the policies have it within texts.
    stack.take(STACK_NAME)
    who = Deployer(
        templates=tuple(templates.values()),
        stacks=_STACKS,
        boundary=Ref(boundary),
        zones=[Sub("arn:${AWS::Partition}:route53:::hostedzone/*")],
        locks=True,
    )
    documents = {name: statements(who, services) for name, services in SERVICES.items()}
    documents["Stacks"] = [stack_statements(_STACKS), *_commands(who)]
    policies = [
        stack.add(
            ManagedPolicy(
                f"Deploy{name}",
                PolicyDocument={"Version": "2012-10-17", "Statement": its},
                Roles=stack.if_(given(ROLE_NAME), [stack.take(ROLE_NAME)]),
            )
        )
        for name, its in documents.items()
    ]
    boundary_arn: Wire[Kind] = stack.offer("RoleBoundaryArn", Ref(boundary), "PermissionsBoundaryArn of every stack.")
    arns: Wire[Kind] = stack.offer("PolicyArns", Join(",", [Ref(it) for it in policies]), "The policies.")
    edition.expose(boundary_arn, arns)
    return edition.templates()


def _commands(deployer: Deployer) -> list[dict[str, Any]]:
    def allow(service: str, names: tuple[str, ...], *resources: object) -> dict[str, Any]:
        return {"Effect": "Allow", "Action": [f"{service}:{name}" for name in names], "Resource": list(resources)}

    layers = ("BatchCheckLayerAvailability", "CompleteLayerUpload", "InitiateLayerUpload", "UploadLayerPart")
    images = ("BatchGetImage", "CreateRepository", "DescribeImages", "DescribeRepositories", "PutImage")
    return [
        *(allow(service, names, "*") for service, names in COMMANDS.items()),
        allow("ecr", (*images, *layers), Sub(_REPOSITORIES)),
        allow("logs", ("StartQuery",), Sub(_LOG_GROUPS)),
        allow("s3", ("CreateBucket", "ListBucket", "PutBucketPublicAccessBlock"), Sub(_BUCKET)),
        allow("s3", ("GetObject", "PutObject"), Sub(f"{_BUCKET}/*")),
        allow("ssm", ("GetParameters",), IMAGE_PARAMETERS),
        allow(
            "secretsmanager",
            ("DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"),
            *secret_arns(deployer.templates),
        ),
    ]
