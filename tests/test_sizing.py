"""Instance facts and the arithmetic that CloudFormation cannot do: facts from EC2, worked examples, properties."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from itertools import product

import pytest
from calls import client
from deployments import REQUIRED, Editions, items
from moto import mock_aws
from refuse import refusals

from generator import sizing
from generator.sizing import CONTAINER_CPU, INSTANCES, MAX_SUBNETS, MAX_TASKS, MEMORY_SIZES, Instance

KERNELS_SHARE = 0.1
"""Of the advertised memory, at most: hosts register what the kernel leaves, see REGISTERED."""
REGISTERED = {
    # m4.large: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/memory-management.html
    8192: 7985,
    # c4.2xlarge: https://github.com/aws/amazon-ecs-agent/issues/399
    15 * 1024: 15042,
}
"""MiB that hosts of an advertised memory were seen to register."""
FROM_LARGE_ON = ("large", "xlarge", "2xlarge", "4xlarge")
CPU_UNITS = 1024
"""To a vCPU: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/capacity-tasksize.html"""


def test_facts_of_instance_types() -> None:
    """Against EC2's DescribeInstanceTypes, of which moto carries a copy."""
    with mock_aws():
        described = client("ec2").describe_instance_types(InstanceTypes=sorted(INSTANCES))["InstanceTypes"]
    facts = {
        it["InstanceType"]: Instance(
            architecture=it["ProcessorInfo"]["SupportedArchitectures"][0],
            vcpus=it["VCpuInfo"]["DefaultVCpus"],
            memory=it["MemoryInfo"]["SizeInMiB"],
        )
        for it in described
    }
    assert facts == INSTANCES


def test_of_each_processor_there_are_hosts_with_more_memory_and_with_less(editions: Editions) -> None:
    """EC2 calls them m and c: whoever finds out which one a stack needs can change to it on the same processor."""
    offered = editions.parent["Parameters"]["AsgInstanceType"]["AllowedValues"]
    sizes = {letter: {it[1:] for it in offered if it.startswith(letter)} for letter in "mc"}
    assert sizes["m"] == sizes["c"]
    assert sizes["m"] == set(map(".".join, product({it.partition(".")[0] for it in sizes["m"]}, FROM_LARGE_ON)))


@pytest.fixture
def overhead(editions: Editions) -> tuple[int, int]:
    """MiB and CPU units of a default host that are not for our tasks, as the templates have them."""
    resources = editions.single().resources
    data = base64.b64decode(resources["LaunchTemplate"]["Properties"]["LaunchTemplateData"]["UserData"]).decode()
    (reserved,) = re.findall(r"ECS_RESERVED_MEMORY=(\d+)", data)
    (agent,) = resources["LogAgentTaskDefinition"]["Properties"]["ContainerDefinitions"]
    return int(reserved) + agent["MemoryReservation"], agent["Cpu"]


@pytest.mark.parametrize("nominal", sorted(REGISTERED))
def test_hosts_were_seen_to_register_more_than_is_counted_on(nominal: int, overhead: tuple[int, int]) -> None:
    assert sizing.task_memory(nominal) <= REGISTERED[nominal] - overhead[0]
    assert sizing.task_memory(nominal) >= REGISTERED[nominal] * 0.85, "and most of it is used"


def test_the_default_type_takes_an_old_and_a_new_task_during_a_deployment(editions: Editions) -> None:
    defaults = {name: it.get("Default") for name, it in editions.parent["Parameters"].items()}
    nominal = INSTANCES[defaults["AsgInstanceType"]]
    assert sizing.task_memory(nominal.memory) >= 2 * int(defaults["ContainerMemory"])


@pytest.mark.parametrize(
    ("memory", "reservation", "workers", "cpu", "fargate_cpu"),
    [
        (128, 96, 1, 256, 256),
        (512, 384, 2, 512, 256),
        (768, 576, 3, 768, 256),
        (1024, 768, 4, 1024, 512),
        (2048, 1536, 4, 1024, 1024),
        (12288, 9216, 4, 1024, 2048),
        (30720, 23040, 4, 1024, 4096),
    ],
)
def test_automatic_figures_are_those_of_the_form(
    memory: int, reservation: int, workers: int, cpu: int, fargate_cpu: int
) -> None:
    """Three quarters of the limit; one worker for every 256 MiB, 1 to 4; 256 CPU units for each; on Fargate a pair."""
    figures = {"Reservation": reservation, "Workers": workers, "Cpu": cpu, "FargateCpu": fargate_cpu}
    assert sizing.container_table()[str(memory)] == {name: str(figure) for name, figure in figures.items()}


KNOWN_TO_FARGATE = {
    256: (512, 1024, 2048),
    512: range(1024, 4097, 1024),
    1024: range(2048, 8193, 1024),
    2048: range(4096, 16385, 1024),
    4096: range(8192, 30721, 1024),
}
"""MiB by CPU units: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html"""


def test_the_rules_admit_the_sizes_that_fargate_knows_and_no_other(editions: Editions) -> None:
    rules = {"TaskFitsFargate": editions.parent["Rules"]["TaskFitsFargate"]}
    for memory, cpu in product(MEMORY_SIZES, (0, *CONTAINER_CPU)):
        given = {"Capacity": "fargate", "ContainerMemory": str(memory), "ContainerCpu": str(cpu)}
        task = editions.single(given).resources["TaskDefinition"]["Properties"]
        (server,) = task["ContainerDefinitions"]
        assert (server["Cpu"], server["Memory"]) == (task["Cpu"], task["Memory"]), "the container has all of the task"
        known = int(task["Memory"]) in KNOWN_TO_FARGATE.get(int(task["Cpu"]), ())
        refused = refusals({**editions.parent, "Rules": rules}, REQUIRED | given, {})
        assert known == (not refused), given


