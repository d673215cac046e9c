"""Instance facts and the arithmetic that CloudFormation cannot do, against formulae written anew here."""

from __future__ import annotations

from itertools import product
from math import ceil

import pytest
from deployments import Editions, items

from generator import sizing
from generator.sizing import CONTAINER_CPU, CONTAINER_MEMORY, INSTANCES, MAX_SUBNETS, MAX_TASKS, Instance

# Sizes by vCPUs, and GiB to a vCPU of a family's class: https://docs.aws.amazon.com/ec2/latest/instancetypes/
VCPUS = {"large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16}
GIBIBYTES_PER_VCPU = {"c": 2, "m": 4}
BURSTABLE = {
    "micro": (2, 1),
    "small": (2, 2),
    "medium": (2, 4),
    "large": (2, 8),
    "xlarge": (4, 16),
    "2xlarge": (8, 32),
}


@pytest.mark.parametrize("name", INSTANCES)
def test_facts_of_an_instance_type(name: str) -> None:
    family, size = name.split(".")
    vcpus, gibibytes = (
        BURSTABLE[size] if family[0] == "t" else (VCPUS[size], VCPUS[size] * GIBIBYTES_PER_VCPU[family[0]])
    )
    graviton = "g" in family
    assert INSTANCES[name] == Instance("arm64" if graviton else "x86_64", vcpus, gibibytes * 1024)


@pytest.mark.parametrize("nominal", sorted({it.memory for it in INSTANCES.values()}))
def test_memory_for_tasks_is_what_the_system_and_the_agents_leave(nominal: int) -> None:
    """A tenth and 16 MiB for the kernel, 32 that the ECS agent reserves, 64 for the CloudWatch agent."""
    assert sizing.task_memory(nominal) == int(nominal * 0.9) - 16 - 32 - 64


def test_cpu_for_tasks_is_what_the_log_agent_leaves(editions: Editions) -> None:
    task = editions.single().resources["LogAgentTaskDefinition"]["Properties"]
    (agent,) = task["ContainerDefinitions"]
    assert (agent["Cpu"], agent["MemoryReservation"]) == (64, 64)
    for vcpus in {it.vcpus for it in INSTANCES.values()}:
        assert sizing.task_cpu(vcpus) == 1024 * vcpus - 64


def test_the_default_type_takes_the_default_task(editions: Editions) -> None:
    defaults = {name: it.get("Default") for name, it in editions.parent["Parameters"].items()}
    nominal = INSTANCES[defaults["AsgInstanceType"]]
    assert sizing.task_memory(nominal.memory) >= int(defaults["ContainerMemory"])


def test_container_table() -> None:
    table = sizing.container_table()
    assert table.keys() == {str(memory) for memory in CONTAINER_MEMORY}
    for memory in CONTAINER_MEMORY:
        workers = 1 if memory < 512 else 2 if memory < 768 else 3 if memory < 1024 else 4
        expected = {"Reservation": memory // 4 * 3, "Workers": workers, "Cpu": 256 * workers}
        assert table[str(memory)] == {column: str(value) for column, value in expected.items()}


def test_an_automatic_task_fits_every_type_by_cpu() -> None:
    """The Rules check a ContainerCpu that is given, not an automatic one."""
    smallest = min(it.vcpus for it in INSTANCES.values())
    assert all(sizing.cpu(memory) <= sizing.task_cpu(smallest) for memory in CONTAINER_MEMORY)


def _fitting(instance: Instance, memory: int, cpu: int) -> int:
    """Tasks that fit by the scheduler's own count: the hard limit is the most that a task takes."""
    free_memory = instance.memory - instance.memory / 10 - 16 - 32 - 64
    free_cpu = 1024 * instance.vcpus - 64
    return min(int(free_memory // memory), free_cpu // cpu)


def test_tasks_table() -> None:
    types, tasks = sizing.instance_table(), sizing.tasks_table()
    assert types.keys() == set(INSTANCES)
    for (name, instance), memory in product(INSTANCES.items(), CONTAINER_MEMORY):
        found = int(tasks[str(memory)][types[name]["Capacity"]])
        fitting = _fitting(instance, memory, int(sizing.container_table()[str(memory)]["Cpu"]))
        assert found == min(max(fitting, 1), sizing.MAX_TASKS_PER_INSTANCE), (name, memory)


def test_group_size_table() -> None:
    table = sizing.group_size_table()
    assert table.keys() == {str(tasks) for tasks in range(1, MAX_TASKS + 1)}
    for tasks, per in product(range(1, MAX_TASKS + 1), range(1, sizing.MAX_TASKS_PER_INSTANCE + 1)):
        size = int(table[str(tasks)][str(per)])
        assert size == max(ceil(tasks / per) + 1, MAX_SUBNETS + 1)
        assert (size - 1) * per >= tasks, "one instance to spare"


@pytest.mark.parametrize("subnets", [1, MAX_SUBNETS])
def test_the_automatic_group_holds_all_tasks_and_one_host_more(editions: Editions, subnets: int) -> None:
    """As resolved: for every type and memory that go together, by memory and by CPU; also with a CPU figure given."""
    group = editions.single_file["Resources"]["AutoScalingGroup"]["Properties"]
    ends = {"MinSize": group["MinSize"], "MaxSize": group["MaxSize"]}
    for (name, instance), memory, cpu in product(INSTANCES.items(), CONTAINER_MEMORY, (0, CONTAINER_CPU[-2])):
        needed_cpu = cpu or sizing.cpu(memory)
        fitting = _fitting(instance, memory, needed_cpu)
        if not fitting:
            continue  # refused by a Rule
        for tasks in (1, MAX_TASKS):
            values = {
                "AsgSubnets": items("subnet-0{}", subnets),
                "AsgInstanceType": name,
                "ContainerMemory": str(memory),
                "ContainerCpu": str(cpu),
                "TaskMaxCount": str(tasks),
            }
            found = editions.single(values).value(ends)
            least, most = int(found["MinSize"]), int(found["MaxSize"])
            assert least == subnets
            assert least < most
            assert (most - 1) * fitting >= tasks, values


@pytest.mark.parametrize(
    ("subnets", "given", "expected"), [(1, 0, 1), (3, 0, 3), (MAX_SUBNETS, 0, MAX_SUBNETS), (3, 2, 2)]
)
def test_the_group_starts_with_a_host_in_each_subnet_unless_told(
    editions: Editions, subnets: int, given: int, expected: int
) -> None:
    values = {"AsgSubnets": items("subnet-0{}", subnets), "AsgMinSize": str(given)}
    evaluation = editions.nested(values)
    assert evaluation.resources["AutoScalingGroup"]["Properties"]["MinSize"] == str(expected)
    assert f"on {expected} or more" in evaluation.outputs["CapacityInfo"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"Memory": "512", "MemoryReservation": "384", "Cpu": "512", "Workers": "2"}),
        ({"ContainerMemory": "128"}, {"Memory": "128", "MemoryReservation": "96", "Cpu": "256", "Workers": "1"}),
        (
            {"ContainerMemoryReservation": "256", "ContainerCpu": "1024", "GunicornWorkers": "16"},
            {"Memory": "512", "MemoryReservation": "256", "Cpu": "1024", "Workers": "16"},
        ),
    ],
)
def test_a_task_gets_what_is_asked_for_or_the_automatic_figures(
    editions: Editions, values: dict[str, str], expected: dict[str, str]
) -> None:
    container = editions.nested(values).resources["TaskDefinition"]["Properties"]["ContainerDefinitions"][0]
    environment = {it["Name"]: it["Value"] for it in container["Environment"]}
    found = {name: container[name] for name in ("Memory", "MemoryReservation", "Cpu")}
    assert found | {"Workers": environment["GUNICORN_WORKERS"]} == expected
