"""The two task definitions: pypiserver, and the agent that ships the hosts' logs."""

from __future__ import annotations

from troposphere import FindInMap, If, Join, Ref, Select, Split, Sub, ecs
from troposphere.logs import LogGroup
from troposphere.secretsmanager import Secret

from generator import conditions, settings
from generator.language.retention import DELETE
from generator.language.wiring import Expression, Stack
from generator.parts import container_program, fargate
from generator.parts.records import full_name
from generator.parts.tags import tags
from generator.parts.user_data import LOG_AGENT_CONFIG
from generator.sizing import AGENT_CPU, AGENT_MEMORY, container_table
from server import contract

_DRAIN_SECONDS = 10
"""How long a task keeps accepting requests after SIGTERM. At the end of a Spot task, and with ``stop-task``, SIGTERM comes
before or while the target is deregistered, which takes a load balancer some seconds:
https://github.com/aws/containers-roadmap/issues/2673, https://github.com/aws/containers-roadmap/issues/708.
"""
_FILES = 65535
"""Open files and connections: Fargate's default, and more than Docker's on some host images.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Ulimit.html
"""
STOP_TIMEOUT = 120
"""Seconds; ECS's maximum, for transfers in progress."""
_VOLUME = "packages"


def pypiserver(
    stack: Stack, log: LogGroup, *, publisher: Expression, reader: Expression, tokens: Expression
) -> ecs.ContainerDefinition:
    """The server's container: not root, read-only, the accounts' credentials and tokens from the secrets of these ARNs.

    The secret with the rest of its program is added to ``stack``.
    """
    memory = stack.take(settings.CONTAINER_MEMORY)
    return ecs.ContainerDefinition(
        Name=stack.take(settings.SERVICE_NAME),
        Image=_image(stack),
        Essential=True,
        Memory=memory,
        MemoryReservation=stack.if_(conditions.IS_EC2, memory_reservation(stack)),
        Cpu=stack.if_(conditions.IS_EC2, fargate.cpu(stack, "Cpu"), fargate.cpu(stack, "FargateCpu")),
        User=f"{contract.USER_ID}:{contract.USER_ID}",
        # Fargate does not accept it.
        Privileged=stack.if_(conditions.IS_EC2, False),
        # ECS Exec writes its agent into the container.
        ReadonlyRootFilesystem=stack.if_(conditions.IS_EXECUTE_COMMAND, False, True),
        LinuxParameters=ecs.LinuxParameters(
            InitProcessEnabled=True,
            Capabilities=ecs.KernelCapabilities(Drop=["ALL"]),
            # On Fargate since January 2026, in all commercial regions; AWS says nothing about China and GovCloud:
            # https://aws.amazon.com/about-aws/whats-new/2026/01/amazon-ecs-tmpfs-mounts-aws-fargate-managed-instances/
            Tmpfs=[ecs.Tmpfs(ContainerPath="/tmp", Size=64, MountOptions=["noexec", "nosuid", "nodev"])],
        ),
        # Without a HostPort, Docker chooses one on a host, and a task with its own address uses the same:
        # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_PortMapping.html
        PortMappings=[ecs.PortMapping(ContainerPort=contract.PORT.default, Protocol="tcp")],
        Ulimits=[ecs.Ulimit(Name="nofile", SoftLimit=_FILES, HardLimit=_FILES)],
        MountPoints=[
            ecs.MountPoint(SourceVolume=_VOLUME, ContainerPath=contract.PACKAGES_DIRECTORY.default, ReadOnly=False)
        ],
        EntryPoint=container_program.entry_point(),
        Command=container_program.packed().command,
        Environment=[*_environment(stack), *_polled(stack, publisher, reader, tokens)],
        Secrets=[
            ecs.Secret(Name=container_program.VARIABLE, ValueFrom=Ref(_program(stack))),
            *_secrets(contract.PUBLISHER, publisher),
            *(stack.if_(conditions.HAS_READER, secret) for secret in _secrets(contract.READER, reader)),
        ],
        HealthCheck=ecs.HealthCheck(
            Command=["CMD", "python3", "-c", _HEALTH_CHECK], Interval=30, Timeout=10, Retries=10, StartPeriod=60
        ),
        StopTimeout=STOP_TIMEOUT,
        LogConfiguration=_awslogs(log, "pypiserver"),
    )


