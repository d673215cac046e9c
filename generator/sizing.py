"""Facts about EC2 instance types, and the arithmetic that becomes Mappings and Rules.

CloudFormation cannot calculate: every formula here becomes a table in a Mapping (``FindInMap`` looks up the result)
or a Rule (which refuses what does not fit). Memory is in MiB, CPU in CPU units (1024 to a vCPU).
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple


class Instance(NamedTuple):
    architecture: str
    vcpus: int
    memory: int


_BURSTABLE = {
    "micro": (2, 1),
    "small": (2, 2),
    "medium": (2, 4),
    "large": (2, 8),
    "xlarge": (4, 16),
    "2xlarge": (8, 32),
}
_COMPUTE = {"large": (2, 4), "xlarge": (4, 8), "2xlarge": (8, 16), "4xlarge": (16, 32)}
_GENERAL = {"large": (2, 8), "xlarge": (4, 16), "2xlarge": (8, 32), "4xlarge": (16, 64)}
_X86 = "x86_64"
_ARM = "arm64"
# vCPUs and GiB by size, from https://docs.aws.amazon.com/ec2/latest/instancetypes/
_FAMILIES = {
    "t3": (_X86, _BURSTABLE),
    "t3a": (_X86, _BURSTABLE),
    "t4g": (_ARM, _BURSTABLE),
    "m5": (_X86, _GENERAL),
    "m6a": (_X86, _GENERAL),
    "m6g": (_ARM, _GENERAL),
    "m6i": (_X86, _GENERAL),
    "m7a": (_X86, _GENERAL),
    "m7g": (_ARM, _GENERAL),
    "m7i": (_X86, _GENERAL),
    "m8g": (_ARM, _GENERAL),
    "m8i": (_X86, _GENERAL),
    "c5": (_X86, _COMPUTE),
    "c6a": (_X86, _COMPUTE),
    "c6g": (_ARM, _COMPUTE),
    "c6i": (_X86, _COMPUTE),
    "c7a": (_X86, _COMPUTE),
    "c7g": (_ARM, _COMPUTE),
    "c7i": (_X86, _COMPUTE),
    "c8g": (_ARM, _COMPUTE),
    "c8i": (_X86, _COMPUTE),
}

INSTANCES: dict[str, Instance] = {
    f"{family}.{size}": Instance(architecture, vcpus, gibibytes * 1024)
    for family, (architecture, sizes) in _FAMILIES.items()
    for size, (vcpus, gibibytes) in sizes.items()
}

MEMORY_SIZES = (128, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 30720)
CONTAINER_CPU = (128, 256, 512, 1024, 2048, 4096)

FARGATE = {
    256: (512, 2048),
    512: (1024, 4096),
    1024: (2048, 8192),
    2048: (4096, 16384),
    4096: (8192, 30720),
}
"""Minimum and maximum memory of a task on Fargate by its CPU units, in steps of 1024."""

ECS_RESERVED_MEMORY = 256
"""Reserved for what runs next to the tasks: Docker, the ECS and Systems Manager agents, and an efs-proxy for each task.

