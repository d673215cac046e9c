"""Parameters derived from others unless given: the end of the form, which few open."""

from __future__ import annotations

from generator.language.wiring import Group, Setting
from generator.settings.values import one_of, optional, whole_number
from generator.sizing import CONTAINER_CPU, MEMORY_SIZES
from server import contract

MAX_GROUP_MIN = 10

CONTAINER_MEMORY_RESERVATION = Setting(
    name="ContainerMemoryReservation",
    label="Memory reserved for a task (MiB)",
    description="0: three quarters of the limit.",
    default="0",
    values=one_of(0, *MEMORY_SIZES),
)
CONTAINER_CPU_UNITS = Setting(
    name="ContainerCpu",
    label="CPU units reserved for a task",
    description="1024 per vCPU. 0: 256 for each automatic worker.",
    default="0",
    values=one_of(0, *CONTAINER_CPU),
)
GUNICORN_WORKERS = Setting(
    name="GunicornWorkers",
    label="Worker processes in a task",
    description="0: one for every 256 MiB of the memory limit, 1 to 4.",
    default="0",
    values=one_of(*range(contract.GUNICORN_WORKERS.most + 1)),
)
ASG_INSTANCE_TYPE_OVERRIDE = Setting(
    name="AsgInstanceTypeOverride",
    label="Instance type that AsgInstanceType does not list",
    description="Hosts are of this type, and counted as if they were of AsgInstanceType: choose there one of the same architecture, with no more memory and vCPUs. Empty: AsgInstanceType.",
    default="",
    pattern=optional(r"[a-z][a-z0-9-]*\.[a-z0-9-]+"),
    constraint="must be an EC2 instance type, e.g. m7gd.medium, or empty",
)
ASG_MIN_SIZE = Setting(
    name="AsgMinSize",
    label="Minimum number of hosts",
    description="0: one for each subnet.",
    default="0",
    values=one_of(*range(MAX_GROUP_MIN + 1)),
)
ASG_MAX_SIZE = Setting(
    name="AsgMaxSize",
    label="Maximum number of hosts",
    description="0 to 100. 0: enough for the maximum number of tasks, plus one.",
    default="0",
    pattern=f"^({whole_number(0, 100)})$",
    constraint="must be a whole number from 0 to 100",
)
AMI_ID = Setting(
    name="AmiId",
    label="AMI",
    description="An ECS-optimised Amazon Linux 2023 image of the type's architecture. Empty: the newest at each deployment.",
    default="",
    pattern=optional("ami-[0-9a-f]{8,17}"),
    constraint="must be an AMI ID, e.g. ami-0123456789abcdef0, or empty",
)
LATEST_X86_AMI_ID = Setting(
    name="LatestX86AmiId",
    label="SSM parameter of the newest x86 AMI",
    description="Leave as it is.",
    type="AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
    default="/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id",
)
LATEST_ARM_AMI_ID = Setting(
    name="LatestArmAmiId",
    label="SSM parameter of the newest Graviton AMI",
    description="Leave as it is.",
    type="AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
    default="/aws/service/ecs/optimized-ami/amazon-linux-2023/arm64/recommended/image_id",
)

AUTOMATIC = Group(
    "Automatic: leave as they are",
    (
        CONTAINER_MEMORY_RESERVATION,
        CONTAINER_CPU_UNITS,
        GUNICORN_WORKERS,
        ASG_INSTANCE_TYPE_OVERRIDE,
        ASG_MIN_SIZE,
        ASG_MAX_SIZE,
        AMI_ID,
        LATEST_X86_AMI_ID,
        LATEST_ARM_AMI_ID,
    ),
)