def _program(stack: Stack) -> Secret:
    """The part that does not fit into the command. It is not secret, but under the key that an operator may require for everything.

    A new program is a new resource: it exists before the service changes, the old one until the service has changed or
    gone back, and no task ever starts with the command of one and the rest of another.
    """
    program = container_program.packed()
    return stack.add(
        Secret(
            program.secret,
            **DELETE,
            Description="The end of the server's program, which begins in the task definition; nothing confidential",
            SecretString=program.rest,
            KmsKeyId=stack.if_(conditions.HAS_SECRET_KEY, settings.SECRET_KMS_KEY_ARN),
            Tags=tags(stack, "program"),
        )
    )


def memory_reservation(stack: Stack) -> If:
    """MiB reserved for a task; it may use more, up to its limit."""
    return stack.if_(
        conditions.HAS_MEMORY_RESERVATION,
        settings.CONTAINER_MEMORY_RESERVATION,
        _automatic(stack, "Reservation"),
    )


def _image(stack: Stack) -> If:
    given = stack.take(settings.CONTAINER_IMAGE)
    tagged = Join(":", ["pypiserver/pypiserver", stack.take(settings.DOCKER_IMAGE_TAG)])
    return stack.if_(conditions.HAS_CONTAINER_IMAGE, given, tagged)


def _automatic(stack: Stack, column: str) -> FindInMap:
    """The entry of ``sizing.container_table`` in ``column`` for a task's memory."""
    table = stack.mapping("Containers", container_table())
    return FindInMap(table, stack.take(settings.CONTAINER_MEMORY), column)


def _environment(stack: Stack) -> list[ecs.Environment]:
    """What the server reads, except the secrets."""
    values = {
        contract.DRAIN_SECONDS.name: str(_DRAIN_SECONDS),
        contract.FALLBACK_URL.name: stack.take(settings.FALLBACK_URL),
        contract.GUNICORN_WORKERS.name: stack.if_(
            conditions.HAS_GUNICORN_WORKERS, settings.GUNICORN_WORKERS, _automatic(stack, "Workers")
        ),
        contract.IMMUTABLE_PACKAGES.name: stack.take(settings.IMMUTABLE_PACKAGES),
        contract.RELEASE_OPEN_DAYS.name: stack.take(settings.RELEASE_OPEN_DAYS),
        contract.PACKAGES_DIRECTORY.name: contract.PACKAGES_DIRECTORY.default,
        contract.PORT.name: str(contract.PORT.default),
        contract.UPSTREAM_URL.name: stack.take(settings.UPSTREAM_URL),
        contract.UPSTREAM_FILE_HOSTS.name: stack.take(settings.UPSTREAM_FILE_HOSTS),
        contract.PRIVATE_NAMES.name: stack.take(settings.PRIVATE_NAMES),
        contract.MIN_RELEASE_AGE_DAYS.name: stack.take(settings.MIN_RELEASE_AGE_DAYS),
        contract.COOLDOWN_EXEMPT_NAMES.name: stack.take(settings.COOLDOWN_EXEMPT_NAMES),
        contract.BLOCKED_FILES.name: stack.take(settings.BLOCKED_FILES),
        contract.UPSTREAM_CACHE_GIB.name: stack.take(settings.UPSTREAM_CACHE_GIB),
    }
    return [ecs.Environment(Name=name, Value=value) for name, value in values.items()]


def _polled(stack: Stack, publisher: Expression, reader: Expression, tokens: Expression) -> list[ecs.Environment]:
    """The secrets that the server re-reads while it runs: the accounts' if they are rotated; and the endpoint that it asks."""
    values = {
        contract.PASSWORD_ROTATION_DAYS.name: stack.take(settings.PASSWORD_ROTATION_DAYS),
        contract.PUBLISHER.secret.name: publisher,
        contract.READER.secret.name: reader,
        contract.TOKENS_SECRET.name: stack.if_(conditions.HAS_TOKENS, tokens, ""),
        contract.AUDIENCE.name: stack.if_(conditions.HAS_TOKENS, _first_name(stack), ""),
        contract.SECRETS_ENDPOINT.name: Sub("https://secretsmanager.${AWS::Region}.${AWS::URLSuffix}"),
    }
    return [ecs.Environment(Name=name, Value=value) for name, value in values.items()]