efs-utils 2 runs one efs-proxy for each mount, which is each task here. AWS gives no figure; others measured tens of
MiB idle, some hundred under load (https://github.com/aws/efs-utils/issues/261).
"""
AGENT_MEMORY = 64
AGENT_CPU = 64
"""What the CloudWatch agent's daemon task reserves on each host."""

MAX_SUBNETS = 6
MAX_TASKS = 50
MAX_TASKS_PER_INSTANCE = 10


def task_memory(nominal: int) -> int:
    """MiB for our tasks on an instance advertised with ``nominal`` MiB.

    ECS registers the kernel's MemTotal, which depends on architecture and kernel version and is 5 to 11 % below
    the advertised figure; this takes 10 % and 16 MiB off, so that it errs to the low side.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/memory-management.html
    """
    return nominal * 9 // 10 - 16 - ECS_RESERVED_MEMORY - AGENT_MEMORY


def task_cpu(vcpus: int) -> int:
    """CPU units for our tasks on an instance of ``vcpus``."""
    return vcpus * 1024 - AGENT_CPU


def reservation(memory: int) -> int:
    """Automatic soft limit of a container with ``memory`` as its hard one: three quarters."""
    return memory * 3 // 4


def workers(memory: int) -> int:
    """Automatic number of gunicorn workers: one per 256 MiB, one to four."""
    return max(1, min(4, memory // 256))


def cpu(memory: int) -> int:
    """Automatic CPU reservation: a quarter of a vCPU per automatic worker."""
    return workers(memory) * 256


def fargate_memory(cpu_units: int) -> list[int]:
    """Of the memory sizes that the form offers, those that Fargate supports with this much CPU.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
    """
    least, most = FARGATE[cpu_units]
    return [it for it in MEMORY_SIZES if least <= it <= most and (it == least or it % 1024 == 0)]


def fargate_cpu(memory: int) -> int:
    """Automatic CPU of a task on Fargate: the most that goes with ``memory`` and does not exceed ``cpu``, or the least.

    A size that Fargate does not support gets 256: the Rules refuse it, the Mapping needs an answer.
    """
    going = [units for units in FARGATE if memory in fargate_memory(units)] or [min(FARGATE)]
    return max((units for units in going if units <= cpu(memory)), default=going[0])


def tasks_per_instance(available: int, wanted: int) -> int:
    """How many tasks of ``wanted`` fit in ``available``, counted from 1 to ``MAX_TASKS_PER_INSTANCE``.

    A task that does not fit at all counts as 1: the Rules refuse it, the Mapping needs an answer.
    """
    return max(1, min(MAX_TASKS_PER_INSTANCE, available // wanted))


def group_size(tasks: int, per_instance: int) -> int:
    """Automatic maximum size of the group: room for ``tasks``, one instance to spare for a deployment or a
    refresh, and more than the automatic minimum (one instance per subnet) whatever the number of subnets.
    """
    return max(ceil(tasks / per_instance) + 1, MAX_SUBNETS + 1)


def _capacity(vcpus: int, memory: int) -> str:
    return f"{vcpus}x{memory // 1024}"


def instance_table() -> dict[str, dict[str, str]]:
    """By instance type: architecture, and capacity as a column of ``tasks_table`` (vCPUs x GiB)."""
    return {
        name: {"Architecture": it.architecture, "Capacity": _capacity(it.vcpus, it.memory)}
        for name, it in INSTANCES.items()
    }


def container_table() -> dict[str, dict[str, str]]:
    """By container memory: the automatic soft limit, number of workers and CPU reservation, on hosts and on Fargate."""
    return {
        str(memory): {
            "Reservation": str(reservation(memory)),
            "Workers": str(workers(memory)),
            "Cpu": str(cpu(memory)),
            "FargateCpu": str(fargate_cpu(memory)),
        }
        for memory in MEMORY_SIZES
    }


def tasks_table() -> dict[str, dict[str, str]]:
    """By container memory and capacity of an instance: how many tasks fit, by memory and by automatic CPU."""
    return {
        str(memory): {
            _capacity(vcpus, nominal): str(
                min(tasks_per_instance(task_memory(nominal), memory), tasks_per_instance(task_cpu(vcpus), cpu(memory)))
            )
            for vcpus, nominal in sorted({(it.vcpus, it.memory) for it in INSTANCES.values()})
        }
        for memory in MEMORY_SIZES
    }


def group_size_table() -> dict[str, dict[str, str]]:
    """By maximum number of tasks and tasks per instance: the automatic maximum size of the group."""
    return {
        str(tasks): {str(per): str(group_size(tasks, per)) for per in range(1, MAX_TASKS_PER_INSTANCE + 1)}
        for tasks in range(1, MAX_TASKS + 1)
    }
