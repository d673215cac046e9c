"""The two task definitions: pypiserver, and the agent that ships the hosts' logs."""

from __future__ import annotations

from troposphere import FindInMap, If, Join, NoValue, Ref, Sub, ecs
from troposphere.logs import LogGroup

from generator import conditions, kinds, settings
from generator.language.wiring import Expression, Stack, Wire
from generator.parts import container_program
from generator.parts.tags import tags
from generator.parts.user_data import LOG_AGENT_CONFIG
from generator.sizing import AGENT_CPU, AGENT_MEMORY, container_table

CONTAINER_PORT = 8080
PACKAGES = "/data/packages"
PYPISERVER_USER = "9898:9898"
STOP_TIMEOUT = 120
"""Seconds; ECS's maximum, for transfers under way."""


def pypiserver(
    stack: Stack,
    *,
    execution_role: Expression,
    log: LogGroup,
    file_system: Wire[kinds.FileSystemId],
    access_point: Wire[kinds.AccessPointId],
    task_role: Wire[kinds.RoleArn],
    publisher: Wire[kinds.SecretArn],
    reader: Wire[kinds.SecretArn],
) -> ecs.TaskDefinition:
    """One container on the packages' access point: not root, read-only, secrets from Secrets Manager."""
    service = stack.take(settings.SERVICE_NAME)
    memory = stack.take(settings.CONTAINER_MEMORY_LIMIT)

    def automatic(column: str) -> FindInMap:
        return FindInMap(stack.mapping("Containers", container_table()), memory, column)

    container = ecs.ContainerDefinition(
        Name=service,
        Image=If(
            stack.when(conditions.HAS_CONTAINER_IMAGE),
            stack.take(settings.CONTAINER_IMAGE),
            Join(":", ["pypiserver/pypiserver", stack.take(settings.DOCKER_IMAGE_TAG)]),
        ),
        Essential=True,
        Memory=memory,
        MemoryReservation=If(
            stack.when(conditions.HAS_MEMORY_RESERVATION),
            stack.take(settings.CONTAINER_MEMORY_RESERVATION),
            automatic("Reservation"),
        ),
        Cpu=If(stack.when(conditions.HAS_CONTAINER_CPU), stack.take(settings.CONTAINER_CPU_UNITS), automatic("Cpu")),
        User=PYPISERVER_USER,
        Privileged=False,
        # ECS Exec writes its agent into the container.
        ReadonlyRootFilesystem=If(stack.when(conditions.IS_EXECUTE_COMMAND), False, True),
        LinuxParameters=ecs.LinuxParameters(
            InitProcessEnabled=True,
            Capabilities=ecs.KernelCapabilities(Drop=["ALL"]),
            Tmpfs=[ecs.Tmpfs(ContainerPath="/tmp", Size=64, MountOptions=["noexec", "nosuid", "nodev"])],
        ),
        PortMappings=[ecs.PortMapping(ContainerPort=CONTAINER_PORT, HostPort=0, Protocol="tcp")],
        MountPoints=[ecs.MountPoint(SourceVolume="packages", ContainerPath=PACKAGES, ReadOnly=False)],
        EntryPoint=container_program.entry_point(),
        Command=container_program.command(),
        Environment=[
            ecs.Environment(Name=name, Value=value)
            for name, value in {
                "FALLBACK_URL": stack.take(settings.FALLBACK_URL),
                "GUNICORN_WORKERS": If(
                    stack.when(conditions.HAS_GUNICORN_WORKERS),
                    stack.take(settings.GUNICORN_WORKERS),
                    automatic("Workers"),
                ),
                "IMMUTABLE_PACKAGES": stack.take(settings.IMMUTABLE_PACKAGES),
                "PACKAGE_BACKEND": stack.take(settings.PACKAGE_BACKEND),
                "PACKAGES_DIRECTORY": PACKAGES,
                "PORT": str(CONTAINER_PORT),
            }.items()
        ],
        Secrets=[
            *_secrets("PUBLISHER", stack.take(publisher)),
            *(
                If(stack.when(conditions.HAS_READER), secret, NoValue)
                for secret in _secrets("READER", stack.take(reader))
            ),
        ],
        HealthCheck=ecs.HealthCheck(
            Command=["CMD", "python3", "-c", _HEALTH_CHECK], Interval=30, Timeout=10, Retries=3, StartPeriod=60
        ),
        StopTimeout=STOP_TIMEOUT,
        LogConfiguration=_awslogs(log, "pypiserver"),
    )
    return stack.add(
        ecs.TaskDefinition(
            "TaskDefinition",
            Family=service,
            NetworkMode="bridge",
            RequiresCompatibilities=["EC2"],
            ExecutionRoleArn=execution_role,
            TaskRoleArn=stack.take(task_role),
            ContainerDefinitions=[container],
            Volumes=[
                ecs.Volume(
                    Name="packages",
                    EFSVolumeConfiguration=ecs.EFSVolumeConfiguration(
                        FilesystemId=stack.take(file_system),
                        TransitEncryption="ENABLED",
                        AuthorizationConfig=ecs.AuthorizationConfig(
                            AccessPointId=stack.take(access_point), IAM="ENABLED"
                        ),
                    ),
                )
            ],
            Tags=tags(stack, "tasks"),
        )
    )


def _secrets(account: str, secret: Expression) -> list[ecs.Secret]:
    """``ACCOUNT_USERNAME`` and ``ACCOUNT_PASSWORD`` from the JSON of ``secret``."""
    return [
        ecs.Secret(Name=f"{account}_{field.upper()}", ValueFrom=Sub(f"${{Secret}}:{field}::", Secret=secret))
        for field in ("username", "password")
    ]


_HEALTH_CHECK = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{CONTAINER_PORT}/health', timeout=8)"


def log_agent(stack: Stack, *, execution_role: Expression, task_role: Expression, log: LogGroup) -> ecs.TaskDefinition:
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
