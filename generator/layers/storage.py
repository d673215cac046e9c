"""Where the packages live and how they survive: file system, access point, mount targets, backups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from awacs import elasticfilesystem, kms, secretsmanager, ssmmessages
from awacs.aws import Allow, Bool, Condition, Statement, StringEquals
from troposphere import GetAtt, Join, Ref
from troposphere.efs import AccessPoint, CreationInfo, MountTarget, PosixUser, RootDirectory
from troposphere.iam import Policy, Role, RolePolicy

from generator import conditions, kinds, settings
from generator.language.wiring import Expression, Stack, Wire, after
from generator.parts import backups
from generator.parts.file_system import file_system_arn, new_file_system
from generator.parts.iam import ECS_TASKS, document, may_use_secret_key, role
from generator.parts.lists import SUBNETS
from generator.parts.tags import tags
from server import contract


@dataclass(frozen=True, kw_only=True)
class Storage:
    file_system: Wire[kinds.FileSystemId]
    access_point: Wire[kinds.AccessPointId]
    task_role: Wire[kinds.RoleArn]
    vault: Wire[kinds.VaultName]


def storage(
    stack: Stack,
    *,
    file_system_group: Wire[kinds.SecurityGroupId],
    publisher: Wire[kinds.SecretArn],
    reader: Wire[kinds.SecretArn],
    tokens: Wire[kinds.TokensSecretArn],
) -> Storage:
    """The packages' directory, ready to be mounted, its backups, and the role that tasks mount it with.

    ``file_system_group``: security group of the mount targets.
    ``publisher``, ``reader``, ``tokens``: secrets that tasks re-read while they run.
    """
    new = new_file_system(stack)
    file_system = stack.if_(conditions.HAS_NEW_FILE_SYSTEM, Ref(new), settings.EXISTING_FILE_SYSTEM_ID)
    arn = file_system_arn(file_system)
    mount_targets = _mount_targets(stack, file_system, stack.take(file_system_group))
    access_point = _access_point(stack, file_system)
    task_role = _task_role(stack, [stack.take(publisher), stack.take(reader)], stack.take(tokens))
    may_mount = _may_mount(stack, task_role, arn, access_point)
    vault = backups.backups(stack, arn)
    return Storage(
        file_system=stack.offer("FileSystemId", file_system, "File system of the packages."),
        access_point=stack.offer(
            "AccessPointId",
            # Nothing can be mounted before the mount targets exist.
            after(Ref(access_point), *mount_targets),
            "Access point of the packages' directory.",
        ),
        task_role=stack.offer(
            "TaskRoleArn", after(GetAtt(task_role, "Arn"), Ref(may_mount)), "Role of the pypiserver tasks."
        ),
        vault=stack.offer("BackupVaultName", Ref(vault), "Vault of the backups."),
    )


def _mount_targets(stack: Stack, file_system: Expression, group: Expression) -> list[Expression]:
    """One in each of the hosts' subnets, which must be in different Availability Zones; returns their IDs."""
    targets: list[Expression] = []
    for slot in SUBNETS.of(stack):
        here = conditions.HAS_MOUNT_TARGETS
        if slot.index > 1:
            here = conditions.every(f"HasMountTarget{slot.index}", here, SUBNETS.has(slot.index))
        target = stack.add(
            MountTarget(
                f"MountTarget{slot.index}",
                Condition=stack.when(here),
                FileSystemId=file_system,
                SubnetId=slot.value,
                SecurityGroups=[group],
            )
        )
        targets.append(stack.if_(here, Ref(target), ""))
    return targets


def _access_point(stack: Stack, file_system: Expression) -> AccessPoint:
    """The packages' directory, in which everyone who mounts it acts as the image's user."""
    user = contract.USER_ID
    return stack.add(
        AccessPoint(
            "AccessPoint",
            FileSystemId=file_system,
            PosixUser=PosixUser(Uid=user, Gid=user),
            RootDirectory=RootDirectory(
                Path=stack.take(settings.PACKAGES_PATH),
                CreationInfo=CreationInfo(OwnerUid=user, OwnerGid=user, Permissions="0755"),
            ),
            AccessPointTags=tags(stack, "packages"),
        )
    )


def _may_mount(stack: Stack, task_role: Role, file_system_arn: Expression, access_point: AccessPoint) -> RolePolicy:
    """Lets the tasks read and write files through the access point, over TLS, and nothing else; no root access.

    Its name changes with the access point. So CloudFormation creates a new policy next to the old one, which old tasks
    need until the new ones have taken over, and removes the old one in the update's clean-up.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html
    """
    mount = Statement(
        Effect=Allow,
        Action=[elasticfilesystem.ClientMount, elasticfilesystem.ClientWrite],
        Resource=[file_system_arn],
        Condition=Condition(
            [
                StringEquals("elasticfilesystem:AccessPointArn", GetAtt(access_point, "Arn")),
                Bool("aws:SecureTransport", "true"),
            ]
        ),
    )
    return stack.add(
        RolePolicy(
            "TaskRolePackages",
            RoleName=Ref(task_role),
            PolicyName=Join("-", ["packages", Ref(access_point)]),
            PolicyDocument=document(mount),
        )
    )


def _task_role(stack: Stack, accounts: list[Expression], tokens: Expression) -> Role:
    """The role of the tasks, which may read these secrets if needed; ``_may_mount`` adds the packages."""
    # These four actions cannot be limited to a resource:
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html#ecs-exec-required-iam-permissions
    channels = Statement(
        Effect=Allow,
        Action=[
            ssmmessages.CreateControlChannel,
            ssmmessages.CreateDataChannel,
            ssmmessages.OpenControlChannel,
            ssmmessages.OpenDataChannel,
        ],
        Resource=["*"],
    )

    def read(*secrets: Expression) -> dict[str, Any]:
        return document(Statement(Effect=Allow, Action=[secretsmanager.GetSecretValue], Resource=list(secrets)))

    return role(
        stack,
        "TaskRole",
        "tasks",
        trusted=ECS_TASKS,
        policies=[
            stack.if_(
                conditions.IS_EXECUTE_COMMAND, Policy(PolicyName="execute-command", PolicyDocument=document(channels))
            ),
            stack.if_(conditions.HAS_ROTATION, Policy(PolicyName="read-accounts", PolicyDocument=read(*accounts))),
            stack.if_(conditions.HAS_TOKENS, Policy(PolicyName="read-tokens", PolicyDocument=read(tokens))),
            stack.if_(
                conditions.HAS_POLLED_KEY,
                Policy(PolicyName="decrypt-secrets", PolicyDocument=may_use_secret_key(stack, kms.Decrypt)),
            ),
        ],
    )