def _first_name(stack: Stack) -> Expression:
    """The audience by which identity tokens name this index, and no other."""
    return full_name(stack, Select(0, Split(",", stack.take(settings.DNS_NAMES))))


def _secrets(account: contract.Account, secret: Expression) -> list[ecs.Secret]:
    """The account's user name and password, from the JSON of ``secret``."""
    return [
        ecs.Secret(Name=name, ValueFrom=Sub(f"${{Secret}}:{field}::", Secret=secret))
        for name, field in ((account.username, "username"), (account.password, "password"))
    ]


_HEALTH_CHECK = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{contract.PORT.default}{contract.HEALTH_PATH}', timeout=8)"


def on_packages(
    stack: Stack,
    server: ecs.ContainerDefinition,
    *,
    execution_role: Expression,
    task_role: Expression,
    file_system: Expression,
    access_point: Expression,
) -> ecs.TaskDefinition:
    """The task of ``server`` alone, which mounts the packages over TLS with the role ``task_role``."""
    return stack.add(
        ecs.TaskDefinition(
            "TaskDefinition",
            Family=stack.take(settings.SERVICE_NAME),
            **fargate.task(stack),
            ExecutionRoleArn=execution_role,
            TaskRoleArn=task_role,
            ContainerDefinitions=[server],
            Volumes=[
                ecs.Volume(
                    Name=_VOLUME,
                    EFSVolumeConfiguration=ecs.EFSVolumeConfiguration(
                        FilesystemId=file_system,
                        TransitEncryption="ENABLED",
                        AuthorizationConfig=ecs.AuthorizationConfig(AccessPointId=access_point, IAM="ENABLED"),
                    ),
                )
            ],
            Tags=tags(stack, "tasks"),
        )
    )


def log_agent(stack: Stack, log: LogGroup, *, execution_role: Expression, task_role: Expression) -> ecs.TaskDefinition:
    """The CloudWatch agent, with the host's logs and its configuration mounted read-only.

    It runs as root, as the log files are root's, with a writable root file system, where it keeps its state.
    """
    volumes = {"logs": "/var/log", "config": LOG_AGENT_CONFIG}
    mounts = {"logs": "/host/var/log", "config": "/etc/cwagentconfig"}
    agent = ecs.ContainerDefinition(
        Name="cloudwatch-agent",
        Image=stack.take(settings.CLOUDWATCH_AGENT_IMAGE),
        Essential=True,
        Cpu=AGENT_CPU,
        Memory=AGENT_MEMORY * 3,
        MemoryReservation=AGENT_MEMORY,
        Privileged=False,
        Environment=[ecs.Environment(Name="AWS_REGION", Value=Ref("AWS::Region"))],
        MountPoints=[
            ecs.MountPoint(SourceVolume=name, ContainerPath=path, ReadOnly=True) for name, path in mounts.items()
        ],
        LogConfiguration=_awslogs(log, "agent"),
    )
    return stack.add(
        ecs.TaskDefinition(
            "LogAgentTaskDefinition",
            Family=Join("-", [stack.take(settings.SERVICE_NAME), "log-agent"]),
            NetworkMode="bridge",
            RequiresCompatibilities=["EC2"],
            ExecutionRoleArn=execution_role,
            TaskRoleArn=task_role,
            ContainerDefinitions=[agent],
            Volumes=[ecs.Volume(Name=name, Host=ecs.Host(SourcePath=path)) for name, path in volumes.items()],
            Tags=tags(stack, "log-agent"),
        )
    )


def _awslogs(log: LogGroup, prefix: str) -> ecs.LogConfiguration:
    return ecs.LogConfiguration(
        LogDriver="awslogs",
        Options={
            "awslogs-group": Ref(log),
            "awslogs-region": Ref("AWS::Region"),
            "awslogs-stream-prefix": prefix,
            # A slow CloudWatch must not stop the server; what does not fit the buffer is dropped.
            "mode": "non-blocking",
            "max-buffer-size": "4m",
        },
    )