def test_every_automatic_task_can_be_registered_and_fits_every_type_by_cpu(overhead: tuple[int, int]) -> None:
    """ECS wants the limit above the reservation. The Rules check a ContainerCpu that is given, not an automatic one."""
    table = sizing.container_table()
    assert table.keys() == {str(memory) for memory in MEMORY_SIZES}
    smallest = min(it.vcpus for it in INSTANCES.values()) * CPU_UNITS - overhead[1]
    for memory, row in table.items():
        assert int(memory) // 2 < int(row["Reservation"]) < int(memory)
        assert int(memory) // int(row["Workers"]) >= 128, "a worker has room to start"
        assert int(row["Cpu"]) <= smallest


def placed(instance: Instance, memory: int, cpu: int, overhead: tuple[int, int]) -> int:
    """How many tasks a scheduler places on the host, one by one, until the next does not fit."""
    free_memory = instance.memory * (1 - KERNELS_SHARE) - overhead[0]
    free_cpu = instance.vcpus * CPU_UNITS - overhead[1]
    tasks = 0
    while free_memory >= memory and free_cpu >= cpu:
        tasks, free_memory, free_cpu = tasks + 1, free_memory - memory, free_cpu - cpu
    return tasks


@pytest.fixture(scope="module")
def counted() -> Callable[[str, int], int]:
    """Tasks of so many MiB on a host of the type, by the Mappings."""
    tasks, instances = sizing.tasks_table(), sizing.instance_table()
    return lambda name, memory: int(tasks[str(memory)][instances[name]["Capacity"]])


def test_as_many_tasks_are_counted_as_a_host_takes(
    overhead: tuple[int, int], counted: Callable[[str, int], int]
) -> None:
    for (name, instance), memory in product(INSTANCES.items(), MEMORY_SIZES):
        found, most = counted(name, memory), placed(instance, memory, sizing.cpu(memory), overhead)
        # What does not fit at all counts as one: a Rule refuses it.
        assert 1 <= found <= max(most, 1), f"{name} takes {most} tasks of {memory} MiB, not {found}"
        # One less for the sake of a few MiB is no waste, more would be.
        assert found >= min(most - 1, sizing.MAX_TASKS_PER_INSTANCE), f"{name}: {found} of {most} tasks of {memory} MiB"


@pytest.mark.parametrize(
    ("name", "memory", "tasks"),
    [
        ("t3.micro", 128, 4),  # 585 MiB; by CPU 7
        ("t3.micro", 512, 1),
        ("t3.small", 512, 2),  # 1507 MiB, 1984 CPU units
        ("m7g.large", 1024, 1),  # 1024 of 1984 CPU units, though there is memory for 7
        ("c7g.4xlarge", 2048, 10),  # by memory 14, by CPU 15: the most that a table tells apart
    ],
)
def test_tasks_on_a_host_by_hand(name: str, memory: int, tasks: int, counted: Callable[[str, int], int]) -> None:
    assert counted(name, memory) == tasks


@pytest.mark.parametrize(
    ("tasks", "per_host", "hosts"),
    [
        (10, 1, 11),  # ten hosts, and one for a deployment or a refresh
        (10, 3, MAX_SUBNETS + 1),  # five would do, but there may be a host in each of six subnets
        (50, 3, 18),  # 16 hosts take 48 tasks, 17 all
        (50, 10, MAX_SUBNETS + 1),
    ],
)
def test_hosts_for_all_tasks_by_hand(tasks: int, per_host: int, hosts: int) -> None:
    assert sizing.group_size_table()[str(tasks)][str(per_host)] == str(hosts)


def test_the_largest_group_holds_all_tasks_and_a_host_in_each_subnet_and_one_to_spare() -> None:
    table = sizing.group_size_table()
    assert table.keys() == {str(tasks) for tasks in range(1, MAX_TASKS + 1)}
    for tasks, per_host in product(range(1, MAX_TASKS + 1), range(1, sizing.MAX_TASKS_PER_INSTANCE + 1)):
        working = int(table[str(tasks)][str(per_host)]) - 1
        assert working * per_host >= tasks
        assert working >= MAX_SUBNETS
        assert working == MAX_SUBNETS or (working - 1) * per_host < tasks, "no more than that"


@pytest.mark.parametrize("subnets", [1, MAX_SUBNETS])
def test_the_automatic_group_holds_all_tasks_and_one_host_more(
    editions: Editions, overhead: tuple[int, int], subnets: int
) -> None:
    """As resolved: for every type and memory that go together, by memory and by CPU; also with a CPU figure given."""
    group = editions.single_file["Resources"]["AutoScalingGroup"]["Properties"]
    ends = {"MinSize": group["MinSize"], "MaxSize": group["MaxSize"]}
    tried = 0
    for (name, instance), memory, cpu in product(INSTANCES.items(), MEMORY_SIZES, (0, CONTAINER_CPU[-2])):
        needed_cpu = cpu or sizing.cpu(memory)
        fitting = placed(instance, memory, needed_cpu, overhead)
        if not fitting:
            continue  # refused by a Rule
        tried += 1
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
    assert tried


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
