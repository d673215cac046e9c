"""What differs if tasks run without hosts: on Fargate, platform version LATEST, which is 1.4.0.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
"""

from __future__ import annotations

from typing import Any, TypeVar

from troposphere import FindInMap, If, ecs

from generator import conditions, settings
from generator.language.wiring import Expression, Stack
from generator.sizing import container_table

PROVIDERS = ("FARGATE", "FARGATE_SPOT")
"""Every account has them: they are associated with a cluster, never created."""
Item = TypeVar("Item", ecs.CapacityProviderStrategy, ecs.CapacityProviderStrategyItem)


def strategy(stack: Stack, item: type[Item]) -> If:
    """The tasks' capacity providers, as items of the class that the property takes.

    With Spot, one task stays on demand; of the others about one in a hundred. A provider of weight 0 gets no task.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html
    """
    on_demand, spot = PROVIDERS
    return stack.if_(
        conditions.IS_SPOT_TASKS,
        [item(CapacityProvider=on_demand, Base=1, Weight=1), item(CapacityProvider=spot, Weight=100)],
        [item(CapacityProvider=on_demand, Base=1, Weight=100)],
    )


def network(stack: Stack, group: Expression) -> If:
    """Each task has its own address in the subnets."""
    addresses = ecs.AwsvpcConfiguration(
        AssignPublicIp=stack.take(settings.ASSIGN_PUBLIC_IP),
        SecurityGroups=[group],
        Subnets=stack.take(settings.ASG_SUBNETS),
    )
    return stack.if_(conditions.IS_FARGATE, ecs.NetworkConfiguration(AwsvpcConfiguration=addresses))


def cpu(stack: Stack, column: str) -> If:
    """CPU units of a task: the operator's figure, or the entry of ``sizing.container_table`` in ``column`` for its memory."""
    automatic = FindInMap(stack.mapping("Containers", container_table()), stack.take(settings.CONTAINER_MEMORY), column)
    return stack.if_(conditions.HAS_CONTAINER_CPU, settings.CONTAINER_CPU_UNITS, automatic)


def task(stack: Stack) -> dict[str, Any]:
    """Properties of a task definition by name: those of a task on Fargate, or on a host."""
    return {
        "NetworkMode": stack.if_(conditions.IS_EC2, "bridge", "awsvpc"),
        "RequiresCompatibilities": stack.if_(conditions.IS_EC2, ["EC2"], ["FARGATE"]),
        "Cpu": stack.if_(conditions.IS_FARGATE, cpu(stack, "FargateCpu")),
        "Memory": stack.if_(conditions.IS_FARGATE, settings.CONTAINER_MEMORY),
        "RuntimePlatform": stack.if_(
            conditions.IS_FARGATE,
            ecs.RuntimePlatform(CpuArchitecture=stack.take(settings.CPU_ARCHITECTURE), OperatingSystemFamily="LINUX"),
        ),
    }
